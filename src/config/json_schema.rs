//! The JSON Schema of the configuration file, from the types that read it.

use std::time::Duration;

use schemars::{Schema, SchemaGenerator, generate::SchemaSettings, json_schema as schema};
use serde::Deserialize;
use serde_json::Value;

use super::{File, policy};

/// The JSON Schema of the file (draft 2020-12).
pub fn json_schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<File>().to_value();
    tidy(&mut schema);
    schema
}

/// Says what the types alone can't: a description is one line, a default duration is text, and
/// what may be left out must not be `null`.
fn tidy(value: &mut Value) {
    let Value::Object(object) = value else {
        value.as_array_mut().into_iter().flatten().for_each(tidy);
        return;
    };
    if let Some(Value::String(description)) = object.get_mut("description") {
        *description = description.replace('\n', " ");
    }
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    if let Some(default) = object.get_mut("default")
        && let Ok(duration) = Duration::deserialize(&*default)
    {
        *default = humantime::format_duration(duration).to_string().into();
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_mut_slice() {
            let only = only.take();
            object.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        choices.retain(|choice| *choice != serde_json::json!({ "type": "null" }));
        if let [Value::Object(only)] = choices.as_mut_slice() {
            let only = std::mem::take(only);
            object.remove("anyOf");
            object.extend(only);
        }
    }
    object.values_mut().for_each(tidy);
}

/// A value, or `null` to take it away.
fn nullable(schema: &mut Value) {
    let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
    let mut value = schema.take();
    tidy(&mut value);
    *schema =
        serde_json::json!({ "description": description, "oneOf": [value, { "const": null }] });
}

/// The JSON Schema of `services`.
pub(super) fn services(generator: &mut SchemaGenerator) -> Schema {
    let mut policy = policy::json_schema(generator);
    let properties = policy["properties"].as_object_mut();
    properties.into_iter().flat_map(|properties| properties.values_mut()).for_each(nullable);
    schema!({
        "type": "object",
        "additionalProperties": policy,
        "examples": [{ "bookshelf.v1.*": { "upstream": "bookshelf", "timeout": "5s" } }],
    })
}
