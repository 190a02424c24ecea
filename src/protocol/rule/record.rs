//! Wire bytes field by field, for those that look for what stands at a place in a message.
//!
//! A place is the field numbers on the way to it. Fragments of a message are one message on the
//! wire, so a place is looked for in all of them.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// One field as it stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'w> {
    pub(super) number: u32,
    pub(super) wire_type: WireType,
    /// All of it, key and end tag too.
    pub(super) bytes: &'w [u8],
    /// The value: of a length-delimited one without its length, of a group with its end tag.
    pub(super) value: &'w [u8],
}

/// The records of a message, up to the first that can't be read, or the end tag of a group.
pub(super) struct Records<'w>(pub(super) &'w [u8]);

impl<'w> Iterator for Records<'w> {
    type Item = Record<'w>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.0;
        if start.is_empty() {
            return None;
        }
        let mut rest = start;
        let (number, wire_type) = decode_key(&mut rest).ok()?;
        let value = if wire_type == WireType::LengthDelimited {
            let length = usize::try_from(decode_varint(&mut rest).ok()?).ok()?;
            let (value, behind) = rest.split_at_checked(length)?;
            rest = behind;
            value
        } else {
            let before = rest;
            skip_field(wire_type, number, &mut rest, DecodeContext::default()).ok()?;
            &before[..before.len() - rest.len()]
        };
        self.0 = rest;
        Some(Record { number, wire_type, bytes: &start[..start.len() - rest.len()], value })
    }
}

impl Record<'_> {
    /// Whether the value is what a field has that isn't there.
    pub(super) fn is_default(&self) -> bool {
        match self.wire_type {
            WireType::LengthDelimited => self.value.is_empty(),
            _ => self.value.iter().all(|byte| *byte == 0),
        }
    }
}

/// All values at a place, in their order.
pub(super) fn at<'w>(wire: &'w [u8], place: &[u32]) -> Vec<&'w [u8]> {
    let mut found = vec![wire];
    for number in place {
        let inside = |wire| Records(wire).filter(|record| record.number == *number);
        found = found.into_iter().flat_map(inside).map(|record| record.value).collect();
    }
    found
}
