//! Responses as each door writes them, read into what they mean.

use base64_simd::{STANDARD, STANDARD_NO_PAD};
use http::{HeaderMap, HeaderName};
use prost::Message as _;
use serde_json::Value;
use transom::cli::demo::bookshelf::types::google::rpc;

use super::{
    Seen,
    calls::{Call, Kind},
    doors::Door,
    messages,
};
use crate::support::{
    Response,
    grpc::{frames, status},
};

/// Reads a response of a door of HTTP.
pub(super) fn read(door: Door, call: &Call, response: &Response) -> Seen {
    assert!(response.complete, "broken off: {response:?}");
    match door {
        Door::Grpc => grpc(call, response),
        Door::GrpcWeb | Door::GrpcWebText => grpc_web(door, call, response),
        Door::ConnectJson | Door::ConnectProto if call.kind == Kind::Unary => {
            connect_unary(door, call, response)
        }
        Door::ConnectJson | Door::ConnectProto => connect_stream(door, call, response),
        Door::Rest => rest(call, response),
        Door::WebSocketJson | Door::WebSocketProto => unreachable!("no response of HTTP"),
    }
}

fn success(head: &HeaderMap, trailers: HeaderMap, messages: Vec<Value>) -> Seen {
    Seen {
        messages,
        head: Some(head.clone()),
        trailers: Some(trailers),
        code: 0,
        message: String::new(),
        details: Vec::new(),
    }
}

fn grpc(call: &Call, response: &Response) -> Seen {
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), "application/grpc");
    let found = frames(&response.body);
    let messages = found.iter().map(|(flag, message)| {
        assert_eq!(*flag, 0);
        messages::read(Door::Grpc, call.method, message)
    });
    let mut seen = success(&response.headers, response.trailers.clone(), messages.collect());
    // An answer that is over with its head has its end there.
    let end = if found.is_empty() && response.trailers.is_empty() {
        &response.headers
    } else {
        &response.trailers
    };
    close(&mut seen, end);
    seen
}

/// Takes code, message and details from the headers that gRPC ends with.
fn close(seen: &mut Seen, end: &HeaderMap) {
    let (code, message) = status(end);
    (seen.code, seen.message) = (code.try_into().unwrap(), message);
    if let Some(details) = end.get("grpc-status-details-bin") {
        let text = details.as_bytes();
        let padded = text.len().is_multiple_of(4) && text.ends_with(b"=");
        let coding = if padded { STANDARD } else { STANDARD_NO_PAD };
        let whole = rpc::Status::decode(&*coding.decode_to_vec(text).unwrap()).unwrap();
        assert_eq!(whole.code, i32::from(seen.code));
        let details = whole.details.into_iter();
        seen.details =
            details.map(|detail| (name(&detail.type_url), text_of(&detail.value))).collect();
    }
}

fn grpc_web(door: Door, call: &Call, response: &Response) -> Seen {
    assert_eq!(response.status, 200);
    assert!(response.trailers.is_empty(), "browsers see no trailers: {response:?}");
    let mut body = response.body.clone();
    if door == Door::GrpcWebText {
        // Every write is padded by itself.
        body = body.chunks(4).flat_map(|four| STANDARD.decode_to_vec(four).unwrap()).collect();
    }
    let mut found = frames(&body);
    let Some((flag, end)) = found.pop() else {
        let mut seen = success(&response.headers, HeaderMap::new(), Vec::new());
        close(&mut seen, &response.headers);
        return seen;
    };
    assert_eq!(flag, 0x80, "the last frame holds the trailers");
    let messages = found.iter().map(|(flag, message)| {
        assert_eq!(*flag, 0);
        messages::read(door, call.method, message)
    });
    let end = String::from_utf8(end).unwrap();
    let end: HeaderMap = end
        .lines()
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (HeaderName::try_from(name).unwrap(), value.trim().parse().unwrap()))
        .collect();
    let mut seen = success(&response.headers, end.clone(), messages.collect());
    close(&mut seen, &end);
    seen
}

fn connect_unary(door: Door, call: &Call, response: &Response) -> Seen {
    let trailers = response.headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix("trailer-")?;
        Some((HeaderName::try_from(name).unwrap(), value.clone()))
    });
    let mut seen = success(&response.headers, trailers.collect(), Vec::new());
    if response.status == 200 {
        seen.messages.push(messages::read(door, call.method, &response.body));
    } else {
        fail_connect(&mut seen, &response.json());
    }
    seen
}

fn connect_stream(door: Door, call: &Call, response: &Response) -> Seen {
    assert_eq!(response.status, 200);
    let mut found = frames(&response.body);
    let (flag, end) = found.pop().expect("a last frame");
    assert_eq!(flag, 2, "the last frame ends the stream");
    let messages = found.iter().map(|(flag, message)| {
        assert_eq!(*flag, 0);
        messages::read(door, call.method, message)
    });
    let end: Value = serde_json::from_slice(&end).unwrap();
    let mut trailers = HeaderMap::new();
    for (name, values) in end["metadata"].as_object().into_iter().flatten() {
        for value in values.as_array().unwrap() {
            let name = HeaderName::try_from(name).unwrap();
            trailers.append(name, value.as_str().unwrap().parse().unwrap());
        }
    }
    let mut seen = success(&response.headers, trailers, messages.collect());
    if let Some(error) = end.get("error") {
        fail_connect(&mut seen, error);
    }
    seen
}

fn fail_connect(seen: &mut Seen, error: &Value) {
    seen.code = match error["code"].as_str().unwrap() {
        "invalid_argument" => 3,
        "deadline_exceeded" => 4,
        "not_found" => 5,
        "permission_denied" => 7,
        "resource_exhausted" => 8,
        "failed_precondition" => 9,
        "unavailable" => 14,
        "unauthenticated" => 16,
        other => panic!("`{other}` was not to be expected: {error}"),
    };
    seen.message = error["message"].as_str().unwrap().to_owned();
    let details = error["details"].as_array().into_iter().flatten();
    seen.details = details
        .map(|detail| {
            let value = STANDARD_NO_PAD.decode_to_vec(detail["value"].as_str().unwrap()).unwrap();
            (detail["type"].as_str().unwrap().to_owned(), text_of(&value))
        })
        .collect();
}

fn rest(call: &Call, response: &Response) -> Seen {
    let mut seen = success(&response.headers, response.trailers.clone(), Vec::new());
    if response.status != 200 {
        fail_json(&mut seen, &response.json());
    } else if call.streams_answers() {
        assert_eq!(response.header("content-type"), "application/x-ndjson");
        seen.messages = response.json_lines();
        if let Some(error) = seen.messages.pop_if(|last| last.get("error").is_some()) {
            fail_json(&mut seen, &error["error"]);
        }
    } else {
        seen.messages.push(response.json());
    }
    seen
}

/// Takes code, message and details from `google.rpc.Status` as JSON.
pub(super) fn fail_json(seen: &mut Seen, status: &Value) {
    seen.code = status["code"].as_u64().unwrap().try_into().unwrap();
    seen.message = status["message"].as_str().unwrap().to_owned();
    let details = status["details"].as_array().into_iter().flatten();
    seen.details = details
        .map(|detail| (name(detail["@type"].as_str().unwrap()), detail.to_string()))
        .collect();
}

/// The full name of a type, from its URL.
fn name(type_url: &str) -> String {
    type_url.rsplit('/').next().unwrap().to_owned()
}

/// What a message says, among the bytes that say where.
fn text_of(message: &[u8]) -> String {
    String::from_utf8_lossy(message).into_owned()
}
