//! The types that the transcoder is fuzzed with, and the head of an input, which chooses among
//! them and among the settings.
//!
//! ```text
//!     input   = message settings content
//!     message = "A" a three.All, "B" a two.All, … as ROOTS says; any other byte wraps around
//!     settings = "@" the default ones; each bit sets another (see `settings`)
//! ```

use std::{path::Path, sync::LazyLock};

use transom::{
    schema::Schema,
    transcode::{
        EmitDefaults, Plan, Plans, Settings, UnknownFields, json_to_wire, wire_to_json,
        wire_to_wire,
    },
};

/// The message types that an input may choose.
const ROOTS: [&str; 12] = [
    "three.All",
    "two.All",
    "two.Whole",
    "features.e2023.Everything",
    "google.protobuf.Value",
    "google.protobuf.Struct",
    "google.protobuf.Any",
    "google.protobuf.FieldMask",
    "google.protobuf.Timestamp",
    "google.protobuf.Duration",
    "google.protobuf.BytesValue",
    "two.Set",
];

/// A .proto of each language that this package compiles itself, and those of protoc's that it
/// can't: editions.
static PLANS: LazyLock<Plans> = LazyLock::new(|| {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The fuzzer's package stands in the folder, the tests' package above it.
    let folder = [here.join("schema"), here.join("fuzz/schema")].into_iter().find(|f| f.is_dir());
    let editions = include_bytes!("../../tests/fixtures/schema/features.binpb");
    let (schema, problems) = Schema::builder()
        .add_proto_folder(folder.expect("the schema stands beside the checks"))
        .add_descriptor_set("features.binpb", editions)
        .build();
    let schema = schema.unwrap_or_else(|| panic!("{problems:?}"));
    Plans::compile(schema.pool(), schema.features())
});

/// What an input's head chooses.
pub(super) struct Choice {
    pub(super) plan: Plan,
    pub(super) settings: Settings,
}

/// The plans of all types.
pub(super) fn plans() -> &'static Plans {
    &PLANS
}

impl Choice {
    /// Reads the head; the rest is the content.
    pub(super) fn read(input: &[u8]) -> Option<(Self, &[u8])> {
        let [message, choices, content @ ..] = input else { return None };
        let root = ROOTS[usize::from(message.wrapping_sub(b'A')) % ROOTS.len()];
        let plan = PLANS.message_by_name(root).expect("the root is in the schema");
        Some((Self { plan, settings: settings(*choices) }, content))
    }

    /// JSON to wire bytes without a limit.
    pub(super) fn read_json(&self, json: &[u8]) -> Result<Vec<u8>, String> {
        let mut wire = Vec::new();
        json_to_wire(&self.plan, &self.settings, usize::MAX, json, &mut wire)
            .map_err(|error| error.to_string())?;
        Ok(wire)
    }

    /// Wire bytes to JSON without a limit.
    pub(super) fn write_json(&self, wire: &[u8]) -> Result<String, String> {
        let mut json = Vec::new();
        wire_to_json(&self.plan, &self.settings, usize::MAX, wire, &mut json)
            .map_err(|error| error.to_string())?;
        Ok(String::from_utf8(json).expect("JSON is UTF-8"))
    }

    /// The message as a serialiser writes it, without a limit.
    pub(super) fn canonical(&self, wire: &[u8]) -> Result<Vec<u8>, String> {
        let mut canonical = Vec::new();
        wire_to_wire(&self.plan, &self.settings, usize::MAX, wire, &mut canonical)
            .map_err(|error| error.to_string())?;
        Ok(canonical)
    }
}

fn settings(choices: u8) -> Settings {
    let is_set = |bit: u8| choices >> bit & 1 == 1;
    Settings {
        unknown_fields: if is_set(0) { UnknownFields::Ignore } else { UnknownFields::Reject },
        emit_defaults: match choices >> 1 & 3 {
            0 => EmitDefaults::None,
            1 => EmitDefaults::Scalars,
            _ => EmitDefaults::All,
        },
        proto_names: is_set(3),
        enums_as_numbers: is_set(4),
        depth: if is_set(5) { 8 } else { 100 },
    }
}

/// Whether a text is JSON; serde_json reads this without a depth limit and checks no strings.
pub(super) fn is_json(text: &[u8]) -> bool {
    str::from_utf8(text)
        .is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
}

/// Whether two results are one: the same error, or JSON that differs at most in the order of names.
pub(super) fn is_same(one: &Result<String, String>, other: &Result<String, String>) -> bool {
    let (Ok(left), Ok(right)) = (one, other) else { return one == other };
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    // What is nested too deep for serde_json has no names worth ordering.
    left == right || parse(left).is_none() || parse(left) == parse(right)
}
