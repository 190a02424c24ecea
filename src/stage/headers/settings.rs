//! What a policy's `headers` may say.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// Changes of headers in both directions.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Headers")]
pub struct Settings {
    /// On the way to the backend.
    pub request: Changes,
    /// On the way back, on replies and errors alike.
    pub response: Changes,
}

/// Changes in one direction: `remove` goes first, then `set`, then `add`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "HeaderChanges")]
pub struct Changes {
    /// Headers to add beside those that are there: a value, or a list of values.
    pub add: BTreeMap<String, Values>,
    /// Headers to set in place of those that are there.
    pub set: BTreeMap<String, String>,
    /// Names of headers to remove.
    pub remove: Vec<String>,
}

/// One value, or a list of values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values(pub Vec<String>);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValuesReader)
    }
}

/// Written by hand because an untagged enum can't say what it expected.
struct ValuesReader;

impl<'de> de::Visitor<'de> for ValuesReader {
    type Value = Values;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string (quote a number) or a list of strings")
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Values, E> {
        Ok(Values(vec![value.to_owned()]))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Values, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Values(values))
    }
}

impl JsonSchema for Values {
    fn schema_name() -> Cow<'static, str> {
        "HeaderValues".into()
    }

    fn schema_id() -> Cow<'static, str> {
        concat!(module_path!(), "::Values").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "One value, or a list of values.",
            "oneOf": [
                { "type": "string" },
                { "type": "array", "items": { "type": "string" } },
            ],
        })
    }
}
