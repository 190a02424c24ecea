//! What is wrong with a request, told so that the caller can mend it.

use http::{HeaderValue, StatusCode, header::ALLOW, request::Parts};

use crate::{
    error::{Code, Error, Origin},
    protocol::json,
    transcode::{ElementsError, JsonError},
};

pub(super) fn not_found(head: &Parts) -> Error {
    let message = format!("no route for {} {}", head.method, shown(head.uri.path()));
    Error::not_found("no_route", message)
}

pub(super) fn method_not_allowed(head: &Parts, allow: HeaderValue) -> Error {
    let methods = allow.to_str().unwrap_or_default();
    let path = shown(head.uri.path());
    let message = format!("{} is not allowed for {path}; it answers {methods}", head.method);
    Error::new(Code::Unimplemented, "method_not_allowed", message)
        .with_origin(Origin::Downstream)
        .with_http(StatusCode::METHOD_NOT_ALLOWED)
        .with_header(ALLOW, allow)
}

/// A path for a message, cut where it would only be long.
fn shown(path: &str) -> &str {
    const SHOWN: usize = 200;
    &path[..path.floor_char_boundary(SHOWN)]
}

/// A body that is no JSON of its message.
pub(super) fn json(error: &JsonError) -> Error {
    json::invalid(error, format!("the body is not valid: {error}"))
}

/// The same of one message of a stream, counted from 1: the error's place is one in that message.
pub(super) fn element(error: &JsonError, count: u64) -> Error {
    json::invalid(error, format!("message {count} of the body is not valid: {error}"))
}

pub(super) fn elements(error: &ElementsError) -> Error {
    let failed = Error::invalid("bad_json", format!("the body is not valid: {error}"));
    if error.too_large { Error::too_large(format!("{error}")) } else { failed }
}

pub(super) fn form_encoding() -> Error {
    Error::invalid("bad_form", "the form is not UTF-8; percent-encode other bytes")
}

pub(super) fn form_into_no_message() -> Error {
    Error::invalid(
        "bad_form",
        "the body's field is no single message, so a form can't fill it; send JSON",
    )
    .with_http(StatusCode::UNSUPPORTED_MEDIA_TYPE)
}

/// A body where the route takes none. An empty JSON object is what many clients send for nothing.
pub(super) fn check_no_body(body: &[u8]) -> Result<(), Error> {
    let mut rest = body.iter().filter(|byte| !byte.is_ascii_whitespace());
    match (rest.next(), rest.next(), rest.next()) {
        (None, ..) | (Some(b'{'), Some(b'}'), None) => Ok(()),
        _ => Err(Error::invalid(
            "unexpected_body",
            "this route takes no body; its fields come from path and query",
        )),
    }
}
