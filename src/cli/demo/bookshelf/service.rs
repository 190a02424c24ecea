//! The methods of `bookshelf.v1.Bookshelf`, each a line or a few over the shelf.

use std::{future::Future, time::Duration};

use prost_types::Any;
use tonic::{
    Code, Request, Response, Status, Streaming,
    metadata::{KeyAndValueRef, MetadataMap, MetadataValue},
};

use super::{
    Bookshelf,
    cut::Cut,
    refusal,
    shelf::checksum,
    stream::{self, Answers, Call},
    types::{
        bookshelf::v1::{
            Book, ChatMessage, CreateBookRequest, DeleteBookRequest, FailRequest, GetBookRequest,
            GetCoverRequest, ImportBooksRequest, ImportBooksResponse, ListBooksRequest,
            ListBooksResponse, PingRequest, PingResponse, ReadTextRequest, SetCoverRequest,
            UpdateBookRequest, WaitRequest, WaitResponse, WatchBooksRequest, WriteTextRequest,
            WriteTextResponse, bookshelf_server,
        },
        google::{
            api::HttpBody,
            rpc::{BadRequest, RetryInfo},
        },
    },
};

/// The longest wait that a caller may ask for.
const WAIT_LIMIT: Duration = Duration::from_secs(3600);

/// The longest text that is kept, in bytes.
const TEXT_LIMIT: usize = 16 << 20;

const PIECE: usize = 4096;
const PIECE_LIMIT: usize = 1 << 20;

#[tonic::async_trait]
impl bookshelf_server::Bookshelf for Bookshelf {
    type WatchBooksStream = Answers<Book>;
    type ChatStream = Answers<ChatMessage>;
    type ReadTextStream = Answers<HttpBody>;

    async fn list_books(
        &self,
        request: Request<ListBooksRequest>,
    ) -> Result<Response<ListBooksResponse>, Status> {
        self.answer(request, |asked| async move { self.shelf().list(&asked) }).await
    }

    async fn get_book(&self, request: Request<GetBookRequest>) -> Result<Response<Book>, Status> {
        self.answer(request, |asked| async move {
            self.shelf().find(&asked.name).map(|entry| entry.book.clone())
        })
        .await
    }

    async fn create_book(
        &self,
        request: Request<CreateBookRequest>,
    ) -> Result<Response<Book>, Status> {
        let create = |asked| async move { self.create(asked) };
        let mut response = self.answer(request, create).await?;
        response.metadata_mut().insert("x-http-code", MetadataValue::from_static("201"));
        Ok(response)
    }

    async fn update_book(
        &self,
        request: Request<UpdateBookRequest>,
    ) -> Result<Response<Book>, Status> {
        self.answer(request, |asked| async move {
            let book = self.shelf().update(asked)?;
            self.tell(&book);
            Ok(book)
        })
        .await
    }

    async fn delete_book(
        &self,
        request: Request<DeleteBookRequest>,
    ) -> Result<Response<()>, Status> {
        self.answer(request, |asked| async move { self.shelf().delete(&asked.name) }).await
    }

    async fn watch_books(
        &self,
        request: Request<WatchBooksRequest>,
    ) -> Result<Response<Self::WatchBooksStream>, Status> {
        self.stream(request, |asked| {
            let interval = duration("interval", asked.interval)?;
            let shelf = self.shelf();
            // Subscribed under the lock, so that no change falls between list and changes.
            let changes = asked.follow.then(|| self.0.changes.subscribe());
            let books = shelf.below(&asked.parent, "")?.cloned().collect();
            Ok(stream::watch_books(&asked, books, changes, interval))
        })
    }

    async fn import_books(
        &self,
        request: Request<Streaming<ImportBooksRequest>>,
    ) -> Result<Response<ImportBooksResponse>, Status> {
        self.answer(request, |books| self.import(books)).await
    }

    async fn chat(
        &self,
        request: Request<Streaming<ChatMessage>>,
    ) -> Result<Response<Self::ChatStream>, Status> {
        self.stream(request, |messages| {
            let bookshelf = self.clone();
            let known = move |name: &str| bookshelf.shelf().find(name).map(|_| ());
            Ok(stream::chat(messages, known))
        })
    }

    async fn read_text(
        &self,
        request: Request<ReadTextRequest>,
    ) -> Result<Response<Self::ReadTextStream>, Status> {
        self.stream(request, |asked| {
            let size = match usize::try_from(asked.piece_size) {
                Ok(0) => PIECE,
                Ok(size) if size <= PIECE_LIMIT => size,
                _ => return Err(refusal::invalid_field("piece_size", "is not 1 to 1048576")),
            };
            let repeat = usize::try_from(asked.repeat).unwrap_or(0).max(1);
            let text = self.shelf().find(&asked.name)?.text.clone();
            Ok(stream::pieces(text, size, repeat))
        })
    }

    async fn get_cover(
        &self,
        request: Request<GetCoverRequest>,
    ) -> Result<Response<HttpBody>, Status> {
        self.answer(request, |asked| async move {
            self.shelf().find(&asked.name).map(|entry| entry.cover.clone())
        })
        .await
    }

    async fn set_cover(&self, request: Request<SetCoverRequest>) -> Result<Response<Book>, Status> {
        self.answer(request, |asked| async move {
            let cover = asked.cover.filter(|cover| !cover.data.is_empty());
            let cover = cover.ok_or_else(|| refusal::invalid_field("cover", "is empty"))?;
            let mut shelf = self.shelf();
            let entry = shelf.find_mut(&asked.name)?;
            entry.cover = cover;
            Ok(entry.book.clone())
        })
        .await
    }

    async fn write_text(
        &self,
        request: Request<Streaming<WriteTextRequest>>,
    ) -> Result<Response<WriteTextResponse>, Status> {
        self.answer(request, |pieces| self.write(pieces)).await
    }

    async fn fail(&self, request: Request<FailRequest>) -> Result<Response<()>, Status> {
        self.answer(request, |asked| async move { Err(failure(&asked)) }).await
    }

    async fn wait(&self, request: Request<WaitRequest>) -> Result<Response<WaitResponse>, Status> {
        let timeout = request.metadata().get("grpc-timeout");
        let timeout = timeout.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        self.answer(request, |asked| async move {
            tokio::time::sleep(duration("delay", asked.delay)?).await;
            Ok(WaitResponse { timeout })
        })
        .await
    }

    async fn ping(&self, request: Request<PingRequest>) -> Result<Response<PingResponse>, Status> {
        let echo = |asked: PingRequest| async move { Ok(PingResponse { text: asked.text }) };
        let mut response = self.answer(request, echo).await?;
        response.metadata_mut().insert("x-bookshelf-watchers", self.watchers().into());
        Ok(response)
    }
}

impl Bookshelf {
    /// Runs a method with one answer, and notices if the caller leaves before it.
    async fn answer<Q, A, F>(
        &self,
        request: Request<Q>,
        work: impl FnOnce(Q) -> F,
    ) -> Result<Response<A>, Status>
    where
        F: Future<Output = Result<A, Status>> + Send,
    {
        let mut call = Call::begin(&self.0.calls);
        let (metadata, extensions, asked) = request.into_parts();
        let result = work(asked).await;
        if !extensions.get::<Cut>().is_some_and(Cut::is_cut) {
            call.end(result.as_ref());
        }
        respond(&metadata, result)
    }

    /// Starts a method with a stream of answers; its end is the call's end.
    fn stream<Q, A>(
        &self,
        request: Request<Q>,
        work: impl FnOnce(Q) -> Result<Answers<A>, Status>,
    ) -> Result<Response<Answers<A>>, Status>
    where
        A: Send + 'static,
    {
        let mut call = Call::begin(&self.0.calls);
        let (metadata, _, asked) = request.into_parts();
        let result = work(asked);
        if let Err(status) = &result {
            call.end::<A>(Err(status));
        }
        respond(&metadata, result.map(|answers| stream::tracked(answers, call)))
    }

    fn create(&self, asked: CreateBookRequest) -> Result<Book, Status> {
        let book = self.shelf().create(asked)?;
        self.tell(&book);
        Ok(book)
    }

    /// Tells the watchers about a book; it is no error that nobody watches.
    fn tell(&self, book: &Book) {
        let _ = self.0.changes.send(book.clone());
    }

    async fn import(
        &self,
        mut books: Streaming<ImportBooksRequest>,
    ) -> Result<ImportBooksResponse, Status> {
        let mut parent = String::new();
        let mut names = Vec::new();
        while let Some(asked) = books.message().await? {
            if !asked.parent.is_empty() {
                parent = asked.parent;
            }
            let created = CreateBookRequest {
                parent: parent.clone(),
                book: asked.book,
                ..Default::default()
            };
            names.push(self.create(created)?.name);
        }
        Ok(ImportBooksResponse { imported: names.len() as i32, names })
    }

    async fn write(
        &self,
        mut pieces: Streaming<WriteTextRequest>,
    ) -> Result<WriteTextResponse, Status> {
        let (mut name, mut discard) = (String::new(), false);
        let mut text = Vec::new();
        let mut written = WriteTextResponse::default();
        while let Some(asked) = pieces.message().await? {
            if written.pieces == 0 {
                self.shelf().find(&asked.name)?;
                (name, discard) = (asked.name, asked.discard);
            }
            let data = asked.text.unwrap_or_default().data;
            written.pieces += 1;
            written.bytes += data.len() as i64;
            if discard {
                continue;
            }
            if text.len() + data.len() > TEXT_LIMIT {
                let message = "the text is longer than 16 MiB; set `discard` to only count it";
                return Err(refusal::exhausted("TEXT_TOO_LONG", message));
            }
            text.extend_from_slice(&data);
        }
        if !discard && written.pieces > 0 {
            let mut shelf = self.shelf();
            let entry = shelf.find_mut(&name)?;
            entry.book.checksum = checksum(&text);
            entry.text = text.into();
        }
        Ok(written)
    }
}

/// Adds to an answer or a refusal what every one of them carries.
fn respond<T>(asked: &MetadataMap, result: Result<T, Status>) -> Result<Response<T>, Status> {
    match result {
        Ok(answer) => {
            let mut response = Response::new(answer);
            describe(asked, response.metadata_mut());
            Ok(response)
        }
        Err(mut status) => {
            describe(asked, status.metadata_mut());
            Err(status)
        }
    }
}

fn describe(asked: &MetadataMap, answer: &mut MetadataMap) {
    answer.insert("x-bookshelf-version", MetadataValue::from_static(env!("CARGO_PKG_VERSION")));
    for entry in asked.iter() {
        match entry {
            KeyAndValueRef::Ascii(name, value) if name.as_str().starts_with("x-echo-") => {
                answer.append(name.clone(), value.clone());
            }
            KeyAndValueRef::Binary(name, value) if name.as_str().starts_with("x-echo-") => {
                answer.append_bin(name.clone(), value.clone());
            }
            _ => {}
        }
    }
}

/// A time span that is no longer than the limit; absent is none.
fn duration(field: &str, asked: Option<prost_types::Duration>) -> Result<Duration, Status> {
    let Some(asked) = asked else { return Ok(Duration::ZERO) };
    match Duration::try_from(asked) {
        Ok(duration) if duration <= WAIT_LIMIT => Ok(duration),
        _ => Err(refusal::invalid_field(field, "is not 0s to 3600s")),
    }
}

/// The failure that was asked for.
fn failure(asked: &FailRequest) -> Status {
    if !(1..=16).contains(&asked.code) {
        return refusal::invalid_field("code", format!("{} is not 1 to 16", asked.code));
    }
    let message = if asked.message.is_empty() { "failed as asked" } else { &asked.message };
    let mut details = Vec::new();
    if asked.details {
        let mut info = refusal::error_info("AS_ASKED");
        info.metadata.insert("code".into(), asked.code.to_string());
        let violations = vec![refusal::violation("code", "asks for a failure")];
        details.push(refusal::detail("ErrorInfo", &info));
        details.push(refusal::detail("BadRequest", &BadRequest { field_violations: violations }));
    }
    if asked.retry_seconds > 0 {
        let delay = prost_types::Duration { seconds: asked.retry_seconds.into(), nanos: 0 };
        details.push(refusal::detail("RetryInfo", &RetryInfo { retry_delay: Some(delay) }));
    }
    if asked.unknown_detail {
        let type_url = "type.googleapis.com/bookshelf.v1.Unheard".into();
        details.push(Any { type_url, value: vec![0x08, 0x01] });
    }
    refusal::status(Code::from_i32(asked.code), message, details)
}
