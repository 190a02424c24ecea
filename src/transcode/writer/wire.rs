//! Tags, varints and lengths, as the encoding's text has them
//! (<https://protobuf.dev/programming-guides/encoding/>).

use super::{Span, Writer};
use crate::transcode::error::{Step, Stop};

impl Writer<'_> {
    /// A base 128 varint of at most ten bytes that ends before `end`.
    #[inline(always)]
    pub(super) fn varint(&mut self, end: usize) -> Step<u64> {
        if self.pos < end
            && let Some(&byte) = self.input.get(self.pos)
            && byte < 0x80
        {
            self.pos += 1;
            return Ok(byte.into());
        }
        self.long_varint(end)
    }

    #[inline]
    fn long_varint(&mut self, end: usize) -> Step<u64> {
        let bytes = &self.input[..end.min(self.input.len())];
        let Some(chunk) = bytes.get(self.pos..).and_then(|rest| rest.first_chunk()) else {
            return self.varint_by_bytes(end);
        };
        let chunk = u64::from_le_bytes(*chunk);
        let stops = !chunk & 0x8080_8080_8080_8080;
        if stops != 0 {
            // The lowest clear top bit ends it; what is above belongs to others.
            let own = stops ^ (stops - 1);
            self.pos += stops.trailing_zeros() as usize / 8 + 1;
            return Ok(gather_sevens(chunk & own));
        }
        let low = gather_sevens(chunk);
        let (ninth, tenth) = (bytes.get(self.pos + 8), bytes.get(self.pos + 9));
        match (ninth, tenth) {
            (Some(&ninth), _) if ninth < 0x80 => {
                self.pos += 9;
                Ok(low | u64::from(ninth) << 56)
            }
            (Some(&ninth), Some(&tenth)) if tenth < 0x80 => {
                self.pos += 10;
                Ok(low | u64::from(ninth & 0x7f) << 56 | u64::from(tenth) << 63)
            }
            _ => self.varint_by_bytes(end),
        }
    }

    /// A varint near the end of the input, or one that is none.
    #[cold]
    fn varint_by_bytes(&mut self, end: usize) -> Step<u64> {
        let bytes = &self.input[..end.min(self.input.len())];
        let mut value = 0;
        for index in 0..10 {
            let Some(&byte) = bytes.get(self.pos + index) else { return Err(self.truncated()) };
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.pos += index + 1;
                return Ok(value);
            }
        }
        Err(self.fail("a varint of more than ten bytes"))
    }

    /// A field's tag: its number is not zero and its wire type is known.
    #[inline(always)]
    pub(super) fn tag(&mut self, end: usize) -> Step<u32> {
        let at = self.pos;
        let tag = self.varint(end)?;
        match u32::try_from(tag) {
            Ok(tag) if tag >= 8 && tag & 7 < 6 => Ok(tag),
            _ => Err(Stop::at(at, "an impossible field number or wire type")),
        }
    }

    /// What follows a length, and leaves the position behind it.
    #[inline(always)]
    pub(super) fn delimited(&mut self, end: usize) -> Step<Span> {
        let length = self.varint(end)?;
        if length > (end - self.pos) as u64 {
            return Err(self.truncated());
        }
        let start = self.pos;
        self.pos += length as usize;
        Ok(Span { start, end: self.pos })
    }

    #[inline(always)]
    pub(super) fn four_bytes(&mut self, end: usize) -> Step<[u8; 4]> {
        let bytes = self.input[..end].get(self.pos..).and_then(|rest| rest.first_chunk());
        let bytes = *bytes.ok_or_else(|| self.truncated())?;
        self.pos += 4;
        Ok(bytes)
    }

    #[inline(always)]
    pub(super) fn eight_bytes(&mut self, end: usize) -> Step<[u8; 8]> {
        let bytes = self.input[..end].get(self.pos..).and_then(|rest| rest.first_chunk());
        let bytes = *bytes.ok_or_else(|| self.truncated())?;
        self.pos += 8;
        Ok(bytes)
    }

    #[cold]
    #[inline(never)]
    pub(super) fn truncated(&self) -> Stop {
        self.fail("the message ends inside a field")
    }

    /// Passes over the value behind a tag.
    pub(super) fn skip(&mut self, tag: u32, end: usize) -> Step<()> {
        match tag & 7 {
            0 => self.varint(end).map(|_| ()),
            1 => self.eight_bytes(end).map(|_| ()),
            2 => self.delimited(end).map(|_| ()),
            3 => self.group(tag >> 3, end).map(|_| ()),
            5 => self.four_bytes(end).map(|_| ()),
            _ => Err(self.fail("a group ends that did not begin")),
        }
    }

    /// What stands between a start tag, which is behind the position, and its end tag; leaves the
    /// position behind the end tag.
    #[inline(never)]
    pub(super) fn group(&mut self, number: u32, end: usize) -> Step<Span> {
        let start = self.pos;
        // Before the second try the index is that of an earlier message.
        if self.indexed
            && let Some((inner, next)) = self.scratch.index.group_end(start)
        {
            self.pos = next;
            return Ok(Span { start, end: inner });
        }
        self.enter()?;
        loop {
            let inner = self.pos;
            if inner >= end {
                return Err(self.fail("the message ends inside a group"));
            }
            let tag = self.tag(end)?;
            if tag == number << 3 | 4 {
                self.depth_left += 1;
                if self.indexed {
                    self.scratch.index.note_group(start, inner, self.pos);
                }
                return Ok(Span { start, end: inner });
            }
            self.skip(tag, end)?;
        }
    }
}

/// The lower seven bits of eight bytes, side by side: pairs, then fours, then all.
#[inline(always)]
fn gather_sevens(bytes: u64) -> u64 {
    let bits = bytes & 0x7f7f_7f7f_7f7f_7f7f;
    let pairs = (bits & 0x007f_007f_007f_007f) | (bits & 0x7f00_7f00_7f00_7f00) >> 1;
    let fours = (pairs & 0x0000_3fff_0000_3fff) | (pairs & 0x3fff_0000_3fff_0000) >> 2;
    (fours & 0x0fff_ffff) | (fours & 0x0fff_ffff_0000_0000) >> 4
}
