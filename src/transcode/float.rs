//! Doubles from decimal digits, in one pass over the text and rounded once.

use super::number::{digits, double, read_exponent};

/// A number that starts at `at`: the double nearest to it (`None` past the range), and where it
/// ends; the offset of the byte that doesn't fit if it's no number.
#[inline]
pub(super) fn read_double(input: &[u8], at: usize) -> Result<(Option<f64>, usize), usize> {
    let negative = input.get(at) == Some(&b'-');
    let whole = at + usize::from(negative);
    let (mut mantissa, mut end) = digits(input, whole, 0);
    let mut count = end - whole;
    if count == 0 || (count > 1 && input[whole] == b'0') {
        return Err(if count == 0 { whole } else { whole + 1 });
    }
    let mut exponent = 0;
    if input.get(end) == Some(&b'.') {
        let start = end + 1;
        (mantissa, end) = digits(input, start, mantissa);
        if end == start {
            return Err(end);
        }
        count += end - start;
        exponent = -((end - start) as i64);
    }
    if let Some(b'e' | b'E') = input.get(end) {
        let begin = end;
        let sign = end + 1 + usize::from(matches!(input.get(end + 1), Some(b'+' | b'-')));
        end = digits(input, sign, 0).1;
        if end == sign {
            return Err(end);
        }
        exponent += read_exponent(&input[begin..end]);
    }
    let value = if count <= 19 { nearest(mantissa, exponent) } else { None };
    let value = value.map(|value| if negative { -value } else { value });
    Ok((value.or_else(|| double(&input[at..end])), end))
}

/// The double nearest to `mantissa` times a power of ten, where that is found without long
/// arithmetic.
#[inline]
fn nearest(mantissa: u64, exponent: i64) -> Option<f64> {
    const EXACT: [f64; 23] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
        1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    ];
    let power = EXACT.get(exponent.unsigned_abs() as usize);
    if let Some(power) = power
        && mantissa <= 1 << 53
    {
        // Both are doubles exactly, so the one operation rounds once.
        return Some(if exponent < 0 { mantissa as f64 / power } else { mantissa as f64 * power });
    }
    by_product(mantissa, exponent)
}

/// Powers of five that [`by_product`] knows, from the lowest.
const LOWEST: i64 = -65;
const FIVES: [(u64, u64); 131] = fives();

/// The top 128 bits of each power of five, rounded down, but up where the division of a negative
/// power is far from exact (above 5^-28).
const fn fives() -> [(u64, u64); 131] {
    let mut table = [(0, 0); 131];
    let mut power = [1u64, 0, 0];
    let mut n = 0;
    while n <= 65 {
        // The bits of 5^n, and its top 128.
        let mut bits = 0;
        while bits < 192 && !less(power, shifted(bits)) {
            bits += 1;
        }
        let mut top = power;
        let mut length = bits;
        while length < 192 {
            top = double_of(top);
            length += 1;
        }
        table[n + 65] = (top[2], top[1]);
        if n > 0 {
            // 2^(bits + 127) / 5^n by long division, which has 128 bits.
            let mut rest = shifted(bits - 1);
            let (mut high, mut low) = (0u64, 0u64);
            let mut step = 0;
            while step < 128 {
                rest = double_of(rest);
                high = high << 1 | low >> 63;
                low <<= 1;
                if !less(rest, power) {
                    rest = minus(rest, power);
                    low |= 1;
                }
                step += 1;
            }
            if n <= 27 {
                low = low.wrapping_add(1);
                if low == 0 {
                    high += 1;
                }
            }
            table[65 - n] = (high, low);
        }
        power = times_five(power);
        n += 1;
    }
    table
}

const fn shifted(bits: usize) -> [u64; 3] {
    let mut value = [0; 3];
    value[bits / 64] = 1 << (bits % 64);
    value
}

const fn less(a: [u64; 3], b: [u64; 3]) -> bool {
    let mut index = 3;
    while index > 0 {
        index -= 1;
        if a[index] != b[index] {
            return a[index] < b[index];
        }
    }
    false
}

const fn double_of(a: [u64; 3]) -> [u64; 3] {
    [a[0] << 1, a[1] << 1 | a[0] >> 63, a[2] << 1 | a[1] >> 63]
}

const fn minus(a: [u64; 3], b: [u64; 3]) -> [u64; 3] {
    let (low, borrow) = a[0].overflowing_sub(b[0]);
    let (middle, first) = a[1].overflowing_sub(b[1]);
    let (middle, second) = middle.overflowing_sub(borrow as u64);
    [low, middle, a[2].wrapping_sub(b[2]).wrapping_sub((first | second) as u64)]
}

const fn times_five(a: [u64; 3]) -> [u64; 3] {
    let low = a[0] as u128 * 5;
    let middle = a[1] as u128 * 5 + (low >> 64);
    [low as u64, middle as u64, a[2] * 5 + (middle >> 64) as u64]
}

/// D. Lemire, *Number Parsing at a Gigabyte per Second* (2021): the product of the mantissa with
/// 128 bits of the power of five decides the rounding but in rare cases, which give `None`, as do
/// subnormal results and powers that the table doesn't hold.
#[inline]
fn by_product(mantissa: u64, exponent: i64) -> Option<f64> {
    let &(high_five, low_five) = FIVES.get(usize::try_from(exponent - LOWEST).ok()?)?;
    if mantissa == 0 {
        return Some(0.0);
    }
    let zeros = mantissa.leading_zeros();
    let normal = u128::from(mantissa << zeros);
    let product = normal * u128::from(high_five);
    let (mut upper, mut lower) = ((product >> 64) as u64, product as u64);
    if upper & 0x1ff == 0x1ff {
        let second = (normal * u128::from(low_five)) >> 64;
        let (sum, carry) = lower.overflowing_add(second as u64);
        lower = sum;
        upper += u64::from(carry);
    }
    if lower == u64::MAX && !(-27..=55).contains(&exponent) {
        return None;
    }
    let top = (upper >> 63) as u32;
    let shift = top + 9;
    let mut bits = upper >> shift;
    let exponent = exponent as i32;
    let mut power = (((152_170 + 65_536) * exponent) >> 16) + 63 + top as i32 - zeros as i32 + 1023;
    if power <= 0 {
        return None;
    }
    let may_be_half = lower <= 1 && (-4..=23).contains(&exponent) && bits & 3 == 1;
    if may_be_half && bits << shift == upper {
        bits &= !1;
    }
    bits += bits & 1;
    bits >>= 1;
    if bits >= 2 << 52 {
        bits = 1 << 52;
        power += 1;
    }
    (power < 0x7ff).then(|| f64::from_bits(bits & !(1 << 52) | (power as u64) << 52))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_the_nearest_ones() {
        let check = |text: &str| {
            let expected: f64 = text.parse().unwrap();
            let (value, end) = read_double(text.as_bytes(), 0).unwrap();
            assert_eq!(end, text.len());
            assert_eq!(value.map(f64::to_bits), Some(expected.to_bits()), "{text}");
        };
        for text in [
            "0",
            "-0.0",
            "1e22",
            "1e23",
            "9007199254740993",
            "9007199254740992.5",
            "2.2250738585072011e-308",
            "1.7976931348623157e308",
            "5e-324",
            "0.1",
            "123456789012345678901234567890",
            "0.000000000000000000001",
            "8.5e-45",
            "4503599627370497.5",
            "9007199254740993e0",
            "3e-65",
            "7e65",
            "1e-66",
            "1e66",
        ] {
            check(text);
        }
        assert_eq!(read_double(b"1e309", 0), Ok((None, 5)));
        let mut state = 88172645463325252u64;
        for _ in 0..300_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let value = f64::from_bits(state);
            if value.is_finite() {
                check(&format!("{value:e}"));
            }
            let scaled = (state >> 11) as f64 / (1u64 << (state % 64)) as f64;
            check(&format!("{scaled}"));
            check(&format!("{}e{}", state >> (state % 60), (state % 140) as i32 - 70));
            // Halfway between two doubles, exactly.
            let odd = (1u64 << 53 | state >> 11) | 1;
            check(&format!("{odd}"));
            check(&format!("{}.5", odd >> 2));
        }
    }
}
