//! Base64 in both alphabets, padded or not; what has stray bytes is refused.
//!
//! Bits that belong to no byte must be zero in padded text. Without padding they are let pass, as
//! protobuf's conformance suite wants (`-_` is one byte).

use base64_simd::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::{kernel::Buffer, steps::count_steps};

/// From so many bytes on room is made for them alone, and not for as many again.
const LARGE: usize = 1 << 14;

/// Writes the length and the bytes that `text` stands for; gives the length. Nothing is written
/// if it isn't base64.
pub(super) fn decode_with_length(text: &[u8], out: &mut Buffer) -> Option<usize> {
    let padded = text.last() == Some(&b'=');
    let text = unpadded(text)?;
    let length = text.len() / 4 * 3 + text.len() % 4 * 3 / 4;
    let start = out.len();
    if length > LARGE {
        out.ensure_exactly(length + 16);
    }
    out.varint(length as u64);
    count_steps(2 * text.len());
    let bytes = out.vec();
    // Trying one alphabet and then the other is faster than looking which it is.
    let decoded = STANDARD_NO_PAD.decode_append(text, &mut *bytes).is_ok()
        || URL_SAFE_NO_PAD.decode_append(text, &mut *bytes).is_ok()
        || !padded && decode_with_stray_bits(text, bytes);
    if !decoded {
        out.truncate(start);
        return None;
    }
    Some(length)
}

/// Decodes with the last character's unused bits taken for zero.
#[cold]
fn decode_with_stray_bits(text: &[u8], out: &mut Vec<u8>) -> bool {
    count_steps(2 * text.len());
    let unused = match text.len() % 4 {
        2 => 4,
        3 => 2,
        _ => return false,
    };
    let Some((&last, rest)) = text.split_last() else { return false };
    [STANDARD_NO_PAD, URL_SAFE_NO_PAD].iter().any(|alphabet| {
        let charset = alphabet.charset();
        let Some(value) = charset.iter().position(|&byte| byte == last) else { return false };
        let mut mended = rest.to_vec();
        mended.push(charset[value >> unused << unused]);
        alphabet.decode_append(&mended, &mut *out).is_ok()
    })
}

/// The text without `=`, which must make its length a multiple of four if there are any.
fn unpadded(text: &[u8]) -> Option<&[u8]> {
    let text = match text {
        [rest @ .., b'=', b'='] | [rest @ .., b'='] if text.len().is_multiple_of(4) => rest,
        _ => text,
    };
    (text.len() % 4 != 1).then_some(text)
}

/// Appends the standard alphabet with padding.
pub(super) fn encode(bytes: &[u8], out: &mut Buffer) {
    count_steps(bytes.len());
    STANDARD.encode_append(bytes, out.vec());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Option<Vec<u8>> {
        let mut out = Buffer::default();
        let length = decode_with_length(text.as_bytes(), &mut out)?;
        let bytes = out.into_bytes();
        assert_eq!(bytes[0] as usize, length);
        assert_eq!(bytes.len(), length + 1);
        Some(bytes[1..].to_vec())
    }

    #[test]
    fn both_alphabets_with_and_without_padding() {
        for text in ["-_8=", "-_8", "+/8=", "+/8"] {
            assert_eq!(decode(text).unwrap(), [0xfb, 0xff], "{text}");
        }
        assert!(decode("").unwrap().is_empty());
        assert_eq!(decode("AA==").unwrap(), [0]);
        assert_eq!(decode("AA").unwrap(), [0]);
        assert_eq!(decode("-_").unwrap(), [0xfb]);
        assert_eq!(decode("AAB").unwrap(), [0, 0]);
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        for text in [
            "A", "A===", "AA=", "AB==", "AAB=", "A A=", "AA==AA==", "+_8=", "=", "==", "====",
            "AAAA=",
        ] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
