//! What becomes of parameters where the rules leave a choice.

use schemars::JsonSchema;
use serde::Deserialize;

/// The keys of a policy about path and query parameters.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What becomes of a query parameter that names no field: `reject` answers 400, `ignore`
    /// drops it.
    pub unknown_parameters: UnknownParameters,
    /// Query parameters that are dropped although they name no field, `utm_source` for example.
    pub ignored_parameters: Vec<String>,
    /// What becomes of a body or query value for a field that the path binds: `path` lets the
    /// path's value win, `reject` answers 400 if the values differ.
    pub on_collision: OnCollision,
}

/// What becomes of a query parameter that names no field.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum UnknownParameters {
    /// 400.
    #[default]
    Reject,
    /// Dropped.
    Ignore,
}

/// What becomes of a second value for a field that the path binds.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum OnCollision {
    /// The path's value wins.
    #[default]
    Path,
    /// 400 if the values differ.
    Reject,
}
