//! Each kernel against the plainest way to the same result, at every length and place.

use super::*;

/// Every so many-eth case is tried: all of them, but not under Miri, which takes minutes for each
/// second.
const fn stride(under_miri: usize) -> usize {
    if cfg!(miri) { under_miri } else { 1 }
}

#[test]
fn plain_run_stops_at_every_special_byte_wherever_it_stands() {
    for special in [b'"', b'\\', 0, 0x1f, b'\n'] {
        for length in (0..150).step_by(stride(13)).chain([BLOCK - 1, BLOCK, BLOCK + 70]) {
            for at in (0..length).rev().take(150).step_by(stride(11)) {
                let mut input = vec![b'x'; length];
                input[at] = special;
                let mut buffer = Buffer::new(vec![1, 2]);
                let run = buffer.copy_plain(&input, 0, length);
                assert_eq!((run.stop, run.ascii), (at, true), "{length}");
                assert_eq!(buffer.as_slice()[2..], input[..at]);
                let found = find_special(&input, 0);
                assert_eq!((found.stop, found.ascii), (at, true), "{length}");
            }
        }
    }
}

#[test]
fn plain_run_keeps_to_its_end_and_sees_high_bytes_only_inside() {
    let mut input = vec![b'x'; 100];
    input[60] = 0xc3;
    for end in (0..100).step_by(stride(3)) {
        let mut buffer = Buffer::default();
        let run = buffer.copy_plain(&input, 0, end);
        assert_eq!((run.stop, run.ascii), (end, end <= 60));
        assert_eq!(buffer.len(), end);
    }
    let found = find_special(&input, 3);
    assert_eq!((found.stop, found.ascii), (100, false));
}

#[test]
fn short_strings_are_taken_whole_or_not_at_all() {
    for length in (0..140).step_by(stride(9)) {
        for (at, special) in (0..length)
            .step_by(stride(7))
            .flat_map(|at| [(at, b'x'), (at, b'\\'), (at, 0xc3), (at, b'\n')])
        {
            let mut input = vec![b'x'; length];
            input[at] = special;
            let plain = special == b'x';
            let mut buffer = Buffer::new(vec![9]);
            let padded = [&input[..], &b"\"more and more and more and more"[..]].concat();
            let taken = buffer.short_string(&padded, 0);
            assert_eq!(taken, (plain && length < 112).then_some(length), "{length}");
            let expected = taken.map_or(vec![9], |_| [&[9, length as u8], &input[..]].concat());
            assert_eq!(buffer.into_bytes(), expected);
            let mut buffer = Buffer::new(vec![9]);
            let taken = buffer.short_quoted(&padded, 0, length);
            assert_eq!(taken, plain && length <= 32, "{length}");
            let quoted = [&b"\x09\""[..], &input, b"\""].concat();
            assert_eq!(buffer.into_bytes(), if taken { quoted } else { vec![9] });
        }
    }
    assert_eq!(Buffer::default().short_string(b"ab\"", 0), None);
    assert_eq!(Buffer::default().short_string(b"", 5), None);
    assert!(!Buffer::default().short_quoted(b"ab", 0, 2));
}

/// A sign, twenty digits and two quotes.
const DIGITS_IN_QUOTES: usize = 23;

#[test]
fn decimals_are_all_digits() {
    let check = |value: u64| {
        let mut buffer = Buffer::default();
        buffer.decimal(value);
        assert_eq!(buffer.as_slice(), value.to_string().as_bytes());
        for (negative, sign) in [(false, ""), (true, "-")] {
            let mut buffer = Buffer::new(Vec::with_capacity(DIGITS_IN_QUOTES));
            buffer.quoted_decimal(negative, value);
            assert_eq!(buffer.into_bytes(), format!("\"{sign}{value}\"").into_bytes());
        }
    };
    (0..200_000).step_by(stride(997)).for_each(check);
    (0..100_000_000).step_by(9_973 * stride(101)).for_each(check);
    // Nine to twenty digits, with zeros anywhere among them.
    (0..4_000_000_000u64)
        .step_by(399_989 * stride(101))
        .flat_map(|value| [value, value << 20, value * value, value * 100_000_000])
        .for_each(check);
    for power in 0..20 {
        let power = 10u64.pow(power);
        [power - 1, power, power + 1, power.wrapping_mul(9)].into_iter().for_each(check);
    }
    (0..64).for_each(|shift| check(u64::MAX >> shift));
}

#[test]
fn short_slices_of_all_lengths_are_copied() {
    let input: Vec<u8> = (0..100).collect();
    for length in 0..100 {
        let mut buffer = Buffer::new(vec![9]);
        buffer.short(&input[..length]);
        assert_eq!(buffer.as_slice()[1..], input[..length]);
    }
}

#[test]
fn varints_are_canonical() {
    for shift in 0..64 {
        for value in [1u64 << shift, (1 << shift) - 1, !0 >> shift] {
            let mut buffer = Buffer::default();
            buffer.varint(value);
            let mut expected = Vec::new();
            prost::encoding::encode_varint(value, &mut expected);
            assert_eq!(buffer.as_slice(), expected);
        }
    }
}
