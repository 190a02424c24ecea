//! One listening socket: where it listens, whom it believes, and what it puts up with.

use std::time::Duration;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Address, duration, size::Size};

/// One listening socket.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// Where it listens.
    pub address: Address,
    /// Networks such as `10.0.0.0/8` of proxies whose own `x-forwarded-*` and `forwarded` headers
    /// are believed and handed on; those of anybody else are replaced.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<IpNet>,
    /// The largest head (request line and headers) of a request; past it the answer is 431.
    /// `64 KiB` by default.
    #[serde(default = "max_head")]
    #[schemars(with = "Size")]
    max_head: Size,
    /// How long a request's head may take to arrive; `10s` by default.
    #[serde(default = "head_timeout", deserialize_with = "duration::read")]
    #[schemars(with = "String")]
    pub head_timeout: Duration,
    /// How long a connection may be idle; `5m` by default.
    #[serde(default = "idle_timeout", deserialize_with = "duration::read")]
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
            trusted_proxies: Vec::new(),
            max_head: max_head(),
            head_timeout: head_timeout(),
            idle_timeout: idle_timeout(),
            max_connections: max_connections(),
            max_streams: max_streams(),
        }
    }

    /// The largest head of a request, in bytes.
    pub fn head_limit(&self) -> usize {
        self.max_head.0
    }
}
