//! Calls of all four kinds, in both subprotocols, over both versions of HTTP.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use transom::cli::demo::bookshelf::types::bookshelf::v1 as types;

use super::client::{JSON, Over, PROTO, Session};
use crate::support::Rig;

const OVER: [Over; 2] = [Over::Http1, Over::Http2];

const CHAT: &str = "/v1/shelves/science/books/tides:chat";
const IMPORT: &str = "/v1/shelves/imported/books:import";
const WATCH: &str = "/v1/shelves/fiction/books:watch";
const LETTERS: &str = "shelves/fiction/books/letters";

fn binary(message: &impl prost::Message) -> Message {
    Message::binary(message.encode_to_vec())
}

#[tokio::test]
async fn unary_by_its_path_alone_is_answered_at_once() {
    let rig = Rig::start().await;
    for over in OVER {
        let path = format!("/v1/{LETTERS}");
        let mut session = Session::open_over(over, rig.gateway.address, &path, JSON).await;
        assert_eq!(session.headers["sec-websocket-protocol"], "transom.json");
        assert_eq!(session.json().await["title"], "Letters on the Hall Floor");
        assert_eq!(session.closed().await, (1000, String::new()));
        let mut session = Session::open_over(over, rig.gateway.address, &path, PROTO).await;
        assert_eq!(session.headers["sec-websocket-protocol"], "transom.proto");
        assert_eq!(session.proto::<types::Book>().await.title, "Letters on the Hall Floor");
        assert_eq!(session.closed().await, (1000, String::new()));
    }
}

#[tokio::test]
async fn unary_by_the_methods_own_path_waits_for_its_message() {
    let rig = Rig::start().await;
    let path = "/bookshelf.v1.Bookshelf/GetBook";
    for over in OVER {
        let mut session = Session::open_over(over, rig.gateway.address, path, &[]).await;
        assert!(!session.headers.contains_key("sec-websocket-protocol"));
        session.send(format!(r#"{{"name":"{LETTERS}"}}"#)).await;
        assert_eq!(session.json().await["name"], LETTERS);
        assert_eq!(session.closed().await.0, 1000);
        let mut session = Session::open_over(over, rig.gateway.address, path, PROTO).await;
        session.send(binary(&types::GetBookRequest { name: LETTERS.into() })).await;
        assert_eq!(session.proto::<types::Book>().await.name, LETTERS);
        assert_eq!(session.closed().await.0, 1000);
    }
}

#[tokio::test]
async fn query_of_the_methods_own_path_is_laid_over_its_message() {
    let rig = Rig::start().await;
    let path = format!("/bookshelf.v1.Bookshelf/GetBook?name={LETTERS}");
    for message in [r#"{"name":"shelves/x/books/y"}"#, "{}", " ", ""] {
        let mut session = Session::open(rig.gateway.address, &path).await;
        session.send(message).await;
        assert_eq!(session.json().await["name"], LETTERS, "{message:?}");
    }
    let mut session = Session::open_over(Over::Http1, rig.gateway.address, &path, PROTO).await;
    session.send(Message::binary("")).await;
    assert_eq!(session.proto::<types::Book>().await.name, LETTERS);
}

#[tokio::test]
async fn method_without_a_rule_is_reached_by_its_own_path() {
    let rig = Rig::start().await;
    let mut session = Session::open(rig.gateway.address, "/bookshelf.v1.Bookshelf/Ping").await;
    session.send(r#"{"text":"hello"}"#).await;
    assert_eq!(session.json().await, json!({ "text": "hello" }));
    assert_eq!(session.closed().await.0, 1000);
}

#[tokio::test]
async fn path_with_several_rules_means_that_of_get() {
    let rig = Rig::start().await;
    // ListBooks by GET, CreateBook by POST.
    let mut session = Session::open(rig.gateway.address, "/v1/shelves/fiction/books").await;
    assert!(session.json().await["books"].is_array());
    assert_eq!(session.closed().await.0, 1000);
}

#[tokio::test]
async fn message_is_the_whole_one_whatever_the_rule_takes_as_body() {
    let rig = Rig::start().await;
    let path = "/v1/shelves/science/books/tides/cover";
    // GetCover by GET; SetCover's own path takes parent and cover in one message.
    let mut session = Session::open(rig.gateway.address, path).await;
    assert!(session.json().await["contentType"].is_string(), "an HttpBody as JSON");
    let mut session =
        Session::open(rig.gateway.address, "/bookshelf.v1.Bookshelf/CreateBook").await;
    session.send(r#"{"parent":"shelves/ws","bookId":"one","book":{"title":"One"}}"#).await;
    assert_eq!(session.json().await["name"], "shelves/ws/books/one");
    // The rule has `response_body: "books"`.
    let mut session = Session::open(rig.gateway.address, "/v1/books:array?page_size=1").await;
    assert_eq!(session.json().await["books"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn server_stream_is_a_frame_a_message() {
    let rig = Rig::start().await;
    let path = format!("{WATCH}?repeat=100");
    for over in OVER {
        let mut session = Session::open_over(over, rig.gateway.address, &path, JSON).await;
        for _ in 0..200 {
            assert!(session.json().await["name"].is_string());
        }
        assert_eq!(session.closed().await.0, 1000);
        let mut session = Session::open_over(over, rig.gateway.address, &path, PROTO).await;
        for _ in 0..200 {
            assert!(session.proto::<types::Book>().await.name.starts_with("shelves/fiction"));
        }
        assert_eq!(session.closed().await.0, 1000);
    }
}

#[tokio::test]
async fn server_stream_without_messages_is_a_close() {
    let rig = Rig::start().await;
    let mut session = Session::open(rig.gateway.address, "/v1/shelves/nothing/books:watch").await;
    assert_eq!(session.closed().await, (1000, String::new()));
}

#[tokio::test]
async fn client_stream_is_answered_after_the_half_close() {
    let rig = Rig::start().await;
    for over in OVER {
        let mut session = Session::open_over(over, rig.gateway.address, IMPORT, JSON).await;
        for title in ["A", "B", "C"] {
            let title = format!("{title} {over:?} JSON");
            session.send(json!({ "book": { "title": title } }).to_string()).await;
        }
        session.half_close().await;
        let answer = session.json().await;
        assert_eq!(answer["imported"], 3);
        // The path's capture is set on the first message; the backend keeps it for the rest.
        assert!(answer["names"][2].as_str().unwrap().starts_with("shelves/imported/books/c"));
        assert_eq!(session.closed().await.0, 1000);
        let mut session = Session::open_over(over, rig.gateway.address, IMPORT, PROTO).await;
        for title in ["A", "B"] {
            let title = format!("{title} {over:?} protobuf");
            let book = Some(types::Book { title, ..Default::default() });
            session.send(binary(&types::ImportBooksRequest { book, ..Default::default() })).await;
        }
        session.half_close().await;
        assert_eq!(session.proto::<types::ImportBooksResponse>().await.imported, 2);
        assert_eq!(session.closed().await.0, 1000);
    }
}

#[tokio::test]
async fn client_stream_without_messages_is_an_empty_stream() {
    let rig = Rig::start().await;
    let mut session = Session::open(rig.gateway.address, IMPORT).await;
    session.half_close().await;
    assert_eq!(session.json().await, json!({}));
    assert_eq!(session.closed().await.0, 1000);
}

#[tokio::test]
async fn bidi_stream_is_live_in_both_directions() {
    let rig = Rig::start().await;
    for over in OVER {
        let mut session = Session::open_over(over, rig.gateway.address, CHAT, JSON).await;
        for number in 1..=50 {
            session.send(json!({ "text": format!("word {number}") }).to_string()).await;
            let answer = session.json().await;
            assert_eq!(answer["number"], number);
            assert_eq!(answer["book"], "shelves/science/books/tides");
        }
        session.half_close().await;
        assert_eq!(session.closed().await.0, 1000);
        let mut session = Session::open_over(over, rig.gateway.address, CHAT, PROTO).await;
        for number in 1..=50 {
            let text = format!("word {number}");
            session.send(binary(&types::ChatMessage { text, ..Default::default() })).await;
            assert_eq!(session.proto::<types::ChatMessage>().await.number, number);
        }
        session.half_close().await;
        assert_eq!(session.closed().await.0, 1000);
    }
}

#[tokio::test]
async fn bidi_stream_goes_on_after_the_half_close() {
    let rig = Rig::start().await;
    let mut session = Session::open(rig.gateway.address, CHAT).await;
    for number in 1..=100 {
        session.send(json!({ "text": number.to_string() }).to_string()).await;
    }
    session.half_close().await;
    session.half_close().await;
    for number in 1..=100 {
        assert_eq!(session.json().await["number"], number);
    }
    assert_eq!(session.closed().await.0, 1000);
}

#[tokio::test]
async fn headers_of_the_handshake_are_metadata_and_those_of_websocket_are_not() {
    let (upstream, mut asked) = crate::support::backend::recorder().await;
    let folder = tempfile::tempdir().unwrap();
    let set = crate::support::rig::write_descriptor_set(&folder);
    let upstream = upstream.to_string();
    let arguments = ["--upstream", &upstream, "--descriptor-set", &set];
    let gateway = crate::support::Gateway::serve(&arguments).await;
    let headers =
        [("authorization", "Bearer t"), ("cookie", "a=b"), ("x-request-timeout", "7"), JSON[0]];
    for over in OVER {
        let mut session = Session::open_over(over, gateway.address, "/v1/books", &headers).await;
        session.json().await;
        let head = asked.recv().await.unwrap();
        assert_eq!(head.headers["authorization"], "Bearer t");
        assert_eq!(head.headers["cookie"], "a=b");
        assert!(head.headers.contains_key("grpc-timeout"));
        for (name, _) in &head.headers {
            let name = name.as_str();
            assert!(!name.starts_with("sec-") && name != "upgrade", "{name}");
        }
    }
}
