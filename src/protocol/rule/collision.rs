//! Two values for one field: the path's, and another's from body or query.
//!
//! Both are wire bytes already, so they are compared there: the last value at the field's place
//! counts, through all fragments of the messages around it, as for any reader of the wire.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// Whether `given` holds a value at the place that `numbers` lead to, field by field, and `path`
/// another. Bytes that can't be read hold nothing; they come from this gateway's own encoders.
pub(super) fn differs(given: &[u8], path: &[u8], numbers: &[u32]) -> bool {
    match (leaf(given, numbers), leaf(path, numbers)) {
        (Some(given), Some(path)) => given != path,
        _ => false,
    }
}

/// The last value at the place, as its raw bytes.
fn leaf<'w>(wire: &'w [u8], numbers: &[u32]) -> Option<&'w [u8]> {
    let (&number, inner) = numbers.split_first()?;
    let values = Fields(wire).filter(|field| field.0 == number).map(|field| field.1);
    if inner.is_empty() { values.last() } else { values.filter_map(|v| leaf(v, inner)).last() }
}

/// The fields of a message: number, and value (of a length-delimited one, without its length).
struct Fields<'w>(&'w [u8]);

impl<'w> Iterator for Fields<'w> {
    type Item = (u32, &'w [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let (number, wire_type) = decode_key(&mut self.0).ok()?;
        if wire_type == WireType::LengthDelimited {
            let length = usize::try_from(decode_varint(&mut self.0).ok()?).ok()?;
            let (value, rest) = self.0.split_at_checked(length)?;
            self.0 = rest;
            return Some((number, value));
        }
        let before = self.0;
        skip_field(wire_type, number, &mut self.0, DecodeContext::default()).ok()?;
        Some((number, &before[..before.len() - self.0.len()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_different_values_at_one_place_differ() {
        let seven = [0x08, 7];
        let eight = [0x08, 8];
        assert!(differs(&eight, &seven, &[1]));
        assert!(!differs(&seven, &seven, &[1]));
        assert!(!differs(&[], &seven, &[1]));
        assert!(!differs(&[0x10, 8], &seven, &[1]), "another field");
        assert!(!differs(&[0x08, 8, 0x08, 7], &seven, &[1]), "the last value counts");
    }

    #[test]
    fn places_inside_messages_are_found_in_every_fragment() {
        let given = [0x0a, 2, 0x12, 0, 0x0a, 4, 0x12, 2, b'h', b'i'];
        let path = [0x0a, 4, 0x12, 2, b'y', b'o'];
        assert!(differs(&given, &path, &[1, 2]));
        assert!(!differs(&given, &given[4..], &[1, 2]));
        assert!(!differs(&[0x0a, 9, 1], &path, &[1, 2]), "cut short");
    }
}
