//! Durations as configurations write them: `5s`, `250ms`, `1m 30s`.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, de};

/// The longest that anybody can mean: a hundred years. Clocks and timers take it without overflow.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// Reads one.
///
/// # Errors
/// It is none: a sentence with its mend.
pub fn read(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration <= LONGEST => Ok(duration),
        Ok(_) => Err(format!("`{text}` is longer than a hundred years: write less")),
        Err(error) => {
            let mend = "write one with its unit, such as `5s` or `250ms`";
            Err(format!("`{text}` is not a duration ({error}): {mend}"))
        }
    }
}

/// Reads one, for `#[serde(deserialize_with)]`.
///
/// # Errors
/// As [`read`], and for what is no text.
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Written::deserialize(deserializer).map(|written| written.0)
}

/// Reads one that may be left out, for `#[serde(deserialize_with)]`.
///
/// # Errors
/// As [`duration`].
pub fn optional_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    Ok(Option::<Written>::deserialize(deserializer)?.map(|written| written.0))
}

struct Written(Duration);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Reader).map(Self)
    }
}

/// Written by hand so that a bare number is told what it lacks.
struct Reader;

impl de::Visitor<'_> for Reader {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration with its unit, such as `5s` or `250ms`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        read(text).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Instant, SystemTime};

    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(read("1m 30s"), Ok(Duration::from_secs(90)));
        for wrong in ["", "5", "5 parsecs", "-1s", "1.5"] {
            assert!(read(wrong).unwrap_err().contains("such as `5s`"), "{wrong}");
        }
        let number = duration(serde_json::json!(5)).unwrap_err().to_string();
        assert!(number.contains("expected a duration with its unit"), "{number}");
        assert_eq!(optional_duration(serde_json::json!(null)).unwrap(), None);
    }

    #[test]
    fn durations_fit_every_clock() {
        assert_eq!(read("100years"), read("36525d"));
        let longest = read("36600d").unwrap();
        assert!(Instant::now().checked_add(longest).is_some());
        assert!(SystemTime::now().checked_add(longest).is_some());
        for wrong in ["101years", "18446744073709551615s"] {
            assert!(read(wrong).unwrap_err().contains("hundred years"), "{wrong}");
        }
    }
}
