//! The books that a new shelf holds: between them they use every kind of field.

use bytes::Bytes;
use prost_types::{Duration, Timestamp};

use super::{
    shelf::{Entry, Shelf, checksum},
    types::{
        bookshelf::v1::{Book, Genre, Publisher, book::Place},
        google::api::HttpBody,
    },
};

const TEXT: &str = "\
The window above the door let the morning in before anybody was up.\n\
It fell on the hall floor first, then on the coats, and last on the letters.\n\
\n\
Whoever came down for them stood in the light a while without knowing why.\n\
They said the hall was warm, and that the house was waking.\n\
The window heard it every day and passed it on.\n";

/// A shelf with the books on it.
pub(super) fn shelf() -> Shelf {
    let mut shelf = Shelf::default();
    for book in [light_above_the_door(), tides(), letters()] {
        let book = Book { checksum: checksum(TEXT.as_bytes()), ..book };
        let cover = cover(&book.title);
        shelf.place(Entry { book, cover, text: Bytes::from_static(TEXT.as_bytes()) });
    }
    shelf
}

fn light_above_the_door() -> Book {
    Book {
        name: "shelves/fiction/books/light-above-the-door".into(),
        title: "The Light Above the Door".into(),
        author: "Mara Lindqvist".into(),
        pages: 312,
        genre: Genre::Novel.into(),
        published: Some(Timestamp { seconds: 1_016_236_800, nanos: 500_000_000 }),
        tags: vec!["house".into(), "morning".into()],
        price: 18.5,
        isbn: 9_780_000_000_019,
        notes: [
            ("en".into(), "Read it by a window.".into()),
            ("sv".into(), "Läs i ljuset.".into()),
        ]
        .into(),
        read: true,
        subtitle: Some(String::new()),
        place: Some(Place::Position(3)),
        reading_time: Some(Duration { seconds: 19_800, nanos: 250_000_000 }),
        rating: Some(5),
        publisher: Some(Publisher { name: "Fanlight Press".into(), city: "Uppsala".into() }),
        weight: 0.425,
        sold: [(2002, 1200), (2003, 9_007_199_254_740_993)].into(),
        ..Book::default()
    }
}

fn tides() -> Book {
    Book {
        name: "shelves/science/books/tides".into(),
        title: "Tides, and What They Carry".into(),
        author: "Idris Okafor".into(),
        pages: 188,
        genre: Genre::Science.into(),
        published: Some(Timestamp { seconds: -14_182_940, nanos: 0 }),
        tags: vec!["sea".into()],
        price: 24.0,
        isbn: 9_780_000_000_026,
        place: Some(Place::LentTo("the harbour office".into())),
        rating: Some(0),
        weight: 0.3,
        ..Book::default()
    }
}

fn letters() -> Book {
    Book {
        name: "shelves/fiction/books/letters".into(),
        title: "Letters on the Hall Floor".into(),
        author: "Tomás Ferreira".into(),
        pages: 96,
        genre: Genre::Poetry.into(),
        subtitle: Some("Poems".into()),
        ..Book::default()
    }
}

/// A small picture with the title on it.
pub(super) fn cover(title: &str) -> HttpBody {
    let title = title.replace('&', "&amp;").replace('<', "&lt;");
    let data = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"240\" height=\"320\">\
         <rect width=\"240\" height=\"320\" fill=\"#274060\"/>\
         <text x=\"20\" y=\"60\" fill=\"#fff\">{title}</text></svg>\n"
    );
    HttpBody {
        content_type: "image/svg+xml".into(),
        data: data.into_bytes().into(),
        extensions: Vec::new(),
    }
}
