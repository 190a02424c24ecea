//! Tags, varints and lengths, as the encoding's text has them
//! (<https://protobuf.dev/programming-guides/encoding/>).

use super::{Span, Writer};
use crate::transcode::{
    error::{Step, Stop},
    steps::count_steps,
};

impl Writer<'_> {
    /// A base 128 varint of at most ten bytes that ends before `end`.
    #[inline(always)]
    pub(super) fn varint(&mut self, end: usize) -> Step<u64> {
        count_steps(1);
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
        // What is read may belong to what comes behind `end`; what counts must not.
        let chunk: Option<&[u8; 10]> =
            self.input.get(self.pos..).and_then(|rest| rest.first_chunk());
        let (Some(chunk), Some(low)) = (chunk, chunk.and_then(|chunk| chunk.first_chunk())) else {
            return self.varint_by_bytes(end);
        };
        let low = u64::from_le_bytes(*low);
        let stops = !low & 0x8080_8080_8080_8080;
        let (value, length) = if stops != 0 {
            // The lowest clear top bit ends it; what is above belongs to others.
            let own = stops ^ (stops - 1);
            (gather_sevens(low & own), stops.trailing_zeros() as usize / 8 + 1)
        } else {
            let (ninth, tenth) = (u64::from(chunk[8]), u64::from(chunk[9]));
            let low = gather_sevens(low);
            match (ninth < 0x80, tenth < 0x80) {
                (true, _) => (low | ninth << 56, 9),
                (false, true) => (low | (ninth & 0x7f) << 56 | tenth << 63, 10),
                _ => return self.varint_by_bytes(end),
            }
        };
        if self.pos + length > end {
            return self.varint_by_bytes(end);
        }
        self.pos += length;
        Ok(value)
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
        count_steps(1);
        let bytes = self.input[..end].get(self.pos..).and_then(|rest| rest.first_chunk());
        let bytes = *bytes.ok_or_else(|| self.truncated())?;
        self.pos += 4;
        Ok(bytes)
    }

    #[inline(always)]
    pub(super) fn eight_bytes(&mut self, end: usize) -> Step<[u8; 8]> {
        count_steps(1);
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
        count_steps(1);
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
