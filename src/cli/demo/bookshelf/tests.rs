//! The bookshelf over a real connection.

use std::time::Duration;

use prost::Message;
use tokio::{net::TcpListener, sync::oneshot};
use tonic::{Code, Request, Status, metadata::MetadataValue, transport::Channel};

use super::{
    Bookshelf, serve,
    types::{
        bookshelf::v1::{bookshelf_client::BookshelfClient, *},
        google::{
            api::HttpBody,
            rpc::{self, BadRequest, ErrorInfo, ResourceInfo, RetryInfo},
        },
    },
};

const LIGHT: &str = "shelves/fiction/books/light-above-the-door";

struct Running {
    bookshelf: Bookshelf,
    channel: Channel,
    client: BookshelfClient<Channel>,
    _stop: oneshot::Sender<()>,
}

async fn start() -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let bookshelf = Bookshelf::new();
    tokio::spawn(serve(bookshelf.clone(), listener, async {
        let _ = stopped.await;
    }));
    let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let client = BookshelfClient::new(channel.clone());
    Running { bookshelf, channel, client, _stop: stop }
}

fn details(status: &Status) -> Vec<prost_types::Any> {
    let whole = rpc::Status::decode(status.details()).unwrap();
    assert_eq!(whole.code, status.code() as i32);
    assert_eq!(whole.message, status.message());
    whole.details
}

fn detail<T: Message + Default>(status: &Status, name: &str) -> T {
    let url = format!("type.googleapis.com/google.rpc.{name}");
    let found = details(status).into_iter().find(|any| any.type_url == url).unwrap();
    T::decode(found.value.as_slice()).unwrap()
}

fn book(title: &str) -> Book {
    Book { title: title.into(), ..Book::default() }
}

fn create(title: &str) -> CreateBookRequest {
    CreateBookRequest {
        parent: "shelves/fiction".into(),
        book: Some(book(title)),
        ..CreateBookRequest::default()
    }
}

#[tokio::test]
async fn books_are_created_read_updated_and_deleted() {
    let running = start().await;
    let mut client = running.client.clone();
    let created = client.create_book(create("A New One")).await.unwrap();
    assert_eq!(created.metadata().get("x-http-code").unwrap(), "201");
    let name = "shelves/fiction/books/a-new-one".to_owned();
    assert_eq!(created.get_ref().name, name);

    let changed =
        Book { name: name.clone(), author: "Somebody".into(), pages: 7, ..Book::default() };
    let mask = prost_types::FieldMask { paths: vec!["pages".into()] };
    let update = UpdateBookRequest { book: Some(changed), update_mask: Some(mask) };
    let updated = client.update_book(update).await.unwrap().into_inner();
    assert_eq!(updated, Book { name: name.clone(), pages: 7, ..book("A New One") });

    let read = client.get_book(GetBookRequest { name: name.clone() }).await.unwrap();
    assert_eq!(*read.get_ref(), updated);
    client.delete_book(DeleteBookRequest { name: name.clone() }).await.unwrap();
    let gone = client.get_book(GetBookRequest { name: name.clone() }).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
    assert_eq!(detail::<ResourceInfo>(&gone, "ResourceInfo").resource_name, name);
}

#[tokio::test]
async fn a_refused_book_names_every_bad_field() {
    let running = start().await;
    let mut client = running.client.clone();
    let taken = client.create_book(create("Letters")).await.unwrap_err();
    assert_eq!(taken.code(), Code::AlreadyExists);
    assert_eq!(detail::<ResourceInfo>(&taken, "ResourceInfo").resource_type, "bookshelf.v1/Book");

    let mut bad = create("");
    bad.book = Some(Book { pages: -1, ..Book::default() });
    let refused = client.create_book(bad).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let violations = detail::<BadRequest>(&refused, "BadRequest").field_violations;
    let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["book.title", "book.pages"]);
}

#[tokio::test]
async fn pages_of_books_follow_one_another() {
    let running = start().await;
    let mut client = running.client.clone();
    let mut request = ListBooksRequest { page_size: 2, ..ListBooksRequest::default() };
    let first = client.list_books(request.clone()).await.unwrap().into_inner();
    assert_eq!(first.books.len(), 2);
    request.page_token = first.next_page_token;
    let second = client.list_books(request).await.unwrap().into_inner();
    assert_eq!(second.books.len(), 1);
    assert_eq!(second.next_page_token, "");
    let poems = ListBooksRequest {
        parent: "shelves/fiction".into(),
        genre: Genre::Poetry.into(),
        ..ListBooksRequest::default()
    };
    let poems = client.list_books(poems).await.unwrap().into_inner().books;
    assert_eq!(poems.len(), 1);
}

#[tokio::test]
async fn echo_metadata_comes_back_and_nothing_else() {
    let running = start().await;
    let mut client = running.client.clone();
    let mut request = Request::new(PingRequest { text: "hello".into() });
    request.metadata_mut().insert("x-echo-word", "light".parse().unwrap());
    request.metadata_mut().insert("authorization", "Bearer secret".parse().unwrap());
    request.metadata_mut().insert_bin("x-echo-bytes-bin", MetadataValue::from_bytes(b"\x01\x02"));
    let response = client.ping(request).await.unwrap();
    assert_eq!(response.metadata().get("x-echo-word").unwrap(), "light");
    assert_eq!(response.metadata().get("x-bookshelf-version").unwrap(), env!("CARGO_PKG_VERSION"));
    assert!(response.metadata().get("authorization").is_none());
    let bytes = response.metadata().get_bin("x-echo-bytes-bin").unwrap();
    assert_eq!(bytes.to_bytes().unwrap().as_ref(), b"\x01\x02");
    assert_eq!(response.get_ref().text, "hello");
}

#[tokio::test]
async fn a_watch_repeats_counts_and_fails_as_asked() {
    let running = start().await;
    let mut client = running.client.clone();
    let request = WatchBooksRequest { repeat: 100, ..WatchBooksRequest::default() };
    let mut books = client.watch_books(request.clone()).await.unwrap().into_inner();
    let mut count = 0;
    while books.message().await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 300);
    assert_eq!(books.trailers().await.unwrap().unwrap().get("x-bookshelf-sent").unwrap(), "300");

    let request = WatchBooksRequest { fail_after: 2, ..request };
    let mut books = client.watch_books(request).await.unwrap().into_inner();
    assert!(books.message().await.unwrap().is_some());
    assert!(books.message().await.unwrap().is_some());
    let failed = books.message().await.unwrap_err();
    assert_eq!(failed.code(), Code::Unavailable);
    let retry = detail::<RetryInfo>(&failed, "RetryInfo").retry_delay.unwrap();
    assert_eq!(retry.seconds, 1);
}

#[tokio::test]
async fn a_following_watch_sees_new_books_until_its_caller_leaves() {
    let running = start().await;
    let (bookshelf, mut client) = (&running.bookshelf, running.client.clone());
    let request = WatchBooksRequest {
        parent: "shelves/fiction".into(),
        follow: true,
        ..WatchBooksRequest::default()
    };
    let mut books = client.watch_books(request).await.unwrap().into_inner();
    for _ in 0..2 {
        books.message().await.unwrap().unwrap();
    }
    assert_eq!(bookshelf.watchers(), 1);
    let elsewhere = CreateBookRequest { parent: "shelves/science".into(), ..create("Not Here") };
    client.create_book(elsewhere).await.unwrap();
    client.create_book(create("Just In")).await.unwrap();
    assert_eq!(books.message().await.unwrap().unwrap().title, "Just In");
    assert_eq!(bookshelf.cancelled(), 0);
    drop(books);
    bookshelf.wait_for_cancelled(1).await;
    assert_eq!(bookshelf.watchers(), 0);
}

#[tokio::test]
async fn an_import_counts_what_it_took() {
    let running = start().await;
    let mut client = running.client.clone();
    let books = ["One", "Two"]
        .map(|title| ImportBooksRequest { parent: "shelves/new".into(), book: Some(book(title)) });
    let imported = client.import_books(tokio_stream::iter(books)).await.unwrap().into_inner();
    assert_eq!(imported.imported, 2);
    assert_eq!(imported.names, ["shelves/new/books/one", "shelves/new/books/two"]);
}

#[tokio::test]
async fn a_chat_answers_each_message_as_it_comes() {
    let running = start().await;
    let mut client = running.client.clone();
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let messages = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let mut answers = client.chat(messages).await.unwrap().into_inner();
    for (number, text) in [(1, "hello"), (2, "again")] {
        let message = ChatMessage { book: LIGHT.into(), text: text.into(), number: 0 };
        sender.send(message).await.unwrap();
        let answer = answers.message().await.unwrap().unwrap();
        assert_eq!((answer.number, answer.text.as_str()), (number, text));
    }
    drop(sender);
    assert!(answers.message().await.unwrap().is_none());

    let lost = ChatMessage { book: "shelves/a/books/b".into(), ..ChatMessage::default() };
    let mut answers = client.chat(tokio_stream::iter([lost])).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn text_is_written_in_pieces_and_read_in_pieces() {
    let running = start().await;
    let mut client = running.client.clone();
    let piece = |name: &str, text: &'static str| WriteTextRequest {
        name: name.into(),
        text: Some(HttpBody {
            content_type: "text/plain".into(),
            data: text.into(),
            extensions: vec![],
        }),
        discard: false,
    };
    let pieces = [piece(LIGHT, "one "), piece("", "two")];
    let written = client.write_text(tokio_stream::iter(pieces)).await.unwrap().into_inner();
    assert_eq!((written.bytes, written.pieces), (7, 2));

    let request = ReadTextRequest { name: LIGHT.into(), piece_size: 3, repeat: 2 };
    let mut pieces = client.read_text(request).await.unwrap().into_inner();
    let mut read = Vec::new();
    while let Some(piece) = pieces.message().await.unwrap() {
        assert_eq!(piece.content_type, "text/plain; charset=utf-8");
        read.push(piece.data);
    }
    assert_eq!(read, ["one", " tw", "o", "one", " tw", "o"]);
}

#[tokio::test]
async fn a_cover_is_plain_bytes_both_ways() {
    let running = start().await;
    let mut client = running.client.clone();
    let read = client.get_cover(GetCoverRequest { name: LIGHT.into() }).await.unwrap();
    assert_eq!(read.get_ref().content_type, "image/svg+xml");
    let cover = HttpBody {
        content_type: "image/png".into(),
        data: vec![0x89, 0x50].into(),
        extensions: vec![],
    };
    let request = SetCoverRequest { name: LIGHT.into(), cover: Some(cover.clone()) };
    client.set_cover(request).await.unwrap();
    let read = client.get_cover(GetCoverRequest { name: LIGHT.into() }).await.unwrap();
    assert_eq!(*read.get_ref(), cover);
    let empty = SetCoverRequest { name: LIGHT.into(), cover: None };
    assert_eq!(client.set_cover(empty).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_failure_has_the_code_and_the_details_that_were_asked_for() {
    let running = start().await;
    let mut client = running.client.clone();
    for code in 1..=16 {
        let plain = FailRequest { code, ..FailRequest::default() };
        let failed = client.fail(plain).await.unwrap_err();
        assert_eq!(failed.code() as i32, code);
        assert!(failed.details().is_empty());
    }
    let request = FailRequest {
        code: 9,
        message: "no light".into(),
        details: true,
        retry_seconds: 30,
        unknown_detail: true,
    };
    let failed = client.fail(request).await.unwrap_err();
    assert_eq!(failed.message(), "no light");
    assert_eq!(details(&failed).len(), 4);
    assert_eq!(detail::<ErrorInfo>(&failed, "ErrorInfo").reason, "AS_ASKED");
    assert_eq!(failed.metadata().get("x-bookshelf-version").unwrap(), env!("CARGO_PKG_VERSION"));
    let nonsense = FailRequest { code: 17, ..FailRequest::default() };
    assert_eq!(client.fail(nonsense).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_wait_tells_its_timeout_and_a_caller_who_leaves_is_counted() {
    let running = start().await;
    let (bookshelf, mut client) = (&running.bookshelf, running.client.clone());
    let mut request = Request::new(WaitRequest::default());
    request.set_timeout(Duration::from_secs(5));
    let waited = client.wait(request).await.unwrap().into_inner();
    assert_eq!(waited.timeout, "5000000u");
    assert_eq!(bookshelf.cancelled(), 0);

    let delay = Some(prost_types::Duration { seconds: 3600, nanos: 0 });
    let waiting = tokio::spawn(async move { client.wait(WaitRequest { delay }).await });
    bookshelf.wait_for_begun(2).await;
    waiting.abort();
    bookshelf.wait_for_cancelled(1).await;
}

#[tokio::test]
async fn reflection_keeps_the_http_rules_and_health_is_serving() {
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let running = start().await;
    let channel = running.channel.clone();
    let symbol = MessageRequest::FileContainingSymbol("bookshelf.v1.Bookshelf".into());
    let request = ServerReflectionRequest {
        message_request: Some(symbol),
        ..ServerReflectionRequest::default()
    };
    let mut reflection = ServerReflectionClient::new(channel.clone());
    let mut answers = reflection
        .server_reflection_info(tokio_stream::iter([request]))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::FileDescriptorResponse(files) = answer else { panic!("{answer:?}") };
    let template = b"/v1/{name=shelves/*/books/*}";
    let file = &files.file_descriptor_proto[0];
    assert!(file.windows(template.len()).any(|window| window == template));

    let mut health = tonic_health::pb::health_client::HealthClient::new(channel);
    let request = tonic_health::pb::HealthCheckRequest { service: "bookshelf.v1.Bookshelf".into() };
    assert_eq!(health.check(request).await.unwrap().into_inner().status, 1);
}
