//! What is wrong with a request, told so that the caller can mend it.
//!
//! What no Connect server can answer has an HTTP status of its own, and in the body the code that
//! clients make of this status.

use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
    request::Parts,
};

use super::form::Kind;
use crate::{
    error::{Code, Error, Origin},
    route::QueryError,
    schema::Method,
};

const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

fn refusal(code: Code, reason: &'static str, status: StatusCode, message: String) -> Error {
    Error::new(code, reason, message).with_origin(Origin::Downstream).with_http(status)
}

/// 404.
pub(super) fn no_method(path: &str) -> Error {
    let message =
        format!("there is no method at {path:.200}; a method's path is /package.Service/Method");
    refusal(Code::Unimplemented, "no_method", StatusCode::NOT_FOUND, message)
}

/// 405.
pub(super) fn verb(head: &Parts, method: &Method, allow: &'static str) -> Error {
    let message = match head.method {
        http::Method::GET | http::Method::HEAD => format!(
            "{} takes no GET, which only unary methods with `idempotency_level = NO_SIDE_EFFECTS` \
             do; send POST",
            method.full_name
        ),
        _ => format!("{} takes no {}; send {allow}", method.full_name, head.method),
    };
    let status = StatusCode::METHOD_NOT_ALLOWED;
    refusal(Code::Unknown, "method_not_allowed", status, message)
        .with_header(ALLOW, HeaderValue::from_static(allow))
}

/// 415 for the content type of a POST.
pub(super) fn content_type(head: &Parts, method: &Method) -> Error {
    let given = head.headers.get(CONTENT_TYPE);
    let given = given.map_or("".into(), |value| String::from_utf8_lossy(value.as_bytes()));
    let (kind, takes) = match Kind::of(method) {
        Kind::Unary => ("unary", "application/json, application/proto"),
        Kind::Stream => ("a stream", "application/connect+json, application/connect+proto"),
    };
    let name = &method.full_name;
    let message = format!("{name} is {kind} and takes no content type `{given}`; send {takes}");
    refusal(Code::Unknown, "unsupported_media_type", StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
        .with_header(ACCEPT_POST, HeaderValue::from_static(takes))
}

/// 415 for the codec that a GET names.
pub(super) fn codec(name: Option<&str>) -> Error {
    let message = match name {
        None => "query parameter `encoding` is missing; send `json` or `proto`".to_owned(),
        Some(name) => format!("there is no encoding `{name}`; send `json` or `proto`"),
    };
    refusal(Code::Unknown, "unsupported_media_type", StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
}

/// A protocol version that we don't speak; `wanted` is how ours is written there.
pub(super) fn version(place: &str, given: &str, wanted: &str) -> Error {
    Error::invalid(
        "bad_protocol_version",
        format!("{place} must be `{wanted}`, as there is no other version, and not `{given}`"),
    )
}

/// A stream whose body as a whole is compressed.
pub(super) fn coded_stream() -> Error {
    let message = "a stream's messages are compressed one by one: name their coding in \
                   `connect-content-encoding`, not in `content-encoding`";
    Error::new(Code::Unimplemented, "unknown_compression", message).with_origin(Origin::Downstream)
}

pub(super) fn query(error: &QueryError) -> Error {
    Error::invalid("bad_query", error.to_string())
}

pub(super) fn query_twice(name: &str) -> Error {
    Error::invalid("bad_query", format!("query parameter `{name}` stands twice"))
}

pub(super) fn no_message() -> Error {
    let message = "query parameter `message` is missing; it holds the request's message";
    Error::invalid("bad_query", message)
}

pub(super) fn base64() -> Error {
    let message = "query parameter `message` is no URL-safe base64, as `base64=1` says it is";
    Error::invalid("bad_query", message)
}
