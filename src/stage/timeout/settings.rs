//! What a policy's `timeout` may say: a duration, that there is none, or the parts of a call.

use std::{borrow::Cow, fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::duration;

/// How long a call may take, and its parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The whole of it; nothing is said by default.
    pub whole: Option<Limit>,
    /// Until the backend's answer begins.
    pub first: Option<Duration>,
    /// Between two messages of a stream, whichever side they come from.
    pub idle: Option<Duration>,
}

/// A duration with its unit (`5s`, `250ms`, `1m 30s`), or `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub Option<Duration>);

impl Limit {
    fn read<E: de::Error>(text: &str) -> Result<Self, E> {
        if text == "none" {
            return Ok(Self(None));
        }
        match duration::read(text) {
            Ok(Duration::ZERO) => Err(E::custom(
                "no call can be answered in no time: write `none` for a call without a limit",
            )),
            Ok(limit) => Ok(Self(Some(limit))),
            Err(problem) => Err(E::custom(format!("{problem}, or `none`"))),
        }
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(&String::deserialize(deserializer)?)
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SettingsReader)
    }
}

/// The parts, as written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Parts {
    whole: Option<Limit>,
    first: Option<Limit>,
    idle: Option<Limit>,
}

/// Written by hand so that a bare number is told what it lacks.
struct SettingsReader;

impl<'de> de::Visitor<'de> for SettingsReader {
    type Value = Settings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a duration with its unit, such as `5s` or `250ms`, or `none`, or a mapping of such for \
             `whole`, `first` and `idle`",
        )
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Settings, E> {
        Ok(Settings { whole: Some(Limit::read(text)?), ..Settings::default() })
    }

    fn visit_map<A: de::MapAccess<'de>>(self, parts: A) -> Result<Settings, A::Error> {
        let parts = Parts::deserialize(de::value::MapAccessDeserializer::new(parts))?;
        let limit = |part: Option<Limit>| part.and_then(|limit| limit.0);
        Ok(Settings { whole: parts.whole, first: limit(parts.first), idle: limit(parts.idle) })
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
        let limit = |description: &str| {
            json_schema!({
                "description": description,
                "type": "string",
                "examples": ["5s", "250ms", "1m 30s", "none"],
            })
        };
        let whole = limit("How long a call may take: a duration with its unit, or `none`.");
        let properties = json_schema!({
            "description": "The parts of a call.",
            "type": "object",
            "properties": {
                "whole": limit("How long the whole call may take, or `none`."),
                "first": limit("How long it may take until the backend's answer begins; `none` by default."),
                "idle": limit("How long a stream may go on without a message from either side; `none` by default."),
            },
            "additionalProperties": false,
        });
        json_schema!({
            "description": "How long a call may take: a duration with its unit, or `none`; or its parts.",
            "anyOf": [whole, properties],
        })
    }
}
