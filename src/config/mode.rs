//! Who may open a Unix socket: `"660"`, as `chmod` takes it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

/// The permissions of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

impl<'de> Deserialize<'de> for Mode {
    /// In quotes alone: YAML would take `0660` and `0o660` for two different numbers.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            other => {
                let message = format!("the mode `{other}` stands without quotes; write \"660\"");
                return Err(de::Error::custom(message));
            }
        };
        let digits = written.len() <= 4 && written.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        let mode = u32::from_str_radix(&written, 8).ok().filter(|mode| digits && *mode <= 0o777);
        mode.map(Self).ok_or_else(|| {
            let mend = "write three octal digits in quotes, \"660\" for example";
            de::Error::custom(format!("`{written}` is no mode of a file; {mend}"))
        })
    }
}

impl JsonSchema for Mode {
    fn schema_name() -> Cow<'static, str> {
        "Mode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^0?[0-7]{3}$", "examples": ["660"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mode_is_octal_and_in_quotes() {
        let read = |value: Value| serde_json::from_value::<Mode>(value);
        assert_eq!(read("660".into()).unwrap(), Mode(0o660));
        assert_eq!(read("0600".into()).unwrap(), Mode(0o600));
        for wrong in [Value::from(660), "689".into(), "rw".into(), "".into(), "4755".into()] {
            assert!(read(wrong.clone()).unwrap_err().to_string().contains("\"660\""), "{wrong}");
        }
    }
}
