//! JSON's numbers, exactly: an integer written `1.0` or `1e2` is that integer, one written `1.5`
//! or past its range is refused, and floats round once.

/// Where a number that starts at `at` ends, and whether it has neither point nor exponent; the
/// offset of the byte that doesn't fit if it's no number of RFC 8259 §6.
#[inline]
pub(super) fn scan(input: &[u8], at: usize) -> Result<(usize, bool), usize> {
    let digits = |mut at: usize| {
        while input.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let whole = at + usize::from(input.get(at) == Some(&b'-'));
    let mut end = digits(whole);
    if end == whole || (input[whole] == b'0' && end - whole > 1) {
        return Err(if end == whole { whole } else { whole + 1 });
    }
    let mut plain = true;
    if input.get(end) == Some(&b'.') {
        plain = false;
        let fraction = digits(end + 1);
        if fraction == end + 1 {
            return Err(fraction);
        }
        end = fraction;
    }
    if let Some(b'e' | b'E') = input.get(end) {
        plain = false;
        let sign = end + 1 + usize::from(matches!(input.get(end + 1), Some(b'+' | b'-')));
        end = digits(sign);
        if end == sign {
            return Err(end);
        }
    }
    Ok((end, plain))
}

/// A whole number's sign and magnitude.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Integer {
    pub(super) negative: bool,
    pub(super) magnitude: u64,
}

impl Integer {
    /// As a signed number of so many bits.
    #[inline(always)]
    pub(super) fn signed(self, bits: u32) -> Option<i64> {
        let bound = 1u64 << (bits - 1);
        if self.magnitude < bound {
            let value = self.magnitude as i64;
            Some(if self.negative { -value } else { value })
        } else if self.negative && self.magnitude == bound {
            Some((self.magnitude as i64).wrapping_neg())
        } else {
            None
        }
    }

    /// As an unsigned number of so many bits.
    #[inline(always)]
    pub(super) fn unsigned(self, bits: u32) -> Option<u64> {
        let fits = bits == 64 || self.magnitude >> bits == 0;
        (fits && (!self.negative || self.magnitude == 0)).then_some(self.magnitude)
    }
}

/// An integer of at most 19 digits without point or exponent, and where it ends; `None` for all
/// else, which may still be an integer.
#[inline(always)]
pub(super) fn short_integer(input: &[u8], at: usize) -> Option<(Integer, usize)> {
    let negative = input.get(at) == Some(&b'-');
    let start = at + usize::from(negative);
    let mut end = start;
    let mut magnitude = 0u64;
    while let Some(&byte) = input.get(end) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            if byte == b'.' || byte | 0x20 == b'e' {
                return None;
            }
            break;
        }
        magnitude = magnitude.wrapping_mul(10).wrapping_add(u64::from(digit));
        end += 1;
        if end - start == 4 {
            // Four digits are a short number; more of them are most likely many.
            (magnitude, end) = digits(input, end, magnitude);
        }
    }
    let count = end - start;
    if !(1..=19).contains(&count) || (count > 1 && input[start] == b'0') {
        return None;
    }
    Some((Integer { negative, magnitude }, end))
}

/// Reads digits behind those of `value`, eight at a time; wraps if there are more than 19 in all.
#[inline(always)]
pub(super) fn digits(input: &[u8], mut at: usize, mut value: u64) -> (u64, usize) {
    while let Some(chunk) = input.get(at..).and_then(|rest| rest.first_chunk()) {
        let chunk = u64::from_le_bytes(*chunk);
        let (above, below) =
            (chunk.wrapping_add(0x4646_4646_4646_4646), chunk.wrapping_sub(0x3030_3030_3030_3030));
        if (above | below) & 0x8080_8080_8080_8080 != 0 {
            break;
        }
        value = value.wrapping_mul(100_000_000).wrapping_add(eight_digits(below));
        at += 8;
    }
    while let Some(&byte) = input.get(at) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    (value, at)
}

/// Eight digits, the first in the lowest byte: pairs, then fours, then all, a multiplication each.
#[inline(always)]
fn eight_digits(digits: u64) -> u64 {
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff
}

/// The integer that a scanned number is, if it's whole and below 2^64.
pub(super) fn exact_integer(text: &[u8]) -> Option<Integer> {
    let negative = text.first() == Some(&b'-');
    let text = &text[usize::from(negative)..];
    let split = text.iter().position(|byte| byte | 0x20 == b'e').unwrap_or(text.len());
    let (mantissa, exponent) = text.split_at(split);
    let point = mantissa.iter().position(|&byte| byte == b'.').unwrap_or(mantissa.len());
    let digits = mantissa.iter().filter(|byte| **byte != b'.').map(|byte| byte - b'0');
    let places = mantissa.len().saturating_sub(point + 1);
    // The digits without the zeros at both ends, and the power of ten of the last one.
    let mut magnitude: u64 = 0;
    let mut zeros = 0u32;
    let mut overflow = false;
    for digit in digits {
        if digit == 0 {
            zeros = zeros.saturating_add(1);
            continue;
        }
        if magnitude != 0 || overflow {
            match times_ten(magnitude, zeros) {
                Some(value) => magnitude = value,
                None => overflow = true,
            }
        }
        zeros = 0;
        match magnitude.checked_mul(10).and_then(|value| value.checked_add(digit.into())) {
            Some(value) => magnitude = value,
            None => overflow = true,
        }
    }
    if overflow {
        return None;
    }
    if magnitude == 0 {
        return Some(Integer { negative, magnitude });
    }
    let power = i64::from(zeros) - places as i64 + read_exponent(exponent);
    let magnitude = times_ten(magnitude, u32::try_from(power).ok()?)?;
    Some(Integer { negative, magnitude })
}

fn times_ten(value: u64, power: u32) -> Option<u64> {
    10u64.checked_pow(power).and_then(|scale| value.checked_mul(scale))
}

/// The number behind the `e`, kept far from overflow.
pub(super) fn read_exponent(text: &[u8]) -> i64 {
    let Some((_, text)) = text.split_first() else { return 0 };
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let value = digits
        .iter()
        .fold(0i64, |value, digit| (value * 10 + i64::from(digit - b'0')).min(i64::MAX / 100));
    if negative { -value } else { value }
}

/// The double nearest to a scanned number; `None` past the range.
#[inline]
pub(super) fn double(text: &[u8]) -> Option<f64> {
    fast_float2::parse::<f64, _>(text).ok().filter(|value| value.is_finite())
}

/// The float nearest to a scanned number, rounded once; `None` past the range.
#[inline]
pub(super) fn float(text: &[u8]) -> Option<f32> {
    fast_float2::parse::<f32, _>(text).ok().filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::{super::float::read_double, *};

    fn integer(text: &str) -> Option<i128> {
        let (end, _) = scan(text.as_bytes(), 0).ok().filter(|(end, _)| *end == text.len())?;
        let value = exact_integer(&text.as_bytes()[..end])?;
        Some(if value.negative { -i128::from(value.magnitude) } else { value.magnitude.into() })
    }

    #[test]
    fn integers_in_any_spelling_are_exact_or_refused() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("1e2", Some(100)),
            ("1.0", Some(1)),
            ("1.50e1", Some(15)),
            ("100e-2", Some(1)),
            ("1e-1", None),
            ("1.5", None),
            ("0.1e1", Some(1)),
            ("0e999999999999999999999999", Some(0)),
            ("1e999999999999999999999999", None),
            ("18446744073709551615", Some(u64::MAX.into())),
            ("18446744073709551616", None),
            ("18446744073709551615.000", Some(u64::MAX.into())),
            ("9007199254740993.0", Some(9_007_199_254_740_993)),
            ("1000000000000000000000e-3", Some(1_000_000_000_000_000_000)),
            ("100000000000000000000000000001e-3", None),
            ("01", None),
            ("1.", None),
            (".5", None),
            ("-", None),
            ("1e", None),
            ("+1", None),
        ] {
            assert_eq!(integer(text), expected, "{text}");
        }
        let zeros = "0".repeat(5000);
        assert_eq!(integer(&format!("1{zeros}e-5000")), Some(1));
        assert_eq!(integer(&format!("0.{zeros}12e5002")), Some(12));
    }

    #[test]
    fn ranges_are_kept() {
        let at = |negative, magnitude| Integer { negative, magnitude };
        assert_eq!(at(true, 1 << 31).signed(32), Some(i32::MIN.into()));
        assert_eq!(at(false, 1 << 31).signed(32), None);
        assert_eq!(at(true, 1 << 63).signed(64), Some(i64::MIN));
        assert_eq!(at(true, (1 << 63) + 1).signed(64), None);
        assert_eq!(at(true, 0).unsigned(32), Some(0));
        assert_eq!(at(true, 1).unsigned(64), None);
        assert_eq!(at(false, 1 << 32).unsigned(32), None);
    }

    #[test]
    fn malformed_numbers_are_refused_where_they_break() {
        for (text, at) in [
            ("-", 1),
            ("01", 1),
            ("1.", 2),
            ("1.e5", 2),
            ("1e", 2),
            ("1e+", 3),
            ("", 0),
            ("-x", 1),
            (".5", 0),
        ] {
            assert_eq!(scan(text.as_bytes(), 0), Err(at), "{text}");
            assert_eq!(read_double(text.as_bytes(), 0).unwrap_err(), at, "{text}");
        }
    }
}
