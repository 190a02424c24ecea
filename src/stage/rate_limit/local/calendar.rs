//! Days and months by UTC, as quotas count them.

use std::time::Duration;

use crate::stage::rate_limit::amount::Window;

/// Seconds of a day; UTC as computers count it knows no other.
const DAY: u64 = 24 * 3600;

/// A window's number, which the next one's follows, and how long it goes on from now.
pub(super) fn window(kind: Window, unix: u64) -> (u64, Duration) {
    let days = unix / DAY;
    let (number, ends) = match kind {
        Window::Day => (days, days + 1),
        Window::Month => {
            let (month, length, day) = month(days);
            (month, days - day + length)
        }
    };
    (number, Duration::from_secs(ends * DAY - unix))
}

/// The month that a day since 1970 is in, counted from the year 0; how many days it has, and
/// which of them it is, from 0.
///
/// Years begin in March here, so that the day that some years have more is their last: then all
/// months but the last have the same lengths in every year, and a division finds them.
fn month(days: u64) -> (u64, u64, u64) {
    /// Days from the first of March of the year 0 to the first of January 1970.
    const TO_1970: u64 = 719_468;
    /// Days of 400 years, after which the calendar repeats itself.
    const CYCLE: u64 = 146_097;
    let day = days + TO_1970;
    let (cycle, day) = (day / CYCLE, day % CYCLE);
    let year = (day - day / 1460 + day / 36_524 - day / (CYCLE - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Of five months from March on 153 days, two have 30.
    let place = (5 * day + 2) / 153;
    let first = |place: u64| (153 * place + 2) / 5;
    let year = cycle * 400 + year;
    let length = if place < 11 {
        first(place + 1) - first(place)
    } else {
        // February of the next year.
        let year = year + 1;
        let is_leap =
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        28 + u64::from(is_leap)
    };
    (year * 12 + place + 2, length, day - first(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Days since 1970, by counting.
    fn every_day(mut see: impl FnMut(u64, u64, u64, u64)) {
        let (mut days, mut number) = (0, 1970 * 12);
        for year in 1970..2420_u64 {
            let is_leap = year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
            for length in [31, 28 + u64::from(is_leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
                for day in 0..length {
                    see(days, number, length, day);
                    days += 1;
                }
                number += 1;
            }
        }
    }

    #[test]
    fn months_are_those_of_the_calendar() {
        every_day(|days, number, length, day| {
            assert_eq!(month(days), (number, length, day), "day {days}");
        });
    }

    #[test]
    fn windows_end_at_midnight_and_on_the_first() {
        // 2026-02-28T23:59:50Z
        let unix = 1_772_323_190;
        let ten = Duration::from_secs(10);
        let (day, left) = window(Window::Day, unix);
        assert_eq!(left, ten);
        assert_eq!(window(Window::Day, unix + 10).0, day + 1);
        let (month, left) = window(Window::Month, unix);
        assert_eq!(left, ten);
        assert_eq!(window(Window::Month, unix + 10).0, month + 1);
        assert_eq!(window(Window::Month, unix + 9), (month, Duration::from_secs(1)));
    }
}
