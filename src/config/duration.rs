//! Time spans as people write them: `5s`, `250ms`, `1m 30s`.

use std::{fmt, time::Duration};

use serde::{Deserializer, de};

/// Reads one, for `#[serde(deserialize_with)]`.
pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_str(DurationReader)
}

/// Reads one that may be left out, for `#[serde(deserialize_with)]`.
pub(super) fn read_optional<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    deserializer.deserialize_str(DurationReader).map(Some)
}

struct DurationReader;

impl de::Visitor<'_> for DurationReader {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time span with its unit, such as `5s` or `250ms`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        humantime::parse_duration(text).map_err(|error| {
            let mend = "write a number with its unit, such as `5s` or `250ms`";
            de::Error::custom(format!("`{text}` is not a time span ({error}); {mend}"))
        })
    }
}
