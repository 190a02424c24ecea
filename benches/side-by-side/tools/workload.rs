//! The calls that are measured, one name each.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    answer::{Answer, frame},
    messages::{self, ITEM, SHOP},
    schema::wire,
};

/// How a call is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
    /// HTTP/2 with trailers.
    Grpc,
    WebSocket,
}

/// A call, how many of it at once, and its right answer.
#[derive(Clone)]
pub(crate) struct Workload {
    pub(crate) protocol: Protocol,
    pub(crate) method: http::Method,
    pub(crate) path: String,
    pub(crate) headers: &'static [(&'static str, &'static str)],
    pub(crate) body: Bytes,
    pub(crate) answer: Answer,
    /// Connections to the gateway.
    pub(crate) connections: usize,
    /// Calls at once on each; over a WebSocket, messages on their way.
    pub(crate) streams: usize,
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
const GRPC: &[(&str, &str)] = &[("content-type", "application/grpc"), ("te", "trailers")];
const GRPC_WEB: &[(&str, &str)] = &[
    ("content-type", "application/grpc-web+proto"),
    ("accept", "application/grpc-web+proto"),
    ("x-grpc-web", "1"),
];

/// A workload by its name.
pub(crate) fn find(name: &str) -> Result<Workload, String> {
    Ok(match name {
        "get_item" => get_item(),
        "get_item_h2" => {
            Workload { protocol: Protocol::Http2, connections: 8, streams: 8, ..get_item() }
        }
        "create" => {
            let item = messages::described_item();
            let body = item.to_string();
            rest(post(format!("/v1/shops/{SHOP}/items"), body), Answer::Json(item), 64)
        }
        "list" => {
            let path = format!("/v1/shops/{SHOP}/items?page_size={}", messages::LISTED);
            rest(Request::from(path), Answer::Json(list()), 16)
        }
        "stream" => {
            let answer = Answer::JsonStream(messages::items(messages::STREAMED));
            rest(Request::from(format!("/v1/shops/{SHOP}/items:stream")), answer, 16)
        }
        "echo" => {
            let ledger = messages::ledger();
            let request = post("/v1/ledgers:echo".into(), ledger.to_string());
            rest(request, Answer::Json(ledger), 4)
        }
        "grpc_unary" => {
            let page = frame(&wire("Ledger", &messages::small_ledger()));
            grpc("Echo", page.clone(), page, (8, 8))
        }
        "grpc_stream" => {
            let request = wire("ListItemsRequest", &json!({ "shop": SHOP }));
            let answer: Vec<u8> = streamed().concat();
            grpc("StreamItems", frame(&request), answer.into(), (4, 4))
        }
        "grpc_web" => {
            let page = frame(&wire("Ledger", &messages::small_ledger()));
            let call = grpc("Echo", page.clone(), page.clone(), (64, 1));
            let answer = Answer::WebFrames(page);
            Workload { protocol: Protocol::Http1, headers: GRPC_WEB, answer, ..call }
        }
        "websocket" => {
            let note = messages::note();
            let body = note.to_string();
            let call = rest(post("/v1/notes:talk".into(), body), Answer::Json(note), 8);
            Workload { protocol: Protocol::WebSocket, streams: 8, ..call }
        }
        _ => return Err(format!("there is no workload `{name}`")),
    })
}

/// The answer to `ListItems`.
pub(crate) fn list() -> Value {
    json!({ "items": messages::items(messages::LISTED), "nextPageToken": "page-2" })
}

/// The frames of a stream.
pub(crate) fn streamed() -> Vec<Bytes> {
    messages::items(messages::STREAMED).iter().map(|item| frame(&wire("Item", item))).collect()
}

/// A GET unless it has a body.
struct Request {
    path: String,
    body: Bytes,
}

impl From<String> for Request {
    fn from(path: String) -> Self {
        Self { path, body: Bytes::new() }
    }
}

fn post(path: String, body: String) -> Request {
    Request { path, body: body.into() }
}

fn get_item() -> Workload {
    let path = format!("/v1/shops/{SHOP}/items/{ITEM}");
    rest(Request::from(path), Answer::Json(messages::item(7)), 64)
}

fn rest(request: Request, answer: Answer, connections: usize) -> Workload {
    let posts = !request.body.is_empty();
    Workload {
        protocol: Protocol::Http1,
        method: if posts { http::Method::POST } else { http::Method::GET },
        path: request.path,
        headers: if posts { JSON } else { &[] },
        body: request.body,
        answer,
        connections,
        streams: 1,
    }
}

fn grpc(
    method: &str,
    body: Bytes,
    answer: Bytes,
    (connections, streams): (usize, usize),
) -> Workload {
    Workload {
        protocol: Protocol::Grpc,
        method: http::Method::POST,
        path: format!("/catalogue.v1.Catalogue/{method}"),
        headers: GRPC,
        body,
        answer: Answer::Frames(answer),
        connections,
        streams,
    }
}
