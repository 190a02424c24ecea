//! The books by name: what the methods read and change, and what they refuse.

use std::{collections::BTreeMap, ops::Bound};

use bytes::Bytes;
use tonic::Status;

use super::{
    refusal,
    types::{
        bookshelf::v1::{
            Book, CreateBookRequest, ListBooksRequest, ListBooksResponse, UpdateBookRequest,
        },
        google::api::HttpBody,
    },
};

/// The most books that are kept.
const BOOK_LIMIT: usize = 100_000;

const PAGE_SIZE: usize = 50;
const PAGE_SIZE_LIMIT: usize = 1000;

/// A book and what is too large to be part of it.
pub(super) struct Entry {
    pub(super) book: Book,
    pub(super) cover: HttpBody,
    pub(super) text: Bytes,
}

/// All books, by their full names.
#[derive(Default)]
pub(super) struct Shelf(BTreeMap<String, Entry>);

impl Shelf {
    /// Puts a book in its place, or in another's.
    pub(super) fn place(&mut self, entry: Entry) {
        self.0.insert(entry.book.name.clone(), entry);
    }

    /// A page of the books below a parent, in the order of their names.
    pub(super) fn list(&self, asked: &ListBooksRequest) -> Result<ListBooksResponse, Status> {
        let size = match usize::try_from(asked.page_size) {
            Ok(0) => PAGE_SIZE,
            Ok(size) => size.min(PAGE_SIZE_LIMIT),
            Err(_) => return Err(refusal::invalid_field("page_size", "is below zero")),
        };
        let mut books: Vec<Book> = self
            .below(&asked.parent, &asked.page_token)?
            .filter(|book| asked.genre == 0 || book.genre == asked.genre)
            .take(size + 1)
            .cloned()
            .collect();
        let more = books.len() > size;
        books.truncate(size);
        let last = books.last().filter(|_| more);
        let next_page_token = last.map(|book| book.name.clone()).unwrap_or_default();
        Ok(ListBooksResponse { books, next_page_token })
    }

    /// The books of a shelf (`shelves/-` and the empty parent stand for all), after a name.
    pub(super) fn below(
        &self,
        parent: &str,
        after: &str,
    ) -> Result<impl Iterator<Item = &Book>, Status> {
        let prefix = match parent {
            "" | "shelves/-" => "shelves/".to_owned(),
            parent => format!("{}/books/", check_parent(parent)?),
        };
        if !after.is_empty() && !after.starts_with("shelves/") {
            return Err(refusal::invalid_field("page_token", "did not come from here"));
        }
        let from = if after < prefix.as_str() {
            Bound::Included(&*prefix)
        } else {
            Bound::Excluded(after)
        };
        let entries = self.0.range::<str, _>((from, Bound::Unbounded));
        let books = entries.map(|(_, entry)| &entry.book).collect::<Vec<_>>();
        Ok(books.into_iter().take_while(move |book| book.name.starts_with(&prefix)))
    }

    /// The book with this name.
    pub(super) fn find(&self, name: &str) -> Result<&Entry, Status> {
        self.0.get(name).ok_or_else(|| refusal::not_found(name))
    }

    /// The same, to be changed.
    pub(super) fn find_mut(&mut self, name: &str) -> Result<&mut Entry, Status> {
        self.0.get_mut(name).ok_or_else(|| refusal::not_found(name))
    }

    /// Puts a new book on a shelf.
    pub(super) fn create(&mut self, asked: CreateBookRequest) -> Result<Book, Status> {
        let parent = check_parent(&asked.parent)?;
        let Some(mut book) = asked.book else {
            return Err(refusal::invalid_field("book", "is missing"));
        };
        check_book(&book)?;
        let id = match asked.book_id.as_str() {
            "" => id_from_title(&book.title),
            id => id.to_owned(),
        };
        if !is_id(&id) {
            return Err(refusal::invalid_field(
                "book_id",
                "takes 1 to 63 small letters, digits, `.`, `_`, `~` and `-`",
            ));
        }
        book.name = format!("{parent}/books/{id}");
        if self.0.contains_key(&book.name) {
            return Err(refusal::already_exists(&book.name));
        }
        if self.0.len() == BOOK_LIMIT {
            return Err(refusal::exhausted(
                "SHELF_FULL",
                "the shelf is full; take a book off first",
            ));
        }
        let cover = super::seed::cover(&book.title);
        self.place(Entry { book: book.clone(), cover, text: Bytes::new() });
        Ok(book)
    }

    /// Changes the fields that the mask names, or all of them.
    pub(super) fn update(&mut self, asked: UpdateBookRequest) -> Result<Book, Status> {
        let Some(changed) = asked.book else {
            return Err(refusal::invalid_field("book", "is missing"));
        };
        let entry = self.find_mut(&changed.name)?;
        let mut book = entry.book.clone();
        match asked.update_mask.filter(|mask| !mask.paths.is_empty()) {
            None => book = Book { checksum: book.checksum, ..changed },
            Some(mask) => {
                for path in &mask.paths {
                    update_field(&mut book, &changed, path)?;
                }
            }
        }
        check_book(&book)?;
        entry.book = book.clone();
        Ok(book)
    }

    /// Takes a book off its shelf.
    pub(super) fn delete(&mut self, name: &str) -> Result<(), Status> {
        self.0.remove(name).map(|_| ()).ok_or_else(|| refusal::not_found(name))
    }
}

/// Eight bytes that change with the text (FNV-1a).
pub(super) fn checksum(text: &[u8]) -> Vec<u8> {
    let hash = text.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    });
    hash.to_be_bytes().to_vec()
}

fn check_parent(parent: &str) -> Result<&str, Status> {
    match parent.strip_prefix("shelves/") {
        Some(id) if is_id(id) => Ok(parent),
        _ => Err(refusal::invalid_field("parent", format!("`{parent}` is not `shelves/NAME`"))),
    }
}

fn is_id(id: &str) -> bool {
    let known = |byte: u8| {
        byte.is_ascii_lowercase()
            || byte.is_ascii_digit()
            || matches!(byte, b'-' | b'.' | b'_' | b'~')
    };
    (1..=63).contains(&id.len()) && id.bytes().all(known)
}

fn id_from_title(title: &str) -> String {
    let words = title.split(|letter: char| !letter.is_ascii_alphanumeric());
    let words: Vec<_> =
        words.filter(|word| !word.is_empty()).map(str::to_ascii_lowercase).collect();
    let mut id = words.join("-");
    id.truncate(63);
    if id.is_empty() { "untitled".into() } else { id }
}

fn check_book(book: &Book) -> Result<(), Status> {
    let mut violations = Vec::new();
    if book.title.is_empty() {
        violations.push(refusal::violation("book.title", "is missing"));
    }
    if book.pages < 0 {
        violations.push(refusal::violation("book.pages", "is below zero"));
    }
    if book.price < 0.0 {
        violations.push(refusal::violation("book.price", "is below zero"));
    }
    if violations.is_empty() { Ok(()) } else { Err(refusal::invalid(violations)) }
}

fn update_field(book: &mut Book, changed: &Book, path: &str) -> Result<(), Status> {
    let changed = changed.clone();
    match path {
        "*" => {
            *book = Book {
                name: std::mem::take(&mut book.name),
                checksum: std::mem::take(&mut book.checksum),
                ..changed
            }
        }
        "title" => book.title = changed.title,
        "author" => book.author = changed.author,
        "pages" => book.pages = changed.pages,
        "genre" => book.genre = changed.genre,
        "published" => book.published = changed.published,
        "tags" => book.tags = changed.tags,
        "price" => book.price = changed.price,
        "isbn" => book.isbn = changed.isbn,
        "notes" => book.notes = changed.notes,
        "read" => book.read = changed.read,
        "subtitle" => book.subtitle = changed.subtitle,
        "position" | "lent_to" => book.place = changed.place,
        "reading_time" => book.reading_time = changed.reading_time,
        "rating" => book.rating = changed.rating,
        "publisher" => book.publisher = changed.publisher,
        "publisher.name" => {
            book.publisher.get_or_insert_default().name = changed.publisher.unwrap_or_default().name
        }
        "publisher.city" => {
            book.publisher.get_or_insert_default().city = changed.publisher.unwrap_or_default().city
        }
        "weight" => book.weight = changed.weight,
        "sold" => book.sold = changed.sold,
        "name" | "checksum" => {
            return Err(refusal::invalid_field(
                "update_mask",
                format!("`{path}` can't be changed"),
            ));
        }
        _ => return Err(refusal::invalid_field("update_mask", format!("a book has no `{path}`"))),
    }
    Ok(())
}
