//! What a service is told of a call.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Version};

use super::names::Names;
use crate::exchange::{Approach, Exchange, Identity, Metadata, Principal};

/// A call as a service sees it.
pub(super) struct Account<'a> {
    pub(super) exchange: &'a Exchange,
    approach: Option<&'a Approach>,
    /// The headers that the service may see.
    send: &'a Names,
    /// The message, perhaps its beginning, where it is sent.
    pub(super) message: Option<Bytes>,
    /// How long the message is, where it is known.
    pub(super) size: Option<usize>,
}

impl<'a> Account<'a> {
    /// Tells of a call that is under way.
    pub(super) fn of(
        exchange: &'a Exchange,
        send: &'a Names,
        (message, size): (Option<Bytes>, Option<usize>),
    ) -> Self {
        let approach = exchange.extensions.get::<Arc<Approach>>().map(|approach| &**approach);
        Self { exchange, approach, send, message, size }
    }

    /// The HTTP method, `POST` for one.
    pub(super) fn method(&self) -> &str {
        self.approach.map_or("POST", |approach| approach.method.as_str())
    }

    /// Path and query, as they came.
    pub(super) fn path(&self) -> &str {
        let target = self.approach.and_then(|approach| approach.uri.path_and_query());
        target.map_or(self.exchange.method.path.as_str(), |target| target.as_str())
    }

    /// The version of HTTP.
    pub(super) fn protocol(&self) -> &'static str {
        match self.approach.map(|approach| approach.version) {
            Some(Version::HTTP_10) => "HTTP/1.0",
            Some(Version::HTTP_2) => "HTTP/2",
            _ => "HTTP/1.1",
        }
    }

    /// The host that was called.
    pub(super) fn host(&self) -> &str {
        self.own("x-forwarded-host")
    }

    /// `http` or `https`.
    pub(super) fn scheme(&self) -> &str {
        self.own("x-forwarded-proto")
    }

    /// What the gateway has written itself, or a proxy that is trusted.
    fn own(&self, name: &str) -> &str {
        let value = self.exchange.metadata.get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The caller's address, and its port where it is the connection's own.
    pub(super) fn source(&self) -> Option<(String, u16)> {
        let approach = self.approach?;
        let client = approach.client?;
        let peer = approach.peer.filter(|peer| peer.ip().to_canonical() == client);
        Some((client.to_string(), peer.map_or(0, |peer| peer.port())))
    }

    /// The gateway's address.
    pub(super) fn destination(&self) -> Option<(String, u16)> {
        let local = self.approach?.local?;
        Some((local.ip().to_canonical().to_string(), local.port()))
    }

    /// The certificate that the caller has shown.
    pub(super) fn identity(&self) -> Option<&Identity> {
        self.exchange.extensions.get::<Arc<Identity>>().map(|identity| &**identity)
    }

    /// Who calls, as far as earlier policies know.
    pub(super) fn principal(&self) -> Option<&str> {
        let principal = self.exchange.extensions.get::<Arc<Principal>>();
        let known = principal.map(|principal| &*principal.id);
        known.or(self.identity().map(Identity::name))
    }

    /// The headers that may be sent.
    pub(super) fn headers(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        let all: &Metadata = &self.exchange.metadata;
        all.iter().filter(|(name, _)| self.send.have(name.as_str()))
    }

    /// The same as text, those of one name joined.
    pub(super) fn header_map(&self) -> BTreeMap<String, String> {
        let mut map: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in self.headers() {
            let text = String::from_utf8_lossy(value.as_bytes());
            match map.get_mut(name.as_str()) {
                Some(before) => {
                    // Cookies are joined by their own rule (RFC 9113 §8.2.3).
                    before.push_str(if name == http::header::COOKIE { "; " } else { "," });
                    before.push_str(&text);
                }
                None => drop(map.insert(name.as_str().to_owned(), text.into_owned())),
            }
        }
        map
    }
}
