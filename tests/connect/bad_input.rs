//! What is no call: each gets a clear error in Connect's words, and the connection goes on.

use serde_json::json;

use super::{JSON, JSON_STREAM, PROTO, PROTO_STREAM, frame, path, refusal, said, stream_refusal};
use crate::support::{Rig, within};

#[tokio::test]
async fn method_that_nobody_knows_is_404_and_unimplemented() {
    let rig = Rig::start().await;
    for (path, headers) in [
        (path("Nothing"), [PROTO, ("connect-protocol-version", "1")]),
        ("/no.Service/Method".to_owned(), [JSON, ("connect-protocol-version", "1")]),
        ("/no.Service/Method".to_owned(), [JSON_STREAM, ("x", "y")]),
    ] {
        let response = rig.request("POST", &path, &headers, b"").await;
        assert!(refusal(&response, 404, "unimplemented").contains(&path));
    }
    // What does not say that it is Connect is REST's.
    rig.request("POST", "/no.Service/Method", &[JSON], b"{}").await.refusal(404, 5);
}

#[tokio::test]
async fn content_type_that_the_method_does_not_take_is_415() {
    let rig = Rig::start().await;
    let unary = "application/json, application/proto";
    let streams = "application/connect+json, application/connect+proto";
    for (method, content_type, takes) in [
        ("Ping", "application/foo", unary),
        ("Ping", "Application/Foo", unary),
        ("Ping", "application/connect+json", unary),
        ("Ping", "application/json; charset=utf-16", unary),
        ("WatchBooks", "application/json", streams),
        ("WatchBooks", "application/connect+foo", streams),
        ("Chat", "application/proto", streams),
    ] {
        let headers = [("content-type", content_type)];
        let response = rig.request("POST", &path(method), &headers, b"{}").await;
        let message = refusal(&response, 415, "unknown");
        assert!(message.contains(takes) && message.contains(content_type), "{message}");
        assert_eq!(response.header("accept-post"), takes);
    }
    refusal(&rig.request("POST", &path("Ping"), &[], b"").await, 415, "unknown");
    assert_eq!(rig.bookshelf.begun(), 0);
}

#[tokio::test]
async fn content_type_of_another_tongue_is_415_in_plain_words() {
    let rig = Rig::start().await;
    let takes = "application/json, application/proto";
    for content_type in ["image/jpeg", "text/plain; charset=utf-8", "Multipart/Form-Data"] {
        let headers = [("content-type", content_type)];
        let response = rig.request("POST", &path("Ping"), &headers, b"12345678").await;
        assert_eq!(response.status, 415);
        assert_eq!(response.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(response.header("accept-post"), takes);
        let message = String::from_utf8(response.body.to_vec()).unwrap();
        assert!(message.contains(takes) && message.contains(content_type), "{message}");
    }
    assert_eq!(rig.bookshelf.begun(), 0);
}

#[tokio::test]
async fn http_method_that_the_method_does_not_take_is_405() {
    let rig = Rig::start().await;
    for (verb, method, allow) in [
        ("DELETE", "Ping", "POST"),
        ("GET", "Ping", "POST"),
        ("GET", "WatchBooks", "POST"),
        ("PUT", "GetBook", "GET, HEAD, POST"),
    ] {
        let response = rig.request(verb, &path(method), &[JSON], b"").await;
        let message = refusal(&response, 405, "unknown");
        assert!(message.contains(verb), "{message}");
        assert_eq!(response.header("allow"), allow);
    }
    let response = rig.request("OPTIONS", &path("GetBook"), &[], b"").await;
    assert_eq!(response.status, 204);
    assert_eq!(response.header("allow"), "GET, HEAD, POST");
}

#[tokio::test]
async fn protocol_version_other_than_1_is_refused() {
    let rig = Rig::start().await;
    for version in ["2", "", "1.0"] {
        let headers = [JSON, ("connect-protocol-version", version)];
        let response = rig.request("POST", &path("Ping"), &headers, b"{}").await;
        let message = refusal(&response, 400, "invalid_argument");
        assert!(message.contains("connect-protocol-version"), "{message}");
        let headers = [JSON_STREAM, ("connect-protocol-version", version)];
        let response = rig.request("POST", &path("Chat"), &headers, b"").await;
        stream_refusal(&response, "invalid_argument");
    }
}

#[tokio::test]
async fn message_that_is_broken_or_too_large_leaves_the_connection_usable() {
    let rig = Rig::with_policy("max_request_message: 100").await;
    let mut connection = rig.http1().await;
    let large = json!({"text": "a".repeat(100)}).to_string();
    for (body, status, code) in [
        (&b"{"[..], 400, "invalid_argument"),
        (br#"{"text":"a","text":"b"}"#, 400, "invalid_argument"),
        (b"\xff", 400, "invalid_argument"),
        (large.as_bytes(), 429, "resource_exhausted"),
    ] {
        connection.send_request("POST", &path("Ping"), &[JSON], body).await;
        refusal(&connection.response().await, status, code);
    }
    connection.send_chunked_head("POST", &path("Ping"), &[JSON]).await;
    for piece in large.as_bytes().chunks(30) {
        connection.send_chunk(piece).await;
    }
    connection.send_chunk("").await;
    refusal(&connection.response().await, 429, "resource_exhausted");
    assert_eq!(rig.bookshelf.begun(), 0);
    connection.send_request("POST", &path("Ping"), &[JSON], br#"{"text":"b"}"#).await;
    assert_eq!(connection.response().await.ok(), json!({"text": "b"}));
}

#[tokio::test]
async fn broken_frames_are_told_in_the_last_frame() {
    let rig = Rig::with_policy("max_request_message: 100").await;
    let mut connection = rig.http1().await;
    let good = frame(0, said("a"));
    let large = frame(0, json!({"text": "a".repeat(100)}).to_string());
    for (body, code, part) in [
        (frame(1, b"{}"), "internal", "connect-content-encoding"),
        (frame(2, b"{}"), "invalid_argument", "end"),
        (frame(4, b"{}"), "invalid_argument", "0x04"),
        (br#"{"text":"a"}"#.to_vec(), "invalid_argument", "0x7b"),
        (good[..9].to_vec(), "invalid_argument", "middle"),
        (good[..3].to_vec(), "invalid_argument", "middle"),
        (frame(0, b"{"), "invalid_argument", "JSON"),
        (large, "resource_exhausted", "100"),
    ] {
        for body in [body.clone(), [&good[..], &body].concat()] {
            connection.send_request("POST", &path("Chat"), &[JSON_STREAM], &body).await;
            let response = connection.response().await;
            let (_, end) = super::stream(&response);
            let message = super::message(&end["error"], code);
            assert!(message.contains(part), "{message}");
        }
    }
    let headers = [JSON_STREAM, ("content-encoding", "gzip")];
    connection.send_request("POST", &path("Chat"), &headers, &good).await;
    stream_refusal(&connection.response().await, "unimplemented");
    connection.send_request("POST", &path("Chat"), &[JSON_STREAM], &good).await;
    assert_eq!(super::stream(&connection.response().await).0.len(), 1);
}

#[tokio::test]
async fn server_stream_takes_exactly_one_message() {
    let rig = Rig::start().await;
    let one = frame(0, b"");
    for body in [Vec::new(), [&one[..], &one].concat()] {
        let response = rig.request("POST", &path("WatchBooks"), &[JSON_STREAM], &body).await;
        let message = stream_refusal(&response, "unimplemented");
        assert!(message.contains("one message"), "{message}");
    }
    assert_eq!(rig.bookshelf.begun(), 0);
    let response = rig.request("POST", &path("WatchBooks"), &[PROTO_STREAM], &one).await;
    assert!(super::frames(&response.body).len() > 1);
}

#[tokio::test]
async fn broken_frame_in_a_running_call_cancels_it() {
    let rig = Rig::start().await;
    let mut connection = rig.http2().await;
    let mut stream = connection.open_stream("POST", &path("Chat"), &[JSON_STREAM], false).await;
    stream.send(frame(0, said("a")), false);
    within("the call", rig.bookshelf.wait_for_begun(1)).await;
    stream.send(frame(8, b""), false);
    let response = stream.response().await;
    let (_, end) = super::stream(&response);
    super::message(&end["error"], "invalid_argument");
    within("the call's end", rig.bookshelf.wait_for_cancelled(1)).await;
    let ping = connection.request("POST", &path("Ping"), &[JSON], b"{}").await;
    assert_eq!(ping.ok(), json!({}));
}
