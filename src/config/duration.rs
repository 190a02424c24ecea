//! Time spans as people write them: `5s`, `250ms`, `1m 30s`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// Reads one, for `#[serde(deserialize_with)]`.
pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text).map_err(|error| {
        let mend = "write a number with its unit, such as `5s` or `250ms`";
        de::Error::custom(format!("`{text}` is not a time span ({error}); {mend}"))
    })
}

/// Reads one that may be left out.
pub(super) fn read_optional<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    read(deserializer).map(Some)
}
