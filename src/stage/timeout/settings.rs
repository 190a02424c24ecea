//! What a policy's `timeout` may say: a duration, or that there is none.

use std::{borrow::Cow, fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// How long a call may take: a duration with its unit (`5s`, `250ms`, `1m 30s`), or `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings(Option<Duration>);

impl Settings {
    /// The limit; `None` if the policy says that there is none.
    pub fn limit(self) -> Option<Duration> {
        self.0
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SettingsReader)
    }
}

/// Written by hand so that a bare number is told what it lacks.
struct SettingsReader;

impl de::Visitor<'_> for SettingsReader {
    type Value = Settings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration with its unit, such as `5s` or `250ms`, or `none`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Settings, E> {
        if text == "none" {
            return Ok(Settings(None));
        }
        match humantime::parse_duration(text) {
            Ok(Duration::ZERO) => Err(E::custom(
                "no call can be answered in no time: write `none` for a call without a limit",
            )),
            Ok(limit) => Ok(Settings(Some(limit))),
            Err(error) => Err(E::custom(format!(
                "`{text}` is not a duration ({error}): write one with its unit, \
                 such as `5s` or `250ms`, or `none`"
            ))),
        }
    }
}

impl JsonSchema for Settings {
    fn schema_name() -> Cow<'static, str> {
        "Timeout".into()
    }

    fn schema_id() -> Cow<'static, str> {
        concat!(module_path!(), "::Settings").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How long a call may take: a duration with its unit, or `none`.",
            "type": "string",
            "examples": ["5s", "250ms", "1m 30s", "none"],
        })
    }
}
