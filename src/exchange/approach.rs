//! How a call came in: what no backend hears of, but a policy may have to judge by.
//!
//! Only gathered while some policy looks at it. The gateway lays it among the
//! [`extensions`](super::Exchange::extensions) as an `Arc<Approach>`.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use http::{HeaderMap, HeaderName, Method, Uri, Version, header::SEC_WEBSOCKET_PROTOCOL};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The beginning of a subprotocol that is a token: browsers can't set headers of a WebSocket.
const BEARER: &str = "bearer.";

/// How a call came in.
#[derive(Clone, Default)]
pub struct Approach {
    /// The caller's address, behind trusted proxies alone; none on a Unix socket, or where a
    /// trusted proxy names none.
    pub client: Option<IpAddr>,
    /// The connection's other end; none on a Unix socket.
    pub peer: Option<SocketAddr>,
    /// The connection's own end; none on a Unix socket.
    pub local: Option<SocketAddr>,
    /// The request's HTTP method.
    pub method: Method,
    /// The version of HTTP that it came by.
    pub version: Version,
    /// The request's target. Its query may hold secrets.
    pub uri: Uri,
    /// The tokens that a WebSocket's handshake offers as `bearer.<token>`.
    pub tokens: Vec<String>,
}

/// Who is believed about who is behind it.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Whether the peer itself is a trusted proxy.
    pub peer: bool,
    /// The networks of trusted proxies, empty where the peer is none.
    pub networks: Arc<[IpNet]>,
}

impl Approach {
    /// What a request's head says of it, which came from `peer`.
    pub fn of(uri: &Uri, headers: &HeaderMap, peer: Option<IpAddr>, trust: &Trust) -> Self {
        let client = if trust.peer { behind(headers, trust).or(peer) } else { peer };
        let offers = headers.get_all(SEC_WEBSOCKET_PROTOCOL).into_iter();
        let offers = offers.filter_map(|value| value.to_str().ok());
        let names = offers.flat_map(|value| value.split(',')).map(str::trim);
        let tokens = names.filter_map(|name| name.strip_prefix(BEARER)).map(str::to_owned);
        Self {
            client: client.map(|one| one.to_canonical()),
            uri: uri.clone(),
            tokens: tokens.collect(),
            ..Self::default()
        }
    }
}

/// The last address of `x-forwarded-for` that is no trusted proxy: everything before it was written
/// by somebody whom nobody vouches for. What is no address ends the search, and the nearest proxy
/// that could be read stands for the caller.
fn behind(headers: &HeaderMap, trust: &Trust) -> Option<IpAddr> {
    let lines: Vec<&str> = headers
        .get_all(FORWARDED_FOR)
        .into_iter()
        .map(|line| line.to_str().unwrap_or("?"))
        .collect();
    let mut nearest = None;
    for entry in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        let Some(address) = address(entry.trim()) else { break };
        nearest = Some(address);
        if !trust.networks.iter().any(|network| network.contains(&address)) {
            break;
        }
    }
    nearest
}

/// An address as proxies write it: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let plain = text.trim_matches(['[', ']']).parse().ok();
    let address: IpAddr =
        plain.or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|one| one.ip()))?;
    Some(address.to_canonical())
}

impl fmt::Debug for Approach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, tokens) = (self.uri.path(), self.tokens.len());
        f.debug_struct("Approach")
            .field("client", &self.client)
            .field("path", &path)
            .field("tokens", &tokens)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(forwarded: &[&str], trusted: bool) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        let networks = Arc::new(["10.0.0.0/8".parse().unwrap()]);
        let trust = Trust { peer: trusted, networks };
        let peer = Some("10.0.0.1".parse().unwrap());
        let approach = Approach::of(&Uri::from_static("/a"), &headers, peer, &trust);
        approach.client.unwrap().to_string()
    }

    #[test]
    fn client_is_the_last_that_no_trusted_proxy_made_up() {
        assert_eq!(client(&[], true), "10.0.0.1");
        assert_eq!(client(&["192.0.2.1"], false), "10.0.0.1");
        assert_eq!(client(&["192.0.2.1"], true), "192.0.2.1");
        assert_eq!(client(&["198.51.100.9, 192.0.2.1"], true), "192.0.2.1");
        assert_eq!(client(&["192.0.2.1, 10.2.2.2", "10.3.3.3"], true), "192.0.2.1");
        assert_eq!(client(&["10.9.9.9, 10.2.2.2"], true), "10.9.9.9");
        assert_eq!(client(&["198.51.100.9, junk, 10.2.2.2"], true), "10.2.2.2");
        assert_eq!(client(&["[2001:db8::1]:443"], true), "2001:db8::1");
        assert_eq!(client(&["::ffff:192.0.2.1"], true), "192.0.2.1");
    }

    #[test]
    fn tokens_of_a_handshake_are_found_and_never_printed() {
        let mut headers = HeaderMap::new();
        headers.append(SEC_WEBSOCKET_PROTOCOL, "transom.json, bearer.aa.bb.cc".parse().unwrap());
        let uri = Uri::from_static("/a?token=hidden");
        let approach = Approach::of(&uri, &headers, None, &Trust::default());
        assert_eq!(approach.tokens, ["aa.bb.cc"]);
        let shown = format!("{approach:?}");
        assert!(!shown.contains("aa.bb") && !shown.contains("hidden"), "{shown}");
    }
}
