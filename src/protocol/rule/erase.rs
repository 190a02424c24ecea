//! Takes a field out of wire bytes, for a value of the path that would only add to what is there.
//!
//! ```text
//! dish { mask: "a,b"  name: "x" }   without dish.mask   ─►   dish { name: "x" }
//! ```

use prost::encoding::{WireType, encode_key, encode_varint};

use super::record::{self, Records};

/// The message without what stands at the place that `numbers` lead to; none if nothing does.
pub(super) fn without(wire: &[u8], numbers: &[u32]) -> Option<Vec<u8>> {
    if record::at(wire, numbers).is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(wire.len());
    copy(wire, numbers, &mut out);
    Some(out)
}

fn copy(wire: &[u8], numbers: &[u32], out: &mut Vec<u8>) {
    let Some((&number, inner)) = numbers.split_first() else { return };
    let mut records = Records(wire);
    for record in records.by_ref() {
        if record.number != number {
            out.extend_from_slice(record.bytes);
            continue;
        }
        match record.wire_type {
            _ if inner.is_empty() => {}
            WireType::LengthDelimited => {
                let mut message = Vec::with_capacity(record.value.len());
                copy(record.value, inner, &mut message);
                encode_key(number, record.wire_type, out);
                encode_varint(message.len() as u64, out);
                out.extend_from_slice(&message);
            }
            WireType::StartGroup => {
                encode_key(number, record.wire_type, out);
                copy(record.value, inner, out);
            }
            _ => out.extend_from_slice(record.bytes),
        }
    }
    // A group's end tag.
    out.extend_from_slice(records.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_is_taken_out_wherever_it_stands() {
        let mask = [0x12, 3, 0x0a, 1, b'a'];
        let name = [0x1a, 1, b'x'];
        let both = [&mask[..], &name, &mask].concat();
        assert_eq!(without(&both, &[2]).unwrap(), name);
        assert_eq!(without(&both, &[4]), None);
        assert_eq!(without(&[], &[2]), None);
    }

    #[test]
    fn messages_around_it_keep_the_rest() {
        let fragments = [0x0a, 5, 0x12, 0, 0x1a, 1, b'x', 0x08, 1, 0x0a, 2, 0x12, 0];
        assert_eq!(
            without(&fragments, &[1, 2]).unwrap(),
            [0x0a, 3, 0x1a, 1, b'x', 0x08, 1, 0x0a, 0]
        );
        let group = [0x0b, 0x12, 0, 0x18, 1, 0x0c, 0x20, 1];
        assert_eq!(without(&group, &[1, 2]).unwrap(), [0x0b, 0x18, 1, 0x0c, 0x20, 1]);
        let groups_alone = [0x0b, 0x13, 0x08, 1, 0x14, 0x0c];
        assert_eq!(without(&groups_alone, &[1, 2]).unwrap(), [0x0b, 0x0c]);
    }
}
