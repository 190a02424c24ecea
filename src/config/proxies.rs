//! Proxies whom a listener believes, and whether they speak the PROXY protocol.

use std::{borrow::Cow, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// Proxies that are believed: a network such as `10.0.0.0/8`, one address, or `unix` for everybody
/// whom the mode of the listener's Unix socket lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedProxy {
    /// Peers of a network.
    Network(IpNet),
    /// Peers of the Unix socket.
    Unix,
}

/// Whether connections begin with a header of the PROXY protocol (version 1 or 2) that tells who
/// is behind a balancer. It counts from `trusted_proxies` alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProxyProtocol {
    /// Nobody sends one.
    #[default]
    Off,
    /// A trusted peer may begin with one; what others send is served as it comes.
    Optional,
    /// A connection that doesn't begin with one, or comes from anybody else, is closed.
    Required,
}

impl TrustedProxy {
    /// The network, if it is one.
    pub fn network(&self) -> Option<IpNet> {
        match self {
            Self::Network(network) => Some(*network),
            Self::Unix => None,
        }
    }

    /// Whether a peer at this address is one; none is a peer of a Unix socket.
    pub fn includes(&self, peer: Option<IpAddr>) -> bool {
        match (self, peer) {
            (Self::Network(network), Some(peer)) => network.contains(&peer),
            (Self::Unix, None) => true,
            _ => false,
        }
    }
}

impl FromStr for TrustedProxy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "unix" {
            return Ok(Self::Unix);
        }
        let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map(Self::Network).map_err(|_| {
            format!(
                "`{text}` is no network; write one such as `10.0.0.0/8`, an IP address, or `unix`"
            )
        })
    }
}

impl<'de> Deserialize<'de> for TrustedProxy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for TrustedProxy {
    fn schema_name() -> Cow<'static, str> {
        "TrustedProxy".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A network, an IP address, or `unix` for the peers of a Unix socket.",
            "type": "string",
            "examples": ["10.0.0.0/8", "192.0.2.1", "fd00::/8", "unix"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_networks_addresses_or_the_socket_s_peers() {
        let proxy = |text: &str| text.parse::<TrustedProxy>().unwrap();
        let peer = |text: &str| Some(text.parse().unwrap());
        assert!(proxy("10.0.0.0/8").includes(peer("10.1.2.3")));
        assert!(proxy("192.0.2.1").includes(peer("192.0.2.1")));
        assert!(!proxy("192.0.2.1").includes(peer("192.0.2.2")));
        assert!(proxy("unix").includes(None) && !proxy("0.0.0.0/0").includes(None));
        assert!(!proxy("unix").includes(peer("127.0.0.1")));
        assert!("10.0.0.0/99".parse::<TrustedProxy>().unwrap_err().contains("10.0.0.0/8"));
    }
}
