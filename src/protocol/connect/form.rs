//! What form a call has: its codec, and whether its body is a message or frames.

use http::{HeaderMap, Method as HttpMethod, header::CONTENT_TYPE, request::Parts};

use super::{fault, get::Query};
use crate::{
    error::Error,
    protocol::codec::{Codec, is_other_charset},
    schema::{Idempotency, Method},
};

/// How the messages of a method stand in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The body is the message.
    Unary,
    /// The body is frames.
    Stream,
}

impl Kind {
    /// The kind of a method.
    pub(super) fn of(method: &Method) -> Self {
        if method.is_unary() { Self::Unary } else { Self::Stream }
    }
}

/// The content types of Connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) kind: Kind,
    /// `None` for one that we don't know.
    pub(super) codec: Option<Codec>,
}

impl Content {
    /// Reads `Content-Type`; `None` for what is not Connect's at all.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let mut parts = value.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        if !kind.eq_ignore_ascii_case("application") || parts.any(is_other_charset) {
            return None;
        }
        const PREFIX: &str = "connect+";
        match subtype.split_at_checked(PREFIX.len()) {
            Some((prefix, name)) if prefix.eq_ignore_ascii_case(PREFIX) => {
                Some(Self { kind: Kind::Stream, codec: Codec::from_name(name) })
            }
            _ => {
                let codec = Some(Codec::from_name(subtype)?);
                Some(Self { kind: Kind::Unary, codec })
            }
        }
    }
}

/// Whether a POST's content type is none that Connect could ever have, as all of its own are
/// `application/…`: who sends it may be a gRPC client as well as a browser's form, and takes JSON
/// for something that it is not.
pub(super) fn is_foreign(head: &Parts) -> bool {
    let value = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = value.and_then(|value| value.split_once('/')).map(|(kind, _)| kind.trim());
    head.method == HttpMethod::POST
        && kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("application"))
}

/// The content type of a body that is one message.
pub(super) fn content_type(codec: Codec) -> &'static str {
    match codec {
        Codec::Proto => "application/proto",
        Codec::Json => "application/json",
    }
}

/// The content type of a body of frames.
pub(super) fn stream_type(codec: Codec) -> &'static str {
    match codec {
        Codec::Proto => "application/connect+proto",
        Codec::Json => "application/connect+json",
    }
}

/// The form of a call that can be answered.
#[derive(Debug)]
pub(super) enum Form<'q> {
    /// POST with a message as body.
    Unary(Codec),
    /// GET or HEAD with the message in the query.
    Get(Query<'q>),
    /// POST with frames as body.
    Stream(Codec),
}

impl<'q> Form<'q> {
    /// The form of a request for this method.
    ///
    /// # Errors
    /// 405 for another HTTP method, 415 for another content type, 400 for a query that tells no
    /// message.
    pub(super) fn of(head: &'q Parts, method: &Method) -> Result<Self, Error> {
        match head.method {
            HttpMethod::POST => {}
            HttpMethod::GET | HttpMethod::HEAD if takes_get(method) => {
                return Query::parse(head.uri.query().unwrap_or_default()).map(Self::Get);
            }
            _ => return Err(fault::verb(head, method, allowed(method))),
        }
        let content = Content::of(&head.headers).filter(|one| one.kind == Kind::of(method));
        match content {
            Some(Content { kind: Kind::Unary, codec: Some(codec) }) => Ok(Self::Unary(codec)),
            Some(Content { kind: Kind::Stream, codec: Some(codec) }) => Ok(Self::Stream(codec)),
            _ => Err(fault::content_type(head, method)),
        }
    }
}

/// Whether a method may be called by GET.
fn takes_get(method: &Method) -> bool {
    method.is_unary() && method.idempotency == Idempotency::NoSideEffects
}

/// The HTTP methods that a method may be called by.
pub(super) fn allowed(method: &Method) -> &'static str {
    if takes_get(method) { "GET, HEAD, POST" } else { "POST" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(value: &str) -> Option<Content> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, value.parse().unwrap());
        Content::of(&headers)
    }

    #[test]
    fn content_types_tell_kind_and_codec() {
        for (value, kind, codec) in [
            ("application/json", Kind::Unary, Some(Codec::Json)),
            ("Application/JSON; charset=UTF-8", Kind::Unary, Some(Codec::Json)),
            ("application/proto", Kind::Unary, Some(Codec::Proto)),
            ("application/connect+json", Kind::Stream, Some(Codec::Json)),
            ("application/Connect+Proto", Kind::Stream, Some(Codec::Proto)),
            ("application/connect+thrift", Kind::Stream, None),
        ] {
            assert_eq!(content(value), Some(Content { kind, codec }), "{value}");
        }
        for value in ["text/json", "application/foo", "application/json; charset=utf-16", "json"] {
            assert_eq!(content(value), None, "{value}");
        }
        assert_eq!(Content::of(&HeaderMap::new()), None);
    }
}
