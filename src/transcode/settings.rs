//! How JSON is read and written, as an operator may choose it.

use schemars::JsonSchema;
use serde::Deserialize;

/// How deep JSON and messages may nest unless a setting says otherwise.
pub const DEFAULT_DEPTH: u32 = 100;
/// The deepest nesting that a setting can allow: what the call stack of a worker surely holds.
pub const MAX_DEPTH: u32 = 200;

/// How JSON is read and written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What happens to a JSON field that the message doesn't have: `reject` answers 400 and names
    /// it, `ignore` skips it, and also skips enum names that the schema doesn't know.
    pub unknown_fields: UnknownFields,
    /// Which fields without a value are written: `none`, `scalars` (numbers, bools, strings, bytes
    /// and enums that can't tell absence from their default), or `all` (those, `[]` and `{}`).
    pub emit_defaults: EmitDefaults,
    /// Writes `field_name` as in the .proto file, not the JSON name `fieldName`. Both are read.
    pub proto_names: bool,
    /// Writes enums as numbers, not names. Both are read.
    pub enums_as_numbers: bool,
    /// How deep JSON objects and arrays, and messages, may nest: 1 to 200.
    #[schemars(range(min = 1, max = 200))]
    pub depth: u32,
}

/// What happens to a JSON field that the message doesn't have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownFields {
    /// The request is refused, and the field is named.
    #[default]
    Reject,
    /// The field is skipped.
    Ignore,
}

/// Which fields without a value are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmitDefaults {
    /// None.
    #[default]
    None,
    /// Scalars that can't tell absence from their default.
    Scalars,
    /// Those, and empty lists and maps.
    All,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            unknown_fields: UnknownFields::Reject,
            emit_defaults: EmitDefaults::None,
            proto_names: false,
            enums_as_numbers: false,
            depth: DEFAULT_DEPTH,
        }
    }
}

impl Settings {
    /// The nesting limit, kept to what the stack holds.
    pub(super) fn depth_limit(&self) -> u32 {
        self.depth.clamp(1, MAX_DEPTH)
    }
}
