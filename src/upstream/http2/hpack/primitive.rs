//! Integers and strings as HPACK writes them (RFC 7541 §5).

use std::borrow::Cow;

use super::{Malformed, huffman};

/// The bit of a string that is Huffman coded.
const HUFFMAN: u8 = 0x80;

/// Writes an integer behind the bits of `first`, with a prefix of so many bits (§5.1).
pub(super) fn write_integer(out: &mut Vec<u8>, first: u8, prefix: u8, value: usize) {
    let most = (1 << prefix) - 1;
    if value < most {
        out.push(first | value as u8);
        return;
    }
    out.push(first | most as u8);
    let mut rest = value - most;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Reads an integer with a prefix of so many bits, whose other bits are somebody else's.
///
/// # Errors
/// The input ends too early, or the number is larger than any that has a meaning here.
pub(super) fn read_integer(input: &mut &[u8], prefix: u8) -> Result<usize, Malformed> {
    let most = (1 << prefix) - 1;
    let mut value = usize::from(take_octet(input)?) & most;
    if value < most {
        return Ok(value);
    }
    // Four further octets reach beyond any length of a block.
    for shift in [0, 7, 14, 21] {
        let octet = take_octet(input)?;
        value += usize::from(octet & 0x7f) << shift;
        if octet & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Malformed("an integer is too large"))
}

fn take_octet(input: &mut &[u8]) -> Result<u8, Malformed> {
    let (first, rest) = input.split_first().ok_or(TRUNCATED)?;
    *input = rest;
    Ok(*first)
}

const TRUNCATED: Malformed = Malformed("the block ends in the middle of a field");

/// Writes a string as it is, without Huffman codes (§5.2).
pub(super) fn write_string(out: &mut Vec<u8>, text: &[u8]) {
    write_integer(out, 0, 7, text.len());
    out.extend_from_slice(text);
}

/// Reads a string; one that is Huffman coded is decoded.
///
/// # Errors
/// The input ends too early, or the codes are none.
pub(super) fn read_string<'a>(input: &mut &'a [u8]) -> Result<Cow<'a, [u8]>, Malformed> {
    let (coded, text) = read_raw(input)?;
    if !coded {
        return Ok(Cow::Borrowed(text));
    }
    huffman::decode(text).map(Cow::Owned)
}

/// Reads a string without decoding it, and whether it is Huffman coded.
pub(super) fn read_raw<'a>(input: &mut &'a [u8]) -> Result<(bool, &'a [u8]), Malformed> {
    let coded = input.first().is_some_and(|first| first & HUFFMAN != 0);
    let length = read_integer(input, 7)?;
    let (text, rest) = input.split_at_checked(length).ok_or(TRUNCATED)?;
    *input = rest;
    Ok((coded, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_written_as_in_the_examples() {
        // RFC 7541 C.1.
        for (value, prefix, octets) in
            [(10, 5, &[10][..]), (1337, 5, &[31, 154, 10]), (42, 8, &[42]), (31, 5, &[31, 0])]
        {
            let mut out = Vec::new();
            write_integer(&mut out, 0, prefix, value);
            assert_eq!(out, octets);
            assert_eq!(read_integer(&mut &out[..], prefix), Ok(value));
        }
    }

    #[test]
    fn integers_come_back_whatever_their_prefix() {
        for prefix in 1..=8 {
            for value in (0..70_000).chain([1 << 20, (1 << 28) - 1]) {
                let mut out = Vec::new();
                write_integer(&mut out, 0, prefix, value);
                let mut input = &out[..];
                assert_eq!(read_integer(&mut input, prefix), Ok(value));
                assert!(input.is_empty());
            }
        }
    }

    #[test]
    fn integers_without_end_are_refused() {
        for octets in [&[][..], &[0xff], &[0xff, 0x80], &[0xff, 0x80, 0x80, 0x80, 0x80, 0x00]] {
            assert!(read_integer(&mut &octets[..], 7).is_err(), "{octets:?}");
        }
    }

    #[test]
    fn strings_that_are_cut_are_refused() {
        let mut out = Vec::new();
        write_string(&mut out, b"hello");
        assert_eq!(read_string(&mut &out[..]).unwrap(), &b"hello"[..]);
        for cut in 0..out.len() {
            assert!(read_string(&mut &out[..cut]).is_err());
        }
    }
}
