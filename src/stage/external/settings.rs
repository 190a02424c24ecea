//! What a policy's `ext_authz` may say.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use crate::duration::duration;

/// A service that decides about each call.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ExtAuthz")]
pub struct Settings {
    /// Asks by gRPC: `envoy.service.auth.v3.Authorization/Check`.
    #[serde(default)]
    pub grpc: Option<Grpc>,
    /// Asks by plain HTTP: 2xx lets the call pass.
    #[serde(default)]
    pub http: Option<Http>,
    /// How long the answer may take; `200ms` by default.
    #[serde(default = "timeout", deserialize_with = "some_duration")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// What becomes of calls while the service can't be asked; `closed` by default.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// The HTTP status of calls that are refused because the service can't be asked, 400 to 599; 503
    /// by default.
    #[serde(default = "status_on_failure")]
    pub status_on_failure: u16,
    /// The caller's headers that the service gets, `x-*` for all that begin so, `*` for all; by
    /// default all by gRPC, `authorization` and `cookie` by HTTP.
    #[serde(default)]
    pub send_headers: Option<Vec<String>>,
    /// The headers that the service may set for the backend, `x-auth-*` for all that begin so; none
    /// by default. Callers' own headers of these names are always removed.
    #[serde(default)]
    pub headers_to_backend: Vec<String>,
    /// The headers that the service may set for the caller; by default `location`,
    /// `www-authenticate`, `set-cookie` and `retry-after`.
    #[serde(default)]
    pub headers_to_caller: Option<Vec<String>>,
    /// Sends the message too, as protobuf; not for methods whose callers send a stream.
    #[serde(default)]
    pub message: Option<Message>,
    /// Told to a gRPC service as `context_extensions`.
    #[serde(default)]
    pub context: BTreeMap<String, String>,
}

/// A service that is asked by gRPC.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ExtAuthzGrpc")]
pub struct Grpc {
    /// The name of the upstream that answers.
    pub upstream: String,
}

/// A service that is asked by HTTP.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ExtAuthzHttp")]
pub struct Http {
    /// Where to ask. What is called stands in `x-forwarded-method` and `x-forwarded-uri`.
    pub url: String,
    /// Asks with the call's own method and with its path and query behind the URL's, as Envoy does;
    /// else with GET, or POST where the message goes along. `false` by default.
    #[serde(default)]
    pub as_called: bool,
    /// A PEM file of authorities to trust; the system's by default.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Whether the service may be asked without TLS; `false` by default.
    #[serde(default)]
    pub allow_http: bool,
}

/// The call's message.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ExtAuthzMessage")]
pub struct Message {
    /// The most of it that is sent, in bytes.
    pub max_bytes: usize,
    /// Sends the beginning of larger messages; else calls with them are refused (413). `false` by
    /// default.
    #[serde(default)]
    pub allow_partial: bool,
}

/// What becomes of calls while nobody decides about them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ExtAuthzOnFailure")]
pub enum OnFailure {
    /// They pass.
    Open,
    /// They are refused.
    #[default]
    Closed,
}

fn timeout() -> Duration {
    Duration::from_millis(200)
}

fn status_on_failure() -> u16 {
    503
}

/// A duration in which an answer can come.
fn some_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    match duration(deserializer)? {
        Duration::ZERO => {
            Err(de::Error::custom("no answer comes in no time: write `200ms` for example"))
        }
        duration => Ok(duration),
    }
}
