//! Content types: what a request's body is, and what form the answer takes.
//!
//! `Accept` chooses the form of a server stream and of errors; what asks for anything else gets
//! JSON, because a client that says `text/html` by habit is better served than refused.

use std::fmt::Display;

use http::{HeaderMap, HeaderValue, header};

use crate::{
    coding::{Coding, Codings, weighed},
    error::{Code, Error, Origin},
    protocol::codec::is_other_charset,
};

/// The form of a stream of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// One JSON array.
    Array,
    /// One message a line: NDJSON, also known as JSON Lines.
    Lines,
    /// RFC 7464: a record separator before and a line feed after each message.
    Sequence,
    /// Server-sent events (WHATWG HTML, §9.2).
    Events,
}

/// Every media type that names a framing, with the one that answers carry.
const FRAMINGS: [(&str, Framing, &str); 7] = [
    ("application/json", Framing::Array, "application/json"),
    ("application/x-ndjson", Framing::Lines, "application/x-ndjson"),
    ("application/ndjson", Framing::Lines, "application/ndjson"),
    ("application/jsonl", Framing::Lines, "application/jsonl"),
    ("application/x-jsonlines", Framing::Lines, "application/x-jsonlines"),
    ("application/json-seq", Framing::Sequence, "application/json-seq"),
    ("text/event-stream", Framing::Events, "text/event-stream"),
];

/// The form of an answer, as `Accept` asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    /// How a server stream is framed.
    pub(super) framing: Framing,
    /// The content type of a server stream.
    pub(super) content_type: &'static str,
    /// Whether errors are to be RFC 9457 problems.
    pub(super) problem: bool,
}

impl Default for Accepted {
    fn default() -> Self {
        Self { framing: Framing::Array, content_type: "application/json", problem: false }
    }
}

impl Accepted {
    /// Reads the `Accept` headers (RFC 9110 §12.5.1): the highest weight wins, among equals the
    /// first that is named; a wildcard stands behind what is named.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut accepted = Self::default();
        let mut best = (0, false);
        for value in headers.get_all(header::ACCEPT) {
            let Ok(value) = value.to_str() else { continue };
            for (kind, weight) in weighed(value) {
                if weight == 0 {
                    continue;
                }
                if kind.eq_ignore_ascii_case("application/problem+json") {
                    accepted.problem = true;
                } else if let Some((name, framing, content_type)) = framing_of(kind)
                    && (weight, kind.eq_ignore_ascii_case(name)) > best
                {
                    best = (weight, kind.eq_ignore_ascii_case(name));
                    (accepted.framing, accepted.content_type) = (*framing, *content_type);
                }
            }
        }
        accepted
    }
}

fn framing_of(kind: &str) -> Option<&'static (&'static str, Framing, &'static str)> {
    FRAMINGS.iter().find(|(name, ..)| kind.eq_ignore_ascii_case(name)).or_else(|| {
        // A wildcard asks for the default.
        matches!(kind, "*/*" | "application/*").then_some(&FRAMINGS[0])
    })
}

/// What a request's body is, by its content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// JSON (or nothing said, which counts as JSON).
    Json,
    /// NDJSON.
    Lines,
    /// RFC 7464 records.
    Sequence,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// Anything else.
    Other,
}

impl Content {
    /// Reads `Content-Type`.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(header::CONTENT_TYPE) else { return Self::Json };
        let Ok(value) = value.to_str() else { return Self::Other };
        let mut parts = value.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        if parts.any(is_other_charset) {
            return Self::Other;
        }
        if kind.is_empty() || is_json(kind) {
            return Self::Json;
        }
        if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Self::Form;
        }
        match framing_of(kind) {
            Some((_, Framing::Lines, _)) => Self::Lines,
            Some((_, Framing::Sequence, _)) => Self::Sequence,
            _ => Self::Other,
        }
    }
}

/// `application/json`, `text/json` and everything with the `+json` suffix (RFC 6839).
fn is_json(kind: &str) -> bool {
    let suffix = kind.len().checked_sub(5).and_then(|at| kind.get(at..));
    kind.eq_ignore_ascii_case("application/json")
        || kind.eq_ignore_ascii_case("text/json")
        || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case("+json"))
}

/// The refusal of a body whose content type the route doesn't take: 415, with the header that
/// tells what it takes.
pub(super) fn unsupported(
    headers: &HeaderMap,
    method: &http::Method,
    takes: &'static str,
) -> Error {
    let given = headers
        .get(header::CONTENT_TYPE)
        .map_or("".into(), |value| String::from_utf8_lossy(value.as_bytes()));
    let name = match *method {
        http::Method::PATCH => header::HeaderName::from_static("accept-patch"),
        _ => header::HeaderName::from_static("accept-post"),
    };
    Error::new(
        Code::InvalidArgument,
        "unsupported_media_type",
        format!("content type `{given}` is not taken here; send {takes}"),
    )
    .with_origin(Origin::Downstream)
    .with_http(http::StatusCode::UNSUPPORTED_MEDIA_TYPE)
    .with_header(name, HeaderValue::from_static(takes))
}

/// How often a body may have been coded. Once is the rule; more than twice is a trick.
const CODINGS: usize = 2;

/// The codings of the body, in the order in which they were applied (RFC 9110 §8.4).
///
/// # Errors
/// 415, with `Accept-Encoding` as RFC 9110 §12.5.3 has it, for one that isn't known.
pub(super) fn codings(headers: &HeaderMap) -> Result<Vec<Coding>, Error> {
    let mut codings = Vec::new();
    for value in headers.get_all(header::CONTENT_ENCODING) {
        let value = String::from_utf8_lossy(value.as_bytes());
        let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
        for name in names.filter(|name| !name.eq_ignore_ascii_case("identity")) {
            match Coding::from_name(name) {
                Some(coding) if codings.len() < CODINGS => codings.push(coding),
                Some(_) => return Err(untaken("the body is encoded more than twice")),
                None => {
                    return Err(untaken(format!("content encoding `{name:.100}` is not taken")));
                }
            }
        }
    }
    Ok(codings)
}

#[cold]
fn untaken(what: impl Display) -> Error {
    let known = Codings::ALL.list();
    let message = format!("{what}; send it in one of {known}, or as it is");
    Error::new(Code::InvalidArgument, "unsupported_encoding", message)
        .with_origin(Origin::Downstream)
        .with_http(http::StatusCode::UNSUPPORTED_MEDIA_TYPE)
        .with_header(header::ACCEPT_ENCODING, HeaderValue::from_static(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(value: &str) -> Accepted {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, value.parse().unwrap());
        Accepted::of(&headers)
    }

    fn content(value: &str) -> Content {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, value.parse().unwrap());
        Content::of(&headers)
    }

    #[test]
    fn accept_chooses_the_framing_by_weight_and_order() {
        assert_eq!(Accepted::of(&HeaderMap::new()), Accepted::default());
        assert_eq!(accepted("text/event-stream").framing, Framing::Events);
        assert_eq!(
            accepted("application/json;q=0.5, application/x-ndjson").framing,
            Framing::Lines
        );
        assert_eq!(accepted("application/json, application/x-ndjson").framing, Framing::Array);
        assert_eq!(accepted("*/*, text/event-stream").framing, Framing::Events);
        assert_eq!(accepted("*/*, text/event-stream;q=0.9").framing, Framing::Array);
        assert_eq!(accepted("application/jsonl").content_type, "application/jsonl");
        assert_eq!(accepted("application/json-seq, */*;q=0.1").framing, Framing::Sequence);
        assert_eq!(accepted("text/event-stream;q=0").framing, Framing::Array);
        assert_eq!(accepted("text/html").framing, Framing::Array);
        assert!(accepted("application/problem+json").problem);
        assert!(!accepted("application/json").problem);
    }

    #[test]
    fn content_type_tells_the_body() {
        assert_eq!(Content::of(&HeaderMap::new()), Content::Json);
        assert_eq!(content("application/json; charset=UTF-8"), Content::Json);
        assert_eq!(content("application/vnd.api+JSON"), Content::Json);
        assert_eq!(content("application/x-ndjson"), Content::Lines);
        assert_eq!(content("application/json-seq"), Content::Sequence);
        assert_eq!(content("application/x-www-form-urlencoded"), Content::Form);
        assert_eq!(content("text/plain"), Content::Other);
        assert_eq!(content("application/json; charset=utf-16"), Content::Other);
        assert_eq!(content("text/event-stream"), Content::Other);
    }

    #[test]
    fn content_encoding_is_a_list_in_the_order_of_application() {
        let codings = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::CONTENT_ENCODING, line.parse().unwrap());
            }
            codings(&headers).map_err(|error| error.http_status().as_u16())
        };
        for (lines, found) in [
            (&[][..], Ok(vec![])),
            (&["identity"], Ok(vec![])),
            (&[""], Ok(vec![])),
            (&["GZip"], Ok(vec![Coding::Gzip])),
            (&["gzip, br"], Ok(vec![Coding::Gzip, Coding::Brotli])),
            (&["gzip", "identity, zstd"], Ok(vec![Coding::Gzip, Coding::Zstd])),
            (&["gzip, gzip, gzip"], Err(415)),
            (&["compress"], Err(415)),
            (&["gzip, aes128gcm"], Err(415)),
            (&["gzip;q=1"], Err(415)),
        ] {
            assert_eq!(codings(lines), found, "{lines:?}");
        }
    }
}
