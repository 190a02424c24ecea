//! What is wrong with path and query, told so that the caller can mend it.

use crate::{
    error::Error,
    protocol::violation::about_field,
    route::{BadEncoding, QueryError},
    transcode::ParameterError,
};

/// A path whose percent-encoding is none.
pub fn path_encoding(error: &BadEncoding) -> Error {
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
