//! The four kinds of methods, with gRPC's own client.

use std::time::Duration;

use futures_util::stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Request};
use transom::cli::demo::bookshelf::types::bookshelf::v1::*;

use crate::support::{Rig, with_time_enough, within};

const BOOK: &str = "shelves/science/books/tides";

#[tokio::test]
async fn unary_call_is_answered() {
    let rig = Rig::start().await;
    let mut client = rig.grpc().await;
    let book = client.get_book(GetBookRequest { name: BOOK.into() }).await.unwrap().into_inner();
    assert_eq!(book.name, BOOK);
    // A method without any HTTP rule can be called all the same.
    let pong = client.ping(PingRequest { text: "é".into() }).await.unwrap();
    assert_eq!(pong.into_inner().text, "é");
}

#[tokio::test]
async fn server_stream_comes_whole_with_its_trailers() {
    let rig = Rig::start().await;
    let watch =
        WatchBooksRequest { parent: "shelves/fiction".into(), repeat: 500, ..Default::default() };
    let mut books = rig.grpc().await.watch_books(watch).await.unwrap().into_inner();
    let mut count = 0;
    while let Some(book) = within("a book", books.message()).await.unwrap() {
        assert!(book.name.starts_with("shelves/fiction/"));
        count += 1;
    }
    let trailers = within("trailers", books.trailers()).await.unwrap().unwrap();
    assert_eq!(trailers.get("x-bookshelf-sent").unwrap(), &count.to_string());
    assert_eq!(count, 1000);
}

#[tokio::test]
async fn server_stream_sends_its_head_before_the_first_message() {
    let rig = Rig::start().await;
    let interval = Some(prost_types::Duration { seconds: 3600, nanos: 0 });
    let watch =
        WatchBooksRequest { parent: "shelves/fiction".into(), interval, ..Default::default() };
    let response = within("the head", rig.grpc().await.watch_books(watch)).await.unwrap();
    assert!(response.metadata().contains_key("x-bookshelf-version"));
    drop(response);
    within("the call's end", rig.bookshelf.wait_for_cancelled(1)).await;
}

#[tokio::test]
async fn client_stream_is_counted() {
    let rig = Rig::start().await;
    let books = (0..200).map(|number| ImportBooksRequest {
        parent: "shelves/new".into(),
        book: Some(Book { title: format!("Book {number}"), ..Default::default() }),
    });
    let imported = rig.grpc().await.import_books(stream::iter(books)).await.unwrap().into_inner();
    assert_eq!((imported.imported, imported.names.len()), (200, 200));
}

#[tokio::test]
async fn conversation_goes_back_and_forth() {
    let rig = Rig::start().await;
    let (say, said) = mpsc::unbounded_channel();
    let mut client = rig.grpc().await;
    let first = ChatMessage { book: BOOK.into(), text: "1".into(), number: 1 };
    say.send(first).unwrap();
    let said = UnboundedReceiverStream::new(said);
    let mut heard = within("the head", client.chat(said)).await.unwrap().into_inner();
    for number in 2..50 {
        let answer = within("an answer", heard.message()).await.unwrap().unwrap();
        assert!(!answer.text.is_empty());
        let text = number.to_string();
        say.send(ChatMessage { book: String::new(), text, number }).unwrap();
    }
    within("an answer", heard.message()).await.unwrap().unwrap();
    drop(say);
    assert!(within("the end", heard.message()).await.unwrap().is_none());
}

#[tokio::test]
async fn caller_that_leaves_cancels_the_call() {
    let rig = Rig::start().await;
    let mut client = rig.grpc().await;
    let waits = WaitRequest { delay: Some(prost_types::Duration { seconds: 3600, nanos: 0 }) };
    let call = tokio::spawn(async move { client.wait(waits).await });
    within("the call", rig.bookshelf.wait_for_begun(1)).await;
    call.abort();
    within("the unary call's end", rig.bookshelf.wait_for_cancelled(1)).await;
    let watch =
        WatchBooksRequest { parent: "shelves/fiction".into(), follow: true, ..Default::default() };
    let mut books = rig.grpc().await.watch_books(watch).await.unwrap().into_inner();
    within("a book", books.message()).await.unwrap().unwrap();
    drop(books);
    within("the stream's end", rig.bookshelf.wait_for_cancelled(2)).await;
}

#[tokio::test]
async fn deadline_of_the_caller_reaches_the_backend_and_is_kept() {
    let rig = Rig::start().await;
    let mut client = rig.grpc().await;
    let mut request = Request::new(WaitRequest::default());
    request.set_timeout(Duration::from_secs(7));
    let told = client.wait(request).await.unwrap().into_inner().timeout;
    let (number, unit) = told.split_at(told.len() - 1);
    assert_eq!(unit, "u", "{told}");
    assert!((1..=7_000_000).contains(&number.parse::<u64>().unwrap()), "{told}");

    // Written by hand, so that only the gateway keeps it.
    let wait = [0, 0, 0, 0, 5, 10, 3, 8, 0x90, 0x1c];
    let path = "/bookshelf.v1.Bookshelf/Wait";
    let before = rig.bookshelf.begun();
    let mut connection = rig.http2().await;
    with_time_enough(async |deadline| {
        let deadline = format!("{deadline}m");
        let headers =
            [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", &deadline)];
        connection.request("POST", path, &headers, &wait).await.trailers_only(4);
        rig.bookshelf.begun() > before
    })
    .await;
    within("the call's end", rig.bookshelf.wait_for_cancelled(1)).await;
}

#[tokio::test]
async fn deadline_in_a_stream_is_told_in_its_trailers() {
    with_time_enough(async |deadline| {
        let rig = Rig::with_policy(&format!("timeout: {deadline}ms")).await;
        let parent = "shelves/fiction".into();
        let watch = WatchBooksRequest { parent, follow: true, ..Default::default() };
        let Ok(books) = rig.grpc().await.watch_books(watch).await else { return false };
        let mut books = books.into_inner();
        let status = loop {
            match within("a book", books.message()).await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream ended well"),
                Err(status) => break status,
            }
        };
        assert_eq!(status.code(), Code::DeadlineExceeded);
        within("the call's end", rig.bookshelf.wait_for_cancelled(1)).await;
        true
    })
    .await;
}
