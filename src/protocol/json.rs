//! JSON as every door reads and writes it: the transcoder, with its errors made the call's.

use bytes::Bytes;

use super::violation::about_field;
use crate::{
    error::{Code, Error, Origin},
    transcode::{self, JsonError, Plan, Settings, WireError},
};

/// How much larger than a backend's message its JSON may be: escapes and base64 grow sixfold at
/// worst, emitted defaults more.
const GROWTH: usize = 8;

/// The wire bytes of a JSON message; of an empty one where there is nothing.
///
/// # Errors
/// INVALID_ARGUMENT that tells the place; RESOURCE_EXHAUSTED (413) where the message is above the
/// limit, in bytes.
pub fn read(plan: &Plan, settings: &Settings, limit: usize, json: &[u8]) -> Result<Bytes, Error> {
    if json.trim_ascii().is_empty() {
        return Ok(Bytes::new());
    }
    let mut wire = Vec::with_capacity(json.len());
    transcode::json_to_wire(plan, settings, limit, json, &mut wire)
        .map_err(|error| invalid(&error, format!("the message is not valid JSON: {error}")))?;
    Ok(wire.into())
}

/// Appends a backend's message as JSON. `limit` is that of messages, in bytes.
///
/// # Errors
/// INTERNAL: the message does not fit its schema, or is too large as JSON.
pub fn write(
    plan: &Plan,
    settings: &Settings,
    limit: usize,
    message: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    transcode::wire_to_json(plan, settings, growth(limit), message, out)
        .map_err(|error| unfit(&error))
}

/// How much room to make for the JSON of a message of this length, in bytes: two to three times as
/// much, as a rule.
pub fn room(length: usize) -> usize {
    length * 3 + 64
}

/// How many bytes of JSON a message of up to `limit` bytes may become.
pub fn growth(limit: usize) -> usize {
    limit.saturating_mul(GROWTH)
}

/// The error of what is no JSON of its message, in these words.
pub fn invalid(error: &JsonError, message: String) -> Error {
    if error.too_large {
        return Error::too_large(message);
    }
    let field = error.path.trim_start_matches('$').trim_start_matches('.');
    about_field("bad_json", message, field, &error.message)
}

/// The error of a backend's message that can't be written as JSON.
pub fn unfit(error: &WireError) -> Error {
    let message = if error.too_large {
        "the backend's message is too large as JSON"
    } else {
        "the backend's message does not fit its schema"
    };
    Error::new(Code::Internal, "bad_response_message", message)
        .with_origin(Origin::Upstream)
        .with_source(error.clone())
}
