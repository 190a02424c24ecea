//! Which coding a request's messages have, and which the answer's get.
//!
//! | | request | answer |
//! |-|---------|--------|
//! | unary   | `content-encoding`, GET: `compression=` | `accept-encoding`         |
//! | streams | `connect-content-encoding`              | `connect-accept-encoding` |
//!
//! Who does not say what he accepts accepts what he sent.

use std::cmp::Reverse;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::fault;
use crate::{coding::Coding, error::Error};

/// What is smaller, in bytes, is not worth its compression.
const WORTH: usize = 1 << 10;

/// The headers that name codings.
pub(super) struct Names {
    /// Of what is sent.
    pub(super) content: HeaderName,
    /// Of what is accepted.
    pub(super) accept: HeaderName,
}

/// HTTP's own, for bodies that are one message.
pub(super) const UNARY: Names =
    Names { content: header::CONTENT_ENCODING, accept: header::ACCEPT_ENCODING };

/// Those for the messages of a stream.
pub(super) const STREAM: Names = Names {
    content: HeaderName::from_static("connect-content-encoding"),
    accept: HeaderName::from_static("connect-accept-encoding"),
};

/// The codings of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Codings {
    /// Of what the caller sends.
    pub(super) request: Option<Coding>,
    /// Of what is large enough in the answer.
    pub(super) response: Option<Coding>,
}

impl Codings {
    /// Those that a POST's headers name.
    ///
    /// # Errors
    /// UNIMPLEMENTED for a coding that we don't know; lists those that we do.
    pub(super) fn of(headers: &HeaderMap, names: &Names) -> Result<Self, Error> {
        let mut given = headers.get_all(&names.content).into_iter();
        let request = match (given.next(), given.next()) {
            (None, _) => None,
            (Some(name), None) => parse(&String::from_utf8_lossy(name.as_bytes()), &names.accept)?,
            (Some(_), Some(_)) => {
                return Err(fault::unknown_coding("several on top of each other", &names.accept));
            }
        };
        Ok(Self { request, response: accepted(headers, &names.accept, request) })
    }

    /// Those of a GET, whose `compression` parameter says what coding its message has.
    ///
    /// # Errors
    /// As of [`Self::of`].
    pub(super) fn of_get(headers: &HeaderMap, compression: Option<&str>) -> Result<Self, Error> {
        let request = parse(compression.unwrap_or_default(), &UNARY.accept)?;
        Ok(Self { request, response: accepted(headers, &UNARY.accept, request) })
    }
}

/// The coding of this name; none for `identity` and for nothing.
fn parse(name: &str, accept: &HeaderName) -> Result<Option<Coding>, Error> {
    let name = name.trim();
    if name.is_empty() || name.eq_ignore_ascii_case("identity") {
        return Ok(None);
    }
    Coding::from_name(name).map(Some).ok_or_else(|| fault::unknown_coding(name, accept))
}

/// The first of the highest weight that the caller accepts and we know.
fn accepted(headers: &HeaderMap, name: &HeaderName, request: Option<Coding>) -> Option<Coding> {
    if !headers.contains_key(name) {
        return request;
    }
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let weighed = values.flat_map(|value| value.split(',')).filter_map(weigh);
    // What we don't know comes behind what we do.
    weighed.min_by_key(|(_, weight)| Reverse(*weight)).and_then(|(coding, _)| coding)
}

/// A coding that we know, `None` for `identity`, and its weight in thousandths; nothing for what
/// we don't know or the caller doesn't take.
fn weigh(item: &str) -> Option<(Option<Coding>, u32)> {
    let mut parts = item.split(';').map(str::trim);
    let name = parts.next()?;
    let weight = parts.find_map(|one| one.strip_prefix("q=").or(one.strip_prefix("Q=")));
    let weight = weight.map_or(1.0, |weight| weight.parse::<f32>().unwrap_or(0.0));
    let weight = (weight.clamp(0.0, 1.0) * 1000.0) as u32;
    let coding = match Coding::from_name(name) {
        None if !name.eq_ignore_ascii_case("identity") => return None,
        coding => coding,
    };
    (weight > 0).then_some((coding, weight))
}

/// Whether a message of this many bytes is worth its compression.
pub(super) fn is_worth(length: usize) -> bool {
    length >= WORTH
}

/// Every coding that we know, as a header's value.
pub(super) fn known() -> HeaderValue {
    let names = Coding::ALL.map(Coding::name).join(", ");
    HeaderValue::try_from(names).unwrap_or(HeaderValue::from_static("gzip"))
}

/// Takes what the caller sent out of its coding. An empty message has none.
///
/// # Errors
/// INVALID_ARGUMENT for damaged data, RESOURCE_EXHAUSTED above the limit in bytes.
pub(super) fn unpack(
    coding: Option<Coding>,
    packed: bytes::Bytes,
    limit: usize,
) -> Result<bytes::Bytes, Error> {
    match coding {
        Some(coding) if !packed.is_empty() => coding.unpack(&packed, limit),
        _ => Ok(packed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn codings(pairs: &[(&'static str, &str)]) -> Result<Codings, Error> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        Codings::of(&headers, &UNARY)
    }

    #[test]
    fn answer_has_the_first_coding_that_both_know() {
        for (accept, coding) in [
            ("gzip, br", Some(Coding::Gzip)),
            ("br,gzip", Some(Coding::Brotli)),
            ("lzma, ZSTD", Some(Coding::Zstd)),
            ("gzip;q=0.5, br;q=0.9, identity;q=0.1", Some(Coding::Brotli)),
            ("identity, gzip", None),
            ("gzip;q=0", None),
            ("gzip;q=no", None),
            ("lzma, *", None),
            ("", None),
        ] {
            let found = codings(&[("accept-encoding", accept)]).unwrap();
            assert_eq!(found, Codings { request: None, response: coding }, "{accept}");
        }
    }

    #[test]
    fn who_accepts_nothing_by_name_accepts_what_he_sends() {
        let gzip = Some(Coding::Gzip);
        let found = codings(&[("content-encoding", "gzip")]).unwrap();
        assert_eq!(found, Codings { request: gzip, response: gzip });
        let found = codings(&[("content-encoding", "gzip"), ("accept-encoding", "identity")]);
        assert_eq!(found.unwrap(), Codings { request: gzip, response: None });
        assert_eq!(codings(&[("content-encoding", "identity")]).unwrap(), Codings::default());
        assert_eq!(codings(&[]).unwrap(), Codings::default());
    }

    #[test]
    fn unknown_coding_is_unimplemented_and_the_known_are_listed() {
        for pairs in [
            &[("content-encoding", "lzma")][..],
            &[("content-encoding", "gzip, br")],
            &[("content-encoding", "gzip"), ("content-encoding", "gzip")],
        ] {
            let error = codings(pairs).unwrap_err();
            assert_eq!(error.code(), Code::Unimplemented);
            assert!(error.message().contains("zstd, br, gzip, deflate"), "{}", error.message());
            assert_eq!(error.headers()["accept-encoding"], "zstd, br, gzip, deflate");
        }
    }

    #[test]
    fn empty_message_is_not_unpacked() {
        assert!(unpack(Some(Coding::Gzip), bytes::Bytes::new(), 10).unwrap().is_empty());
        assert!(unpack(Some(Coding::Gzip), "no gzip".into(), 10).is_err());
    }
}
