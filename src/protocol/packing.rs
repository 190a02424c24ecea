//! Which coding a request's messages have, and which those of the answer get.
//!
//! | | request | answer |
//! |-|---------|--------|
//! | gRPC, gRPC-Web  | `grpc-encoding`                         | `grpc-accept-encoding`    |
//! | Connect, unary  | `content-encoding`, GET: `compression=` | `accept-encoding`         |
//! | Connect streams | `connect-content-encoding`              | `connect-accept-encoding` |

use std::cmp::Reverse;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{
    coding::{Coding, Codings, weighed},
    error::{Code, Error, Origin},
};

/// The headers by which a protocol names codings.
#[derive(Debug)]
pub struct Names {
    /// Of what is sent.
    pub content: HeaderName,
    /// Of what is accepted.
    pub accept: HeaderName,
}

/// HTTP's own, for bodies that are one message.
pub static HTTP: Names =
    Names { content: header::CONTENT_ENCODING, accept: header::ACCEPT_ENCODING };

/// Those of gRPC and gRPC-Web.
pub static GRPC: Names = Names {
    content: HeaderName::from_static("grpc-encoding"),
    accept: HeaderName::from_static("grpc-accept-encoding"),
};

/// Those for the messages of Connect's streams.
pub static CONNECT: Names = Names {
    content: HeaderName::from_static("connect-content-encoding"),
    accept: HeaderName::from_static("connect-accept-encoding"),
};

impl Names {
    /// What the caller's messages may be packed with.
    ///
    /// # Errors
    /// UNIMPLEMENTED for a coding that we don't know; lists those that we do.
    pub fn sent(&self, headers: &HeaderMap) -> Result<Option<Coding>, Error> {
        let mut given = headers.get_all(&self.content).into_iter();
        let Some(name) = given.next() else { return Ok(None) };
        if given.next().is_some() {
            return Err(self.unknown("several on top of each other"));
        }
        self.parse(&String::from_utf8_lossy(name.as_bytes()))
    }

    /// The coding of this name; none for `identity` and for nothing.
    ///
    /// # Errors
    /// As of [`Self::sent`].
    pub fn parse(&self, name: &str) -> Result<Option<Coding>, Error> {
        let name = name.trim();
        if name.is_empty() || name.eq_ignore_ascii_case("identity") {
            return Ok(None);
        }
        Coding::from_name(name).map(Some).ok_or_else(|| self.unknown(name))
    }

    /// Everything that the caller takes.
    pub fn accepted(&self, headers: &HeaderMap) -> Codings {
        let lists = headers.get_all(&self.accept).into_iter();
        let lists = lists.filter_map(|list| list.to_str().ok());
        lists.fold(Codings::NONE, |codings, list| codings.or(Codings::listed(list)))
    }

    /// What the caller likes best: the first of the highest weight that we know. Who does not say
    /// what it accepts accepts what it sent.
    pub fn preferred(&self, headers: &HeaderMap, sent: Option<Coding>) -> Option<Coding> {
        if !headers.contains_key(&self.accept) {
            return sent;
        }
        let lists = headers.get_all(&self.accept).into_iter();
        let lists = lists.filter_map(|list| list.to_str().ok());
        let known = lists.flat_map(weighed).filter_map(|(name, weight)| {
            let coding = Coding::from_name(name);
            let is_known = coding.is_some() || name.eq_ignore_ascii_case("identity");
            (is_known && weight > 0).then_some((coding, weight))
        });
        known.min_by_key(|(_, weight)| Reverse(*weight)).and_then(|(coding, _)| coding)
    }

    /// Tells in a response's head what it, or its messages, may be packed with.
    pub fn tell(&self, coding: Option<Coding>, headers: &mut HeaderMap) {
        if let Some(coding) = coding {
            headers.insert(&self.content, HeaderValue::from_static(coding.name()));
        }
    }

    #[cold]
    fn unknown(&self, name: &str) -> Error {
        let taken = Codings::ALL.list();
        let message =
            format!("messages packed with `{name:.50}` are not taken; send identity, or {taken}");
        Error::new(Code::Unimplemented, "unknown_encoding", message)
            .with_origin(Origin::Downstream)
            .with_header(self.accept.clone(), HeaderValue::from_static(taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn preferred_is_the_first_of_the_highest_weight_that_both_know() {
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
            let headers = headers(&[("accept-encoding", accept)]);
            assert_eq!(HTTP.preferred(&headers, Some(Coding::Gzip)), coding, "{accept}");
        }
        assert_eq!(HTTP.preferred(&HeaderMap::new(), Some(Coding::Gzip)), Some(Coding::Gzip));
    }

    #[test]
    fn accepted_is_the_set_of_all_lines() {
        let headers =
            headers(&[("grpc-accept-encoding", "identity,gzip"), ("grpc-accept-encoding", "zstd")]);
        assert_eq!(GRPC.accepted(&headers).list(), "zstd,gzip");
        assert!(GRPC.accepted(&HeaderMap::new()).is_empty());
    }

    #[test]
    fn what_is_sent_has_one_name_that_is_known() {
        for (name, coding) in [("identity", None), ("", None), (" GZip", Some(Coding::Gzip))] {
            assert_eq!(GRPC.sent(&headers(&[("grpc-encoding", name)])).unwrap(), coding);
        }
        assert_eq!(GRPC.sent(&HeaderMap::new()).unwrap(), None);
        for pairs in [
            &[("content-encoding", "lzma")][..],
            &[("content-encoding", "gzip, br")],
            &[("content-encoding", "gzip"), ("content-encoding", "gzip")],
        ] {
            let error = HTTP.sent(&headers(pairs)).unwrap_err();
            assert_eq!(error.code(), Code::Unimplemented);
            assert!(error.message().contains("zstd,br,gzip,deflate"), "{}", error.message());
            assert_eq!(error.headers()["accept-encoding"], "zstd,br,gzip,deflate");
        }
    }
}
