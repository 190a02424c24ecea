//! A call by GET: the message stands in the query.
//!
//! ```text
//! GET /bookshelf.v1.Bookshelf/GetBook?connect=v1&encoding=json&message=%7B%22name%22%3A…%7D
//! ```

use std::borrow::Cow;

use base64_simd::URL_SAFE_NO_PAD;
use bytes::Bytes;

use super::fault;
use crate::{error::Error, protocol::codec::Codec, route};

/// The parameters of a GET.
#[derive(Debug)]
pub(super) struct Query<'q> {
    pub(super) codec: Codec,
    /// The coding of the message.
    pub(super) compression: Option<Cow<'q, str>>,
    message: Cow<'q, str>,
    base64: bool,
}

impl<'q> Query<'q> {
    /// Reads the query; parameters that Connect doesn't know are let pass.
    ///
    /// # Errors
    /// A parameter that is badly encoded or stands twice, a version or codec that we don't know, no
    /// message.
    pub(super) fn parse(query: &'q str) -> Result<Self, Error> {
        const NAMES: [&str; 5] = ["connect", "encoding", "message", "base64", "compression"];
        let mut found: [Option<Cow<'q, str>>; NAMES.len()] = Default::default();
        for pair in route::pairs(query) {
            let (name, value) = pair.map_err(|error| fault::query(&error))?;
            let Some(place) = NAMES.iter().position(|known| *known == name) else { continue };
            if found[place].replace(value).is_some() {
                return Err(fault::query_twice(NAMES[place]));
            }
        }
        let [version, encoding, message, base64, compression] = found;
        if let Some(version) = version.filter(|version| version != "v1") {
            return Err(fault::version("query parameter `connect`", &version, "v1"));
        }
        let codec = encoding.as_deref().and_then(Codec::from_name);
        let codec = codec.ok_or_else(|| fault::codec(encoding.as_deref()))?;
        let message = message.ok_or_else(fault::no_message)?;
        // Any other value of `base64` means nothing.
        Ok(Self { codec, compression, message, base64: base64.is_some_and(|value| value == "1") })
    }

    /// The message, as its coding has it.
    ///
    /// # Errors
    /// It is no base64, though it should be.
    pub(super) fn message(&self) -> Result<Bytes, Error> {
        if !self.base64 {
            return Ok(Bytes::copy_from_slice(self.message.as_bytes()));
        }
        let text = self.message.trim_end_matches('=');
        let bytes = URL_SAFE_NO_PAD.decode_to_vec(text).map_err(|_| fault::base64())?;
        Ok(bytes.into())
    }
}

/// Whether a query is that of a call: it says so (`Some(true)`), or it has what a call needs
/// (`Some(false)`).
pub(super) fn speaks(query: Option<&str>) -> Option<bool> {
    let has = |name: &str| {
        let mut names = query.into_iter().flat_map(|query| query.split('&'));
        names.any(|pair| pair.split('=').next() == Some(name))
    };
    if has("connect") {
        return Some(true);
    }
    (has("message") && has("encoding")).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_come_in_any_order_among_others() {
        let query = Query::parse("x=1&message=%7B%7D&encoding=json&x=2").unwrap();
        assert_eq!((query.codec, query.message().unwrap()), (Codec::Json, "{}".into()));
        assert!(query.compression.is_none());
        let query = "encoding=proto&base64=1&connect=v1&message=-_8%3D&compression=gzip";
        let query = Query::parse(query).unwrap();
        assert_eq!(query.codec, Codec::Proto);
        assert_eq!(query.message().unwrap(), [0xfb, 0xff][..]);
        assert_eq!(query.compression.as_deref(), Some("gzip"));
        let query = Query::parse("encoding=json&base64=yes&message=AA").unwrap();
        assert_eq!(query.message().unwrap(), "AA", "only 1 means base64");
    }

    #[test]
    fn what_is_wrong_with_a_query_is_named() {
        for (query, status, part) in [
            ("connect=v2&encoding=json&message=", 400, "`v1`"),
            ("message=", 415, "`encoding` is missing"),
            ("message=&encoding=xml", 415, "`xml`"),
            ("encoding=json", 400, "`message` is missing"),
            ("encoding=json&message=1&message=2", 400, "`message` stands twice"),
            ("encoding=json&message=%zz", 400, "`message`"),
            ("encoding=json&message=%ff", 400, "`message`"),
        ] {
            let error = Query::parse(query).unwrap_err();
            assert_eq!(error.http_status(), status, "{query}");
            assert!(error.message().contains(part), "{query}: {}", error.message());
        }
        for text in ["A", "+_8", "a%20b"] {
            let query = format!("encoding=proto&base64=1&message={text}");
            assert!(Query::parse(&query).unwrap().message().is_err(), "{text}");
        }
    }

    #[test]
    fn query_of_a_call_is_known() {
        assert_eq!(speaks(Some("connect=v1")), Some(true));
        assert_eq!(speaks(Some("message=&encoding=json")), Some(false));
        assert_eq!(speaks(Some("message=&connected=v1")), None);
        assert_eq!(speaks(None), None);
    }
}
