//! Percent-decoding, strict: what is not UTF-8 behind valid escapes is the caller's mistake.
//!
//! ```text
//! a%20b%2Fc+d    Whole          ->  a b/c+d       a capture of one segment
//! a%20b%2Fc+d    KeepReserved   ->  a b%2Fc+d     a capture of several segments
//! a%20b%2Fc+d    Form           ->  a b/c d       a query or form
//! ```

use std::{borrow::Cow, error, fmt, str};

/// What is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Every escape.
    Whole,
    /// Every escape but those of RFC 3986's reserved characters, which stay as they are written.
    KeepReserved,
    /// Every escape, and `+` is a space (`application/x-www-form-urlencoded`).
    Form,
}

/// What is wrong with percent-encoded text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodingFault {
    /// A `%` without two hexadecimal digits behind it.
    Escape,
    /// The bytes, once decoded, are not UTF-8.
    Utf8,
}

/// Text from a path or a query that can't be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadEncoding {
    fault: EncodingFault,
    offset: usize,
    excerpt: String,
}

impl BadEncoding {
    /// What is wrong.
    pub fn fault(&self) -> EncodingFault {
        self.fault
    }

    /// Where: bytes from the start of the encoded text.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl fmt::Display for BadEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, excerpt, .. } = self;
        match self.fault {
            EncodingFault::Escape => write!(
                f,
                "`{excerpt}` at byte {offset} is not a percent-encoded byte; a percent sign is `%25`"
            ),
            EncodingFault::Utf8 => write!(
                f,
                "`{excerpt}` at byte {offset} does not decode to UTF-8; encode text as UTF-8"
            ),
        }
    }
}

impl error::Error for BadEncoding {}

/// Checks that all of a raw path could be decoded, whether or not a route captures it.
///
/// # Errors
/// The first escape that is broken or does not decode to UTF-8.
pub fn check_path(path: &str) -> Result<(), BadEncoding> {
    decode(path, Mode::Whole).map(drop)
}

/// Decodes; borrows where nothing is encoded.
pub(super) fn decode(text: &str, mode: Mode) -> Result<Cow<'_, str>, BadEncoding> {
    let Some(first) = first_special(text.as_bytes(), mode) else {
        return Ok(Cow::Borrowed(text));
    };
    let mut decoded = Vec::with_capacity(text.len());
    let mut position = 0;
    let mut special = Some(first);
    while let Some(length) = special {
        decoded.extend_from_slice(&text.as_bytes()[position..position + length]);
        position += length;
        position += decode_one(text, position, mode, &mut decoded)?;
        special = first_special(&text.as_bytes()[position..], mode);
    }
    decoded.extend_from_slice(&text.as_bytes()[position..]);
    match String::from_utf8(decoded) {
        Ok(decoded) => Ok(Cow::Owned(decoded)),
        Err(bad) => Err(not_utf8(text, bad.utf8_error().valid_up_to(), mode)),
    }
}

/// How far the next byte is that does not stand for itself.
fn first_special(bytes: &[u8], mode: Mode) -> Option<usize> {
    match mode {
        Mode::Form => memchr::memchr2(b'%', b'+', bytes),
        Mode::Whole | Mode::KeepReserved => memchr::memchr(b'%', bytes),
    }
}

/// Decodes the escape (or plus sign) at a position; gives its length in the text.
fn decode_one(
    text: &str,
    position: usize,
    mode: Mode,
    decoded: &mut Vec<u8>,
) -> Result<usize, BadEncoding> {
    let rest = &text.as_bytes()[position..];
    if rest[0] == b'+' {
        decoded.push(b' ');
        return Ok(1);
    }
    let Some(byte) = escaped_byte(rest) else {
        return Err(BadEncoding {
            fault: EncodingFault::Escape,
            offset: position,
            excerpt: text[position..].chars().take(3).collect(),
        });
    };
    if mode == Mode::KeepReserved && is_reserved(byte) {
        decoded.extend_from_slice(&rest[..3]);
    } else {
        decoded.push(byte);
    }
    Ok(3)
}

/// The byte that `%XX` at the start stands for.
fn escaped_byte(text: &[u8]) -> Option<u8> {
    let digit = |index: usize| char::from(*text.get(index)?).to_digit(16);
    u8::try_from(digit(1)? << 4 | digit(2)?).ok()
}

/// `reserved` of RFC 3986, section 2.2.
fn is_reserved(byte: u8) -> bool {
    b":/?#[]@!$&'()*+,;=".contains(&byte)
}

/// Finds the encoded place of a decoded offset: only a failure pays for it.
fn not_utf8(text: &str, decoded_offset: usize, mode: Mode) -> BadEncoding {
    let (mut offset, mut decoded) = (0, Vec::with_capacity(text.len()));
    while decoded.len() < decoded_offset {
        match text.as_bytes()[offset] {
            byte @ (b'%' | b'+') if byte == b'%' || mode == Mode::Form => {
                // All escapes were read before, so this one can be read again.
                offset += decode_one(text, offset, mode, &mut decoded).unwrap_or(1);
            }
            byte => {
                decoded.push(byte);
                offset += 1;
            }
        }
    }
    let excerpt = text[offset..].chars().take(3).collect();
    BadEncoding { fault: EncodingFault::Utf8, offset, excerpt }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_without_escapes_is_borrowed() {
        for mode in [Mode::Whole, Mode::KeepReserved, Mode::Form] {
            assert!(matches!(decode("caf\u{e9}-1.2_3~4", mode), Ok(Cow::Borrowed(_))));
        }
    }

    #[test]
    fn modes_differ_in_reserved_characters_and_plus() {
        let text = "a%20b%2Fc+d%2fe%25";
        assert_eq!(decode(text, Mode::Whole).unwrap(), "a b/c+d/e%");
        assert_eq!(decode(text, Mode::KeepReserved).unwrap(), "a b%2Fc+d%2fe%");
        assert_eq!(decode(text, Mode::Form).unwrap(), "a b/c d/e%");
    }

    #[test]
    fn every_reserved_escape_stays_in_a_path_of_several_segments() {
        let reserved = "%21%23%24%26%27%28%29%2A%2B%2C%2F%3A%3B%3D%3F%40%5B%5D";
        assert_eq!(decode(reserved, Mode::KeepReserved).unwrap(), reserved);
        assert_eq!(decode(reserved, Mode::Whole).unwrap(), "!#$&'()*+,/:;=?@[]");
    }

    #[test]
    fn bad_escapes_and_bytes_are_refused_at_their_place() {
        for (text, fault, offset) in [
            ("%", EncodingFault::Escape, 0),
            ("ab%4", EncodingFault::Escape, 2),
            ("a%zz", EncodingFault::Escape, 1),
            ("%+1", EncodingFault::Escape, 0),
            ("%20%\u{e9}", EncodingFault::Escape, 3),
            ("%41%FF", EncodingFault::Utf8, 3),
            ("+%2F%C3(", EncodingFault::Utf8, 4),
            ("%C3%2F", EncodingFault::Utf8, 0),
            ("%ED%A0%80", EncodingFault::Utf8, 0),
        ] {
            for mode in [Mode::Whole, Mode::KeepReserved, Mode::Form] {
                let bad = decode(text, mode).unwrap_err();
                assert_eq!((bad.fault(), bad.offset()), (fault, offset), "{text} {mode:?}");
            }
        }
    }
}
