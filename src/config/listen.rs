//! One listening socket: where it listens, whom it believes, and what it puts up with.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Address, Mode, ProxyProtocol, SecurityHeaders, TrustedProxy, size::Size};
use crate::{duration::duration, tls};

/// One listening socket.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// Where it listens.
    pub address: Address,
    /// Who may open a Unix socket, `"660"` for example; `"600"` by default.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// TLS, and the certificates for it; cleartext without.
    #[serde(default)]
    pub tls: Option<tls::Settings>,
    /// Proxies whose own `x-forwarded-*` and `forwarded` headers are believed and handed on, and
    /// whose PROXY protocol is; the headers of anybody else are replaced.
    #[serde(default)]
    pub trusted_proxies: Vec<TrustedProxy>,
    /// Whether trusted proxies begin a connection with a header of the PROXY protocol (version 1
    /// or 2); the address that it tells takes the place of the proxy's. `off` by default.
    #[serde(default)]
    pub proxy_protocol: ProxyProtocol,
    /// The largest head (request line and headers) of a request; past it the answer is 431.
    /// `64 KiB` by default.
    #[serde(default = "max_head")]
    #[schemars(with = "Size")]
    max_head: Size,
    /// The most headers of a request; past it the answer is 431. 100 by default.
    #[serde(default = "max_headers")]
    #[schemars(range(min = 1, max = 10_000))]
    pub max_headers: usize,
    /// Headers of answers by which browsers are told to be careful; none by default, the usual ones
    /// with `{}`.
    #[serde(default)]
    pub security_headers: Option<SecurityHeaders>,
    /// How long a request's head may take to arrive; `10s` by default.
    #[serde(default = "head_timeout", deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub head_timeout: Duration,
    /// How long a connection may be idle; `5m` by default.
    #[serde(default = "idle_timeout", deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub idle_timeout: Duration,
    /// How many connections each worker serves at once; further ones wait. 10000 by default.
    #[serde(default = "max_connections")]
    #[schemars(range(min = 1))]
    pub max_connections: usize,
    /// How many streams an HTTP/2 connection may have open; 100 by default.
    #[serde(default = "max_streams")]
    #[schemars(range(min = 1))]
    pub max_streams: u32,
}

fn max_head() -> Size {
    Size(64 << 10)
}

fn max_headers() -> usize {
    100
}

fn head_timeout() -> Duration {
    Duration::from_secs(10)
}

fn idle_timeout() -> Duration {
    Duration::from_secs(300)
}

fn max_connections() -> usize {
    10_000
}

fn max_streams() -> u32 {
    100
}

impl Listen {
    /// The defaults, at this address.
    pub fn at(address: Address) -> Self {
        Self {
            address,
            mode: None,
            tls: None,
            trusted_proxies: Vec::new(),
            proxy_protocol: ProxyProtocol::Off,
            max_head: max_head(),
            max_headers: max_headers(),
            security_headers: None,
            head_timeout: head_timeout(),
            idle_timeout: idle_timeout(),
            max_connections: max_connections(),
            max_streams: max_streams(),
        }
    }

    /// Whether the peer at this address is a trusted proxy; none is a peer of a Unix socket.
    pub fn trusts(&self, peer: Option<SocketAddr>) -> bool {
        let address = peer.map(|peer| peer.ip().to_canonical());
        self.trusted_proxies.iter().any(|proxy| proxy.includes(address))
    }

    /// The networks of trusted proxies, for a peer that is one; others have nobody behind them.
    pub fn proxies_behind(&self, peer: Option<SocketAddr>) -> Arc<[IpNet]> {
        if !self.trusts(peer) {
            return Arc::default();
        }
        self.trusted_proxies.iter().filter_map(TrustedProxy::network).collect()
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// The largest head of a request, in bytes.
    pub fn head_limit(&self) -> usize {
        self.max_head.0
    }
}
