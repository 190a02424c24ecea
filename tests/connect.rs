//! Connect in front of gRPC, as the outside sees it: the program as a process, over real sockets.

mod bad_input;
mod compression;
mod get;
mod streams;
mod unary;

use serde_json::{Value, json};

use crate::support::Response;

const JSON: (&str, &str) = ("content-type", "application/json");
const PROTO: (&str, &str) = ("content-type", "application/proto");
const JSON_STREAM: (&str, &str) = ("content-type", "application/connect+json");
const PROTO_STREAM: (&str, &str) = ("content-type", "application/connect+proto");

/// The path of a method of the bookshelf.
fn path(method: &str) -> String {
    format!("/bookshelf.v1.Bookshelf/{method}")
}

/// What is said in a chat, as JSON.
fn said(text: &str) -> String {
    json!({"book": "shelves/science/books/tides", "text": text}).to_string()
}

/// A frame.
fn frame(flag: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[flag], &length[..], payload].concat()
}

/// The frames of a body, which must be whole.
fn frames(mut body: &[u8]) -> Vec<(u8, &[u8])> {
    let mut frames = Vec::new();
    while let Some((prefix, rest)) = body.split_first_chunk::<5>() {
        let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
        let (payload, rest) = rest.split_at(length);
        frames.push((prefix[0], payload));
        body = rest;
    }
    assert!(body.is_empty(), "a cut frame: {body:?}");
    frames
}

/// The messages of a streamed answer in JSON, and what its last frame says.
fn stream(response: &Response) -> (Vec<Value>, Value) {
    assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
    assert!(response.complete);
    assert_eq!(response.header("content-type"), "application/connect+json");
    let mut frames = frames(&response.body);
    let (flag, end) = frames.pop().expect("a last frame");
    assert_eq!(flag, 2, "the last frame, and it alone, ends the stream");
    let json = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap();
    let messages = frames.into_iter().map(|(flag, message)| {
        assert_eq!(flag, 0);
        json(message)
    });
    (messages.collect(), json(end))
}

/// The message of a stream that failed with this code before its first message.
fn stream_refusal(response: &Response, code: &str) -> String {
    let (messages, end) = stream(response);
    assert!(messages.is_empty(), "{messages:?}");
    message(&end["error"], code)
}

/// Checks that this is an error in Connect's one shape; gives its message.
fn refusal(response: &Response, status: u16, code: &str) -> String {
    assert_eq!(response.status, status, "{}", response.text());
    assert_eq!(response.header("content-type"), "application/json");
    for name in response.headers.keys() {
        assert!(!name.as_str().starts_with("grpc-"), "`{name}` leaks: {:?}", response.headers);
    }
    message(&response.json(), code)
}

fn message(error: &Value, code: &str) -> String {
    assert_eq!(error["code"], code, "{error}");
    error["message"].as_str().unwrap_or_default().to_owned()
}
