//! Compression of answers, in the coding that the caller likes best of those that a policy has.
//!
//! ```text
//! accept-encoding: br, gzip;q=0.5      content-encoding: br
//!                                  ─►  vary: accept-encoding
//! 200 {"books":[…]}                    200 (the same, packed)
//! ```
//!
//! A small body is packed at once. A large one is packed in pieces while the connection takes them,
//! and others on the worker have their turn in between. A stream is flushed whenever there is
//! nothing more to read, so that every event arrives at once.
//!
//! It is off unless a policy has it: packing costs time, backends may have done it, and an answer
//! that holds both a secret and what the caller sent tells of the secret by its length (BREACH).

mod accepts;
mod packed;
#[cfg(test)]
mod tests;

use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{
        ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
        CONTENT_TYPE, ETAG,
    },
};

pub(super) use self::accepts::Accepts;
use self::packed::Packed;
use crate::{
    coding::{Coding, Packer},
    error::Error,
    protocol::{ResponseBody, vary},
};

/// Bodies up to this many bytes are packed at once: about a millisecond's work.
const AT_ONCE: usize = 32 << 10;

/// How the answers of a method are compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compression {
    /// The codings that may be used, the preferred first.
    pub codings: Vec<Coding>,
    /// A body that is known to have fewer bytes goes as it is.
    pub min_size: usize,
}

impl Default for Compression {
    fn default() -> Self {
        Self { codings: vec![Coding::Zstd, Coding::Brotli, Coding::Gzip], min_size: 1 << 10 }
    }
}

impl Compression {
    /// Compresses an answer if it is one to be compressed, and the caller takes it so.
    pub(super) fn apply(
        &self,
        accepts: Accepts,
        mut response: Response<ResponseBody>,
    ) -> Response<ResponseBody> {
        if !may_be_packed(&response) {
            return response;
        }
        vary::add(response.headers_mut(), HeaderValue::from_static("accept-encoding"));
        let Some(coding) = accepts.choose(&self.codings) else { return response };
        let small =
            matches!(response.body(), ResponseBody::Whole(body) if body.len() < self.min_size);
        if small && accepts.plain() {
            return response;
        }
        let (head, body) = response.into_parts();
        match pack(coding, body, accepts.plain()) {
            Ok(body) => {
                let mut response = Response::from_parts(head, body);
                rewrite(response.headers_mut(), coding);
                response
            }
            Err(body) => Response::from_parts(head, body),
        }
    }
}

/// The packed body; the body as it was if packing doesn't make it smaller or can't be done.
fn pack(coding: Coding, body: ResponseBody, plain: bool) -> Result<ResponseBody, ResponseBody> {
    let told = |error: Error| tracing::warn!(%error, "an answer goes without compression");
    match body {
        ResponseBody::Whole(bytes) if bytes.len() <= AT_ONCE => match coding.pack(&bytes) {
            Ok(packed) if packed.len() < bytes.len() || !plain => Ok(ResponseBody::Whole(packed)),
            Ok(_) => Err(ResponseBody::Whole(bytes)),
            Err(error) => {
                told(error);
                Err(ResponseBody::Whole(bytes))
            }
        },
        body => {
            let packer = match &body {
                ResponseBody::Stream(_) => Packer::for_stream(coding),
                _ => Packer::new(coding),
            };
            match packer {
                Ok(packer) => Ok(ResponseBody::stream(Packed::new(packer, body))),
                Err(error) => {
                    told(error);
                    Err(body)
                }
            }
        }
    }
}

/// Whether an answer has a body that is plain, whole, and likely to become smaller.
fn may_be_packed(response: &Response<ResponseBody>) -> bool {
    let headers = response.headers();
    let is_empty = match response.body() {
        ResponseBody::Empty => true,
        ResponseBody::Whole(body) | ResponseBody::Trailed(body, _) => body.is_empty(),
        ResponseBody::Stream(_) => false,
    };
    // A digest is one of the bytes as they are, and `no-transform` forbids (RFC 9111 §5.2.2.6).
    let fixed =
        [&CONTENT_ENCODING, &CONTENT_RANGE].into_iter().any(|name| headers.contains_key(name))
            || ["content-digest", "repr-digest", "digest", "content-md5"]
                .into_iter()
                .any(|name| headers.contains_key(name))
            || lists(headers, "no-transform");
    !is_empty
        && response.status() != StatusCode::PARTIAL_CONTENT
        && !fixed
        && headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).is_some_and(is_text)
}

fn lists(headers: &HeaderMap, directive: &str) -> bool {
    let values = headers.get_all(CACHE_CONTROL).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(directive))
}

/// Whether bodies of this type are text or like it; images, archives and the like are packed
/// already.
fn is_text(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let Some((top, sub)) = kind.split_once('/') else { return false };
    let suffix = sub.rsplit_once('+').map_or("", |(_, suffix)| suffix);
    top == "text"
        || matches!(suffix, "json" | "xml" | "yaml" | "json-seq")
        || top == "application"
            && matches!(
                sub,
                "json"
                    | "x-ndjson"
                    | "ndjson"
                    | "jsonl"
                    | "x-jsonlines"
                    | "json-seq"
                    | "xml"
                    | "javascript"
                    | "yaml"
                    | "wasm"
                    | "x-www-form-urlencoded"
                    | "protobuf"
                    | "x-protobuf"
            )
        || matches!((top, sub), ("image", "bmp" | "x-icon") | ("font", "ttf" | "otf"))
}

/// The headers of the packed answer.
fn rewrite(headers: &mut HeaderMap, coding: Coding) {
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    headers.remove(CONTENT_LENGTH);
    // Ranges would be ones of the packed bytes, which differ each time.
    headers.remove(ACCEPT_RANGES);
    // So a strong validator would be wrong (RFC 9110 §8.8.1).
    if let Some(tag) = headers.get_mut(ETAG)
        && tag.as_bytes().starts_with(b"\"")
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat())
    {
        *tag = weak;
    }
}
