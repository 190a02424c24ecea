//! Streams of answers, and the guard that notices a caller who leaves.

use std::{
    error::Error,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::broadcast;
use tonic::{Code, Status, Streaming, metadata::MetadataMap};

use super::{
    Calls, refusal,
    types::{
        bookshelf::v1::{Book, ChatMessage, WatchBooksRequest},
        google::{api::HttpBody, rpc::RetryInfo},
    },
};

/// What a streaming method answers with.
pub(super) type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Counts a call as cancelled unless it is said to have ended.
pub(super) struct Call {
    calls: Calls,
    ended: bool,
}

impl Call {
    /// A call that begins.
    pub(super) fn begin(calls: &Calls) -> Self {
        calls.begun.send_modify(|count| *count += 1);
        Self { calls: calls.clone(), ended: false }
    }

    /// The call ended with this; a status that the transport made means that the caller left.
    pub(super) fn end<T>(&mut self, result: Result<&T, &Status>) {
        self.ended = result.err().is_none_or(|status| status.source().is_none());
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.ended {
            self.calls.cancelled.send_modify(|count| *count += 1);
        }
    }
}

/// A stream that counts as cancelled if it is dropped before its end.
pub(super) fn tracked<T: Send + 'static>(answers: Answers<T>, call: Call) -> Answers<T> {
    Box::pin(Tracked { answers, call })
}

struct Tracked<T> {
    answers: Answers<T>,
    call: Call,
}

impl<T> Stream for Tracked<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.answers.as_mut().poll_next(cx);
        match &next {
            Poll::Ready(None) => self.call.end::<T>(Err(&Status::ok(""))),
            Poll::Ready(Some(Err(status))) => self.call.end::<T>(Err(status)),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        next
    }
}

/// The books at hand, then those that come, then the failure that was asked for or the trailers.
pub(super) fn watch_books(
    asked: &WatchBooksRequest,
    books: Vec<Book>,
    changes: Option<broadcast::Receiver<Book>>,
    interval: Duration,
) -> Answers<Book> {
    let repeat = usize::try_from(asked.repeat).unwrap_or(0).max(1);
    let count = books.len();
    let books: Arc<[Book]> = books.into();
    let at_hand = (0..count * repeat).map(move |place| Ok(books[place % count].clone()));
    let mut all: Answers<Book> = stream::iter(at_hand).boxed();
    if let Some(changes) = changes {
        all = all.chain(follow(changes, asked.parent.clone())).boxed();
    }
    if !interval.is_zero() {
        all = all
            .then(move |book| async move {
                tokio::time::sleep(interval).await;
                book
            })
            .boxed();
    }
    match usize::try_from(asked.fail_after) {
        Ok(count @ 1..) => all.take(count).chain(stream::iter([Err(lost_interest())])).boxed(),
        _ => with_trailer(all).boxed(),
    }
}

/// Ends a stream of books that ends well with a trailer that counts them.
fn with_trailer(books: Answers<Book>) -> impl Stream<Item = Result<Book, Status>> + Send {
    stream::unfold((Some(books), 0_u64), async |(books, sent)| {
        let mut books = books?;
        match books.next().await {
            Some(book) => Some((book, (Some(books), sent + 1))),
            None => {
                let mut trailers = MetadataMap::new();
                trailers.insert("x-bookshelf-sent", sent.into());
                // A status of OK as the last item is how tonic sends trailers of one's own.
                Some((Err(Status::with_metadata(Code::Ok, "", trailers)), (None, sent)))
            }
        }
    })
}

fn follow(
    changes: broadcast::Receiver<Book>,
    parent: String,
) -> impl Stream<Item = Result<Book, Status>> + Send {
    let prefix = match parent.as_str() {
        "" | "shelves/-" => "shelves/".to_owned(),
        parent => format!("{parent}/books/"),
    };
    let changes = stream::unfold(changes, async |mut changes| match changes.recv().await {
        Ok(book) => Some((Ok(book), changes)),
        Err(broadcast::error::RecvError::Lagged(missed)) => {
            let message = format!("the watcher was too slow and missed {missed} books");
            Some((Err(Status::data_loss(message)), changes))
        }
        Err(broadcast::error::RecvError::Closed) => None,
    });
    changes.filter(move |change| {
        let wanted = change.as_ref().map_or(true, |book| book.name.starts_with(&prefix));
        std::future::ready(wanted)
    })
}

fn lost_interest() -> Status {
    let retry = RetryInfo { retry_delay: Some(prost_types::Duration { seconds: 1, nanos: 0 }) };
    let details = vec![
        refusal::detail("ErrorInfo", &refusal::error_info("WATCH_FAILED")),
        refusal::detail("RetryInfo", &retry),
    ];
    refusal::status(Code::Unavailable, "the watch failed as asked", details)
}

/// Answers each message as it comes, with its number in the conversation.
pub(super) fn chat(
    messages: Streaming<ChatMessage>,
    known: impl Fn(&str) -> Result<(), Status> + Send + 'static,
) -> Answers<ChatMessage> {
    struct Talk<F> {
        messages: Streaming<ChatMessage>,
        known: F,
        book: String,
        number: i32,
    }
    let talk = Talk { messages, known, book: String::new(), number: 0 };
    let answers = stream::try_unfold(talk, async |mut talk| {
        let Some(message) = talk.messages.message().await? else { return Ok(None) };
        // A message that names a book turns the talk to it.
        if talk.number == 0 || !message.book.is_empty() {
            (talk.known)(&message.book)?;
            talk.book = message.book;
        }
        talk.number += 1;
        let answer =
            ChatMessage { book: talk.book.clone(), text: message.text, number: talk.number };
        Ok(Some((answer, talk)))
    });
    answers.boxed()
}

/// A text in pieces, the whole of it `repeat` times over.
pub(super) fn pieces(text: Bytes, size: usize, repeat: usize) -> Answers<HttpBody> {
    let count = text.len().div_ceil(size);
    let pieces = (0..count * repeat).map(move |piece| {
        let start = piece % count * size;
        let data = text.slice(start..text.len().min(start + size));
        let content_type = "text/plain; charset=utf-8".into();
        Ok(HttpBody { content_type, data, extensions: Vec::new() })
    });
    stream::iter(pieces).boxed()
}
