//! How REST answers where the rules leave a choice.

use schemars::JsonSchema;
use serde::Deserialize;

/// The REST keys of a policy.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Trailers of the backend that become response headers (trailers, on streams).
    pub response_trailers: Vec<String>,
    /// Whether the backend's `x-http-code` metadata (200 to 299) sets the status of a success.
    pub status_from_metadata: bool,
}
