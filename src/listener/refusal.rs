//! Answers of our own for what hyper refuses by itself.
//!
//! A head that is no HTTP, or too large to be read at all, never becomes a request: hyper answers it
//! with a bare status. Every refusal of this gateway looks the same (CONTRACT §6), so on its way to
//! the socket such an answer is replaced.
//!
//! ```text
//! HTTP/1.1 400 Bad Request            HTTP/1.1 400 Bad Request
//! connection: close             ─►    connection: close
//! content-length: 0                   content-type: application/json …
//!                                     {"code":3,"message":"the request …","details":[]}
//! ```

use std::io::Write;

use bytes::Bytes;
use http::StatusCode;

use crate::{
    error::{Code, Error, Origin},
    protocol::{ResponseBody, failure},
};

/// What to write in the place of `bytes`, if they are a bare refusal of hyper's own. Our own
/// answers of such a status always have a body and say of what type.
pub(super) fn instead_of(bytes: &[u8]) -> Option<Bytes> {
    let rest = bytes.strip_prefix(b"HTTP/1.1 4")?;
    if bytes.len() > 300 || !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let has = |line: &[u8]| memchr::memmem::find(bytes, line).is_some();
    if !has(b"\r\ncontent-length: 0\r\n") || has(b"\r\ncontent-type:") {
        return None;
    }
    let error = match rest.get(..2)? {
        b"00" => Error::invalid("bad_request", "the request is not HTTP (RFC 9112)"),
        // A target of this length makes the head too large, whatever else is in it.
        b"14" | b"31" => head_too_large(),
        _ => return None,
    };
    write(&error).ok()
}

fn head_too_large() -> Error {
    let message = "the request's head is too large, or has too many headers";
    Error::new(Code::ResourceExhausted, "head_too_large", message)
        .with_origin(Origin::Downstream)
        .with_http(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
}

fn write(error: &Error) -> std::io::Result<Bytes> {
    let (head, body) = failure::plain(error).into_parts();
    let ResponseBody::Whole(body) = body else { return Ok(Bytes::new()) };
    let mut out = Vec::new();
    write!(out, "HTTP/1.1 {}\r\nconnection: close\r\n", head.status)?;
    for (name, value) in &head.headers {
        write!(out, "{name}: ")?;
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    write!(out, "content-length: {}\r\n\r\n", body.len())?;
    out.extend_from_slice(&body);
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(status: &str) -> String {
        format!(
            "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\
             date: Sat, 21 Nov 2026 09:36:51 GMT\r\n\r\n"
        )
    }

    #[test]
    fn bare_refusals_are_told_in_full() {
        for (status, line, code) in [
            ("400 Bad Request", "HTTP/1.1 400 Bad Request\r\n", 3),
            ("414 URI Too Long", "HTTP/1.1 431 Request Header Fields Too Large\r\n", 8),
            (
                "431 Request Header Fields Too Large",
                "HTTP/1.1 431 Request Header Fields Too Large\r\n",
                8,
            ),
        ] {
            let own = instead_of(bare(status).as_bytes()).unwrap();
            let own = str::from_utf8(&own).unwrap();
            let (head, body) = own.split_once("\r\n\r\n").unwrap();
            assert!(own.starts_with(line), "{own}");
            assert!(head.contains("content-type: application/json"), "{head}");
            assert!(head.ends_with(&format!("content-length: {}", body.len())), "{head}");
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(body["code"], code);
        }
    }

    #[test]
    fn answers_that_are_not_bare_pass() {
        for other in [
            bare("204 No Content"),
            bare("404 Not Found"),
            bare("400 Bad Request").replace("content-length: 0", "content-length: 2") + "{}",
            bare("400 Bad Request").replace("date:", "content-type: a/b\r\ndate:"),
            bare("400 Bad Request") + "HTTP/1.1 200 OK\r\n",
        ] {
            assert_eq!(instead_of(other.as_bytes()), None, "{other}");
        }
    }
}
