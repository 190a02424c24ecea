//! How sessions are held, as a policy says it.

use std::{borrow::Cow, fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::origin::Origin;
use crate::duration;

/// The key of a policy about WebSocket.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Keys {
    /// How WebSocket sessions are held.
    pub websocket: Settings,
}

/// How WebSocket sessions are held.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "WebSocket")]
pub struct Settings {
    /// Origins such as `https://app.example` whose pages may connect besides those of the host
    /// itself; `*` lets every page connect.
    pub origins: Vec<Origin>,
    /// After so much silence of the caller it is pinged, and after as much again given up; `30s` by
    /// default, or `none`.
    pub ping: Limit,
    /// A session without a message in either direction is closed after this; `5m` by default, or
    /// `none`.
    pub idle: Limit,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            ping: Limit(Some(Duration::from_secs(30))),
            idle: Limit(Some(Duration::from_secs(300))),
        }
    }
}

/// A duration with its unit (`30s`, `5m`), or `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub Option<Duration>);

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LimitReader)
    }
}

/// Written by hand so that a bare number is told what it lacks.
struct LimitReader;

impl de::Visitor<'_> for LimitReader {
    type Value = Limit;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration with its unit, such as `30s` or `5m`, or `none`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Limit, E> {
        if text == "none" {
            return Ok(Limit(None));
        }
        match duration::read(text) {
            Ok(Duration::ZERO) => Err(E::custom("no time at all is no limit: write `none`")),
            Ok(limit) => Ok(Limit(Some(limit))),
            Err(problem) => Err(E::custom(format!("{problem}, or `none`"))),
        }
    }
}

impl JsonSchema for Limit {
    fn schema_name() -> Cow<'static, str> {
        "Limit".into()
    }

    fn schema_id() -> Cow<'static, str> {
        concat!(module_path!(), "::Limit").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration with its unit, or `none`.",
            "type": "string",
            "examples": ["30s", "5m", "none"],
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_read_and_what_is_wrong_is_told() {
        let read = |value| serde_json::from_value::<Settings>(value).map_err(|e| e.to_string());
        assert_eq!(read(json!({})), Ok(Settings::default()));
        let settings = read(json!({ "origins": ["*"], "ping": "none", "idle": "1s" })).unwrap();
        assert_eq!(settings.ping, Limit(None));
        assert_eq!(settings.idle, Limit(Some(Duration::from_secs(1))));
        for (wrong, part) in [
            (json!({ "ping": 30 }), "with its unit"),
            (json!({ "ping": "soon" }), "`soon` is not a duration"),
            (json!({ "idle": "0s" }), "write `none`"),
            (json!({ "origins": ["app.example"] }), "`https://app.example`"),
            (json!({ "pong": "1s" }), "unknown field"),
        ] {
            let error = read(wrong).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
