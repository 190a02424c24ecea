//! What a policy says of the store, with the secrets hidden from whoever prints it.

use std::{fmt, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    duration::{duration, optional_duration},
    secret::Secret,
};

/// A Redis or Valkey that gateways share.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Store")]
pub struct Settings {
    /// Where it is: `redis://host:6379/0`, `rediss://…` with TLS, or `unix:/run/redis.sock`.
    pub url: Url,
    /// By which name to log in (ACL); may stand in the URL too.
    #[serde(default)]
    pub username: Option<String>,
    /// The password to it: `${REDIS_PASSWORD}`; may stand in the URL too.
    #[serde(default)]
    pub password: Option<Secret>,
    /// A PEM file of authorities to trust with `rediss://`; the system's by default.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// How long connecting may take; `1s` by default.
    #[serde(default = "connect_timeout", deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub connect_timeout: Duration,
    /// How long an answer may take; `50ms` for limits and `500ms` for API keys by default.
    #[serde(default, deserialize_with = "optional_duration")]
    #[schemars(with = "Option<String>")]
    pub answer_timeout: Option<Duration>,
    /// What stands before the names of keys; `{transom}:limit:` for limits, whose braces keep them
    /// together in a cluster, and `transom:key:` for API keys by default.
    #[serde(default)]
    pub prefix: Option<String>,
}

/// A URL that may bear a password, and is shown without.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(transparent)]
pub struct Url(pub String);

impl Settings {
    /// The store at a URL, with every default.
    pub fn at(url: &str) -> Self {
        Self {
            url: Url(url.to_owned()),
            username: None,
            password: None,
            ca: None,
            connect_timeout: connect_timeout(),
            answer_timeout: None,
            prefix: None,
        }
    }
}

fn connect_timeout() -> Duration {
    Duration::from_secs(1)
}

impl fmt::Display for Url {
    /// Without all that stands before the last `@`: a password that isn't encoded as it should be
    /// may have any sign in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.split_once("://"), self.0.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, place))) => write!(f, "{scheme}://***@{place}"),
            (None, Some((_, place))) => write!(f, "***@{place}"),
            _ => f.write_str(&self.0),
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
