//! Amounts as they are written, `100/min` and `10000/day`, and what they measure.
//!
//! ```ebnf
//! rate   = number "/" ( unit | duration ) .
//! unit   = "s" | "sec" | "second" | "min" | "minute" | "h" | "hour" | "d" .
//! quota  = number "/" ( "day" | "month" ) .
//! ```
//!
//! The day of a rate is 24 hours; a quota's begins at midnight.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// So much in such a time, evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How much, at least 1.
    pub number: u64,
    /// In which time, at least a millisecond and at most 31 days.
    pub period: Duration,
}

/// So much in a window of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How much, at least 1.
    pub number: u64,
    /// In which window.
    pub window: Window,
}

/// A window of the calendar, by UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// From midnight to midnight.
    Day,
    /// From the first of a month to the first of the next.
    Month,
}

/// How much a limit allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// A rate: a full bucket holds `burst`, and one comes back every `interval` nanoseconds.
    Rate {
        /// In nanoseconds, rounded up so that a rate is never exceeded.
        interval: u64,
        /// How much at once.
        burst: u64,
    },
    /// So much in each window of the calendar.
    Quota(Quota),
    /// So many at once.
    Concurrency {
        /// How many.
        most: u64,
    },
}

/// The most that a quota may allow: the rest of a cell's 64 bits tells the window.
pub(super) const MOST: u64 = (1 << 40) - 1;

/// The longest period of a rate.
const LONGEST: Duration = Duration::from_secs(31 * 24 * 3600);

impl Measure {
    /// How much there is when nothing has been taken.
    pub fn whole(self) -> u64 {
        match self {
            Self::Rate { burst, .. } => burst,
            Self::Quota(quota) => quota.number,
            Self::Concurrency { most } => most,
        }
    }
}

impl Rate {
    /// Every so many nanoseconds one comes back.
    pub(super) fn interval(self) -> u64 {
        // At most 31 days, which fit.
        (self.period.as_nanos() as u64).div_ceil(self.number).max(1)
    }

    fn read(text: &str) -> Result<Self, String> {
        let (number, per) = split(text)?;
        let period = match per {
            "s" | "sec" | "second" => Duration::from_secs(1),
            "min" | "minute" => Duration::from_secs(60),
            "h" | "hour" => Duration::from_secs(3600),
            "d" => Duration::from_secs(24 * 3600),
            "day" | "month" => {
                return Err(
                    "a day or month of the calendar is a `quota`, and 24 hours are `d`".into()
                );
            }
            other => humantime::parse_duration(other).map_err(|error| {
                format!("`{other}` is no time ({error}); write `s`, `min`, `h` or such as `30s`")
            })?,
        };
        if !(Duration::from_millis(1)..=LONGEST).contains(&period) {
            return Err("write a time between a millisecond and 31 days".into());
        }
        if u128::from(number) > period.as_nanos() {
            return Err("nothing can be counted as fast as that; write a smaller number".into());
        }
        Ok(Self { number, period })
    }
}

impl Quota {
    fn read(text: &str) -> Result<Self, String> {
        let (number, per) = split(text)?;
        let window = match per {
            "day" => Window::Day,
            "month" => Window::Month,
            other => return Err(format!("`{other}` is no window; write `day` or `month`")),
        };
        if number > MOST {
            return Err(format!("write at most {MOST}"));
        }
        Ok(Self { number, window })
    }
}

fn split(text: &str) -> Result<(u64, &str), String> {
    let (number, per) =
        text.split_once('/').ok_or("write a number, `/` and a time, such as `100/min`")?;
    let number = number.trim();
    match number.parse() {
        Ok(0) => Err("0 allows nothing; write at least 1, or use `authorize`".into()),
        Ok(number) => Ok((number, per.trim())),
        Err(_) => Err(format!("`{number}` is no whole number; write one such as `100/min`")),
    }
}

macro_rules! read_from_text {
    ($name:ident) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::read(&text)
                    .map_err(|problem| de::Error::custom(format!("`{text}`: {problem}")))
            }
        }
    };
}

read_from_text!(Rate);
read_from_text!(Quota);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_with_their_times() {
        let rate = |text| Rate::read(text).map(|rate| (rate.number, rate.period.as_millis()));
        assert_eq!(rate("100/min"), Ok((100, 60_000)));
        assert_eq!(rate("10/s"), Ok((10, 1000)));
        assert_eq!(rate("5000 / h"), Ok((5000, 3_600_000)));
        assert_eq!(rate("20/30s"), Ok((20, 30_000)));
        assert_eq!(rate("1/d"), Ok((1, 86_400_000)));
        for wrong in
            ["", "100", "0/s", "x/s", "-1/s", "1/", "1/0s", "1/day", "1/60d", "9999999/1ms"]
        {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn interval_is_rounded_so_that_no_rate_is_exceeded() {
        assert_eq!(Rate::read("3/s").unwrap().interval(), 333_333_334);
        assert_eq!(Rate::read("100/min").unwrap().interval(), 600_000_000);
    }

    #[test]
    fn quotas_are_of_days_and_months() {
        let quota = |text| Quota::read(text).map(|quota| (quota.number, quota.window));
        assert_eq!(quota("10000/day"), Ok((10_000, Window::Day)));
        assert_eq!(quota("2/month"), Ok((2, Window::Month)));
        for wrong in ["1/h", "0/day", "1099511627776/day"] {
            assert!(quota(wrong).is_err(), "{wrong}");
        }
    }
}
