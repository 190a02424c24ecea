//! What a policy's `validate` may say.

use schemars::JsonSchema;
use serde::Deserialize;

/// Checks each message of a request by the rules that its schema carries, before the backend gets it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Validate")]
pub struct Settings {
    /// Whether anything is checked; `false` takes back what a wider selector says. `true` by default.
    pub enabled: bool,
    /// Whether the rules of protovalidate (`buf.validate`) are checked, standard ones and CEL. `true`
    /// by default.
    pub rules: bool,
    /// Whether fields with `google.api.field_behavior` REQUIRED have to be set. `false` by default.
    pub required: bool,
    /// What becomes of fields with `google.api.field_behavior` OUTPUT_ONLY that a caller sets.
    pub output_only: OutputOnly,
}

/// What becomes of a field that only the backend may set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ValidateOutputOnly")]
pub enum OutputOnly {
    /// It passes, as if nothing were said of it: the default.
    #[default]
    Ignore,
    /// The request is refused.
    Reject,
    /// The backend gets the message without it.
    Clear,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, rules: true, required: false, output_only: OutputOnly::Ignore }
    }
}
