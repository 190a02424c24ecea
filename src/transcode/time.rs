//! Timestamp, Duration and FieldMask as text: RFC 3339, seconds with `s`, camelCase paths.
//!
//! The ranges are those of google/protobuf/timestamp.proto and duration.proto, kept both ways;
//! what does not fit is refused and never rounded.

use super::{kernel::Buffer, steps::count_steps};

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z, in seconds of Unix time.
const TIMESTAMP_RANGE: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// About ten thousand years.
const DURATION_BOUND: i64 = 315_576_000_000;

/// Seconds and nanoseconds of an RFC 3339 time, with an offset from UTC or `Z`.
pub(super) fn parse_timestamp(text: &[u8]) -> Option<(i64, i32)> {
    let (date, rest) = text.split_first_chunk::<19>()?;
    let field = |at: usize, len: usize| {
        date[at..at + len].iter().try_fold(0i64, |value, byte| {
            byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0'))
        })
    };
    let (year, month, day) = (field(0, 4)?, field(5, 2)?, field(8, 2)?);
    let (hour, minute, second) = (field(11, 2)?, field(14, 2)?, field(17, 2)?);
    let marks = [date[4], date[7], date[10], date[13], date[16]];
    let in_range = (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if &marks != b"--T::" || !in_range {
        return None;
    }
    let (nanos, rest) = parse_fraction(rest)?;
    let offset = parse_offset(rest)?;
    let seconds =
        days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    TIMESTAMP_RANGE.contains(&seconds).then_some((seconds, nanos))
}

/// `Z`, or `+hh:mm`, in seconds.
fn parse_offset(text: &[u8]) -> Option<i64> {
    match text {
        [b'Z'] => Some(0),
        [sign @ (b'+' | b'-'), digits @ ..] => {
            let &[h1, h2, b':', m1, m2] = digits else { return None };
            if ![h1, h2, m1, m2].iter().all(u8::is_ascii_digit) {
                return None;
            }
            let two = |a: u8, b: u8| i64::from(a - b'0') * 10 + i64::from(b - b'0');
            let (hours, minutes) = (two(h1, h2), two(m1, m2));
            let offset = hours * 3600 + minutes * 60;
            (hours < 24 && minutes < 60).then_some(if *sign == b'-' { -offset } else { offset })
        }
        _ => None,
    }
}

/// `.` and one to nine digits, or nothing: nanoseconds and the rest.
fn parse_fraction(text: &[u8]) -> Option<(i32, &[u8])> {
    let Some((b'.', rest)) = text.split_first() else { return Some((0, text)) };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    count_steps(digits);
    if !(1..=9).contains(&digits) {
        return None;
    }
    let value = rest[..digits].iter().fold(0, |value, byte| value * 10 + i32::from(byte - b'0'));
    Some((value * 10i32.pow(9 - digits as u32), &rest[digits..]))
}

/// Writes an RFC 3339 time in UTC; false if it is out of range.
pub(super) fn write_timestamp(seconds: i64, nanos: i32, out: &mut Buffer) -> bool {
    if !TIMESTAMP_RANGE.contains(&seconds) || !(0..1_000_000_000).contains(&nanos) {
        return false;
    }
    let (days, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400) as u32);
    let (year, month, day) = civil_from_days(days);
    let mut text = *b"0000-00-00T00:00:00";
    let mut put = |at: usize, value: u32| {
        text[at] = b'0' + (value / 10) as u8;
        text[at + 1] = b'0' + (value % 10) as u8;
    };
    put(0, year / 100);
    put(2, year % 100);
    put(5, month);
    put(8, day);
    put(11, time / 3600);
    put(14, time / 60 % 60);
    put(17, time % 60);
    out.fixed(&text, text.len());
    write_fraction(nanos.unsigned_abs(), out);
    out.push(b'Z');
    true
}

/// Seconds and nanoseconds, of one sign, of a text like `-1.5s`.
pub(super) fn parse_duration(text: &[u8]) -> Option<(i64, i32)> {
    let text = text.strip_suffix(b"s")?;
    let negative = text.first() == Some(&b'-');
    let text = &text[usize::from(negative)..];
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    count_steps(digits);
    if !(1..=12).contains(&digits) {
        return None;
    }
    let seconds = text[..digits].iter().fold(0, |value, byte| value * 10 + i64::from(byte - b'0'));
    let (nanos, rest) = parse_fraction(&text[digits..])?;
    let sign = if negative { -1 } else { 1 };
    let fits = rest.is_empty() && in_duration_range(seconds, nanos);
    fits.then_some((sign * seconds, sign as i32 * nanos))
}

fn in_duration_range(seconds: i64, nanos: i32) -> bool {
    let one_sign = !(seconds < 0 && nanos > 0 || seconds > 0 && nanos < 0);
    let bounded = (-DURATION_BOUND..=DURATION_BOUND).contains(&seconds);
    one_sign && bounded && nanos.unsigned_abs() < 1_000_000_000
}

/// Writes seconds with `s`; false if it is out of range or of two signs.
pub(super) fn write_duration(seconds: i64, nanos: i32, out: &mut Buffer) -> bool {
    if !in_duration_range(seconds, nanos) {
        return false;
    }
    if seconds < 0 || nanos < 0 {
        out.push(b'-');
    }
    out.slice(itoa::Buffer::new().format(seconds.unsigned_abs()).as_bytes());
    write_fraction(nanos.unsigned_abs(), out);
    out.push(b's');
    true
}

/// Nothing, three, six or nine digits: as few as hold the value.
fn write_fraction(nanos: u32, out: &mut Buffer) {
    if nanos == 0 {
        return;
    }
    let mut text = *b".000000000";
    let mut rest = nanos;
    for digit in text[1..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let digits = if nanos.is_multiple_of(1_000_000) {
        3
    } else if nanos.is_multiple_of(1000) {
        6
    } else {
        9
    };
    out.fixed(&text, digits + 1);
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar, counted in years that start in March, so that
/// the leap day is the last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i64) -> (u32, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year as u32, month as u32, day as u32)
}

/// Calls with each path of a FieldMask's text in `snake_case`; false if a path is not camelCase.
pub(super) fn parse_field_mask(text: &[u8], mut path: impl FnMut(&[u8])) -> bool {
    count_steps(text.len());
    if text.is_empty() {
        return true;
    }
    let mut snake = Vec::with_capacity(text.len() + 8);
    for camel in text.split(|&byte| byte == b',') {
        snake.clear();
        for &byte in camel {
            match byte {
                b'A'..=b'Z' => snake.extend([b'_', byte | 0x20]),
                b'a'..=b'z' | b'0'..=b'9' | b'.' => snake.push(byte),
                _ => return false,
            }
        }
        if snake.is_empty() {
            return false;
        }
        path(&snake);
    }
    true
}

/// Writes one path of a FieldMask in camelCase; false if it would not read back the same.
pub(super) fn write_field_mask_path(path: &[u8], out: &mut Buffer) -> bool {
    count_steps(path.len());
    let mut bytes = path.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'_' => match bytes.next() {
                Some(next @ b'a'..=b'z') => out.push(next - 32),
                _ => return false,
            },
            b'a'..=b'z' | b'0'..=b'9' | b'.' => out.push(byte),
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Buffer) -> bool) -> Option<String> {
        let mut out = Buffer::default();
        write(&mut out).then(|| String::from_utf8(out.into_bytes()).unwrap())
    }

    #[test]
    fn timestamps_read_and_write() {
        for (text, seconds, nanos, canonical) in [
            ("1970-01-01T00:00:00Z", 0, 0, "1970-01-01T00:00:00Z"),
            ("2000-02-29T12:34:56.5Z", 951_827_696, 500_000_000, "2000-02-29T12:34:56.500Z"),
            ("1969-12-31T23:59:59.000001Z", -1, 1000, "1969-12-31T23:59:59.000001Z"),
            ("2024-01-01T00:00:00+05:30", 1_704_047_400, 0, "2023-12-31T18:30:00Z"),
            ("0001-01-01T00:00:00Z", -62_135_596_800, 0, "0001-01-01T00:00:00Z"),
            (
                "9999-12-31T23:59:59.999999999Z",
                253_402_300_799,
                999_999_999,
                "9999-12-31T23:59:59.999999999Z",
            ),
        ] {
            assert_eq!(parse_timestamp(text.as_bytes()), Some((seconds, nanos)), "{text}");
            assert_eq!(written(|out| write_timestamp(seconds, nanos, out)).unwrap(), canonical);
        }
    }

    #[test]
    fn timestamps_that_are_none_are_refused() {
        for text in [
            "",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-01-01t00:00:00Z",
            "1970-01-01T00:00:00z",
            "1970-02-29T00:00:00Z",
            "1970-13-01T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:00:60Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00.1234567890Z",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "1970-01-01T00:00:00+24:00",
            "1970-01-01T00:00:00+0100",
        ] {
            assert_eq!(parse_timestamp(text.as_bytes()), None, "{text}");
        }
        assert_eq!(written(|out| write_timestamp(0, -1, out)), None);
        assert_eq!(written(|out| write_timestamp(0, 1_000_000_000, out)), None);
        assert_eq!(written(|out| write_timestamp(253_402_300_800, 0, out)), None);
    }

    #[test]
    fn calendar_agrees_with_itself_on_every_day() {
        let first = days_from_civil(1, 1, 1);
        for days in first..days_from_civil(9999, 12, 31) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year.into(), month.into(), day.into()), days);
        }
    }

    #[test]
    fn durations_read_and_write() {
        for (text, seconds, nanos, canonical) in [
            ("0s", 0, 0, "0s"),
            ("-0.5s", 0, -500_000_000, "-0.500s"),
            ("1.000000001s", 1, 1, "1.000000001s"),
            ("-315576000000s", -315_576_000_000, 0, "-315576000000s"),
        ] {
            assert_eq!(parse_duration(text.as_bytes()), Some((seconds, nanos)), "{text}");
            assert_eq!(written(|out| write_duration(seconds, nanos, out)).unwrap(), canonical);
        }
        for text in
            ["", "s", "1", "1.s", ".5s", "+1s", "315576000001s", "1.1234567890s", "1e3s", "- 1s"]
        {
            assert_eq!(parse_duration(text.as_bytes()), None, "{text}");
        }
        assert_eq!(written(|out| write_duration(1, -1, out)), None);
        assert_eq!(written(|out| write_duration(i64::MIN, 0, out)), None);
    }
}
