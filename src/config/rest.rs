//! How REST requests and answers of a method are read and written: the policy's REST keys.

use schemars::JsonSchema;
use serde::Deserialize;

/// The REST settings of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What happens to a query parameter that names no field: `reject` answers 400 and names it,
    /// `ignore` skips it.
    pub unknown_parameters: UnknownParameters,
    /// Names of query parameters that are skipped in any case.
    pub ignored_parameters: Vec<String>,
    /// What happens if query or body differ from what the path says of a field: with `path` the
    /// path wins, `reject` answers 400.
    pub on_collision: OnCollision,
    /// Names of response trailers from the backend that REST answers carry too.
    pub response_trailers: Vec<String>,
    /// Whether `x-http-code` metadata from the backend sets the status of a success (200 to 299).
    pub status_from_metadata: bool,
}

/// What happens to a query parameter that names no field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownParameters {
    /// The request is refused, and the parameter is named.
    #[default]
    Reject,
    /// The parameter is skipped.
    Ignore,
}

/// What happens if query or body differ from what the path says of a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnCollision {
    /// The path's value holds.
    #[default]
    Path,
    /// The request is refused.
    Reject,
}
