//! What is said about connections: how they are encrypted, and how dead ones are found.

use std::{path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;

use super::duration;

/// How TLS endpoints are verified, and what is shown to them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// A PEM file with the authorities to trust instead of the system's.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// A PEM file with the certificate chain to show to the backend; needs `key`.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// The PEM file with the private key of `certificate`.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// The name that the backend's certificate has to bear, instead of the endpoint's host.
    #[serde(default)]
    pub server_name: Option<String>,
}

/// HTTP/2 pings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keepalive {
    /// How often a connection with calls in flight is pinged, `30s` for example. Many servers
    /// close connections that are pinged more often than they like.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub interval: Duration,
    /// How long the answer may take before the connection counts as dead; `20s` by default.
    #[serde(default = "default_keepalive_timeout", deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub timeout: Duration,
}

fn default_keepalive_timeout() -> Duration {
    Duration::from_secs(20)
}
