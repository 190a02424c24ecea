//! The JSON Schema of the configuration file, from the types that read it.

use schemars::{Schema, SchemaGenerator, generate::SchemaSettings, json_schema as schema};
use serde_json::Value;

use super::{File, policy};

/// The JSON Schema of the file (draft 2020-12).
pub fn json_schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    generator.into_root_schema_for::<File>().to_value()
}

/// The JSON Schema of `services`.
pub(super) fn services(generator: &mut SchemaGenerator) -> Schema {
    let policy = policy::json_schema(generator);
    schema!({
        "type": "object",
        "additionalProperties": policy,
        "examples": [{ "bookshelf.v1.*": { "upstream": "bookshelf", "timeout": "5s" } }],
    })
}
