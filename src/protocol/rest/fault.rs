//! What is wrong with a request, told so that the caller can mend it.
//!
//! What concerns a field also goes out as a google.rpc.BadRequest detail, so that programs needn't
//! read sentences.

use http::{HeaderValue, StatusCode, header::ALLOW, request::Parts};
use prost::Message;

use crate::{
    error::{Code, Detail, Error, Origin},
    route::{BadEncoding, QueryError},
    transcode::{ElementsError, JsonError, ParameterError, WireError},
};

/// google.rpc.BadRequest, as far as it is written here.
#[derive(Clone, PartialEq, Message)]
struct BadRequest {
    #[prost(message, repeated, tag = "1")]
    field_violations: Vec<FieldViolation>,
}

#[derive(Clone, PartialEq, Message)]
struct FieldViolation {
    #[prost(string, tag = "1")]
    field: String,
    #[prost(string, tag = "2")]
    description: String,
}

/// An error about one field, told twice: in words, and as a detail.
fn about_field(reason: &'static str, message: String, field: &str, description: &str) -> Error {
    let violation = FieldViolation { field: field.into(), description: description.into() };
    let detail = BadRequest { field_violations: vec![violation] };
    Error::invalid(reason, message).with_detail(Detail {
        type_url: "type.googleapis.com/google.rpc.BadRequest".into(),
        value: detail.encode_to_vec().into(),
    })
}

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

pub(super) fn path_encoding(error: &BadEncoding) -> Error {
    Error::invalid("bad_path", format!("the path is not properly encoded: {error}"))
}

pub(super) fn parameter_encoding(error: &QueryError) -> Error {
    let message = format!("parameter `{}`: {}", error.parameter(), error.encoding());
    about_field("bad_parameter", message, error.parameter(), &error.encoding().to_string())
}

/// `kind` is `query parameter`, `path parameter` or `form field`.
pub(super) fn parameter(error: &ParameterError, kind: &str) -> Error {
    let ParameterError { name, message: text, .. } = error;
    about_field("bad_parameter", format!("{kind} `{name}`: {text}"), name, text)
}

/// A query parameter for a field that only the body fills.
pub(super) fn in_body(name: &str) -> Error {
    let text = "the request's body holds it, so no query parameter can set it";
    about_field("bad_parameter", format!("query parameter `{name}`: {text}"), name, text)
}

pub(super) fn collision(field_path: &str) -> Error {
    let text = "the path gives it another value than body or query";
    about_field("collision", format!("field `{field_path}`: {text}"), field_path, text)
}

/// A body that is no JSON of its message.
pub(super) fn json(error: &JsonError) -> Error {
    json_at(error, format!("the body is not valid: {error}"))
}

/// The same of one message of a stream, counted from 1: the error's place is one in that message.
pub(super) fn element(error: &JsonError, count: u64) -> Error {
    json_at(error, format!("message {count} of the body is not valid: {error}"))
}

fn json_at(error: &JsonError, message: String) -> Error {
    let field = error.path.trim_start_matches('$').trim_start_matches('.');
    let failed = about_field("bad_json", message, field, &error.message);
    if error.too_large { failed.with_http(StatusCode::PAYLOAD_TOO_LARGE) } else { failed }
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

pub(super) fn over_limit(limit: usize) -> Error {
    Error::too_large(format!("the request's body is larger than {limit} bytes"))
}

pub(super) fn broken_body(error: hyper::Error) -> Error {
    Error::invalid("broken_body", "the request's body broke off before its end").with_source(error)
}

/// A backend's message that can't be written as JSON.
pub(super) fn wire(error: &WireError) -> Error {
    let message = if error.too_large {
        "the backend's message is too large as JSON"
    } else {
        "the backend's message does not fit its schema"
    };
    Error::new(Code::Internal, "bad_response_message", message)
        .with_origin(Origin::Upstream)
        .with_source(error.clone())
}
