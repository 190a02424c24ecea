//! Lengths that are not known before what they measure is written.
//!
//! One byte is kept for each. Where the body turns out at 128 bytes or more that is too little: a
//! *gap* is noted (where, and how long the body is), and when all is written, one move from back
//! to front makes room for all gaps. Each byte moves at most once, however deep the nesting.

use super::{kernel::Buffer, steps::count_steps};

/// The gaps in one output.
#[derive(Default)]
pub(super) struct Gaps {
    /// Where a one-byte length is too short, and the length.
    noted: Vec<(usize, usize)>,
    /// How many bytes the gaps will add.
    extra: usize,
}

/// A length that is open: where it stands, and what the gaps before it add.
#[derive(Clone, Copy)]
pub(super) struct Open {
    at: usize,
    extra: usize,
}

impl Gaps {
    pub(super) fn clear(&mut self) {
        self.noted.clear();
        self.extra = 0;
    }

    /// How many bytes are kept for later gaps.
    pub(super) fn retained(&self) -> usize {
        self.noted.capacity() * size_of::<(usize, usize)>()
    }

    /// How many bytes the gaps will add.
    pub(super) fn extra(&self) -> usize {
        self.extra
    }

    /// Keeps a byte for a length.
    #[inline(always)]
    pub(super) fn open(&self, out: &mut Buffer) -> Open {
        let at = out.len();
        out.push(0);
        Open { at, extra: self.extra }
    }

    /// Writes the length of all since `open`, or notes a gap.
    #[inline(always)]
    pub(super) fn close(&mut self, open: Open, out: &mut Buffer) {
        let length = out.len() - open.at - 1 + (self.extra - open.extra);
        if length < 0x80 {
            out.patch(open.at, length as u8);
        } else {
            self.note(open.at, length);
        }
    }

    fn note(&mut self, at: usize, length: usize) {
        self.noted.push((at, length));
        self.extra += varint_length(length) - 1;
    }

    /// Moves what is written apart so that all lengths fit.
    #[inline]
    pub(super) fn finish(&mut self, out: &mut Buffer) {
        if !self.noted.is_empty() {
            out.ensure_exactly(self.extra);
            self.spread(out.vec());
        }
    }

    fn spread(&mut self, bytes: &mut Vec<u8>) {
        // Inner lengths are closed before outer ones, which stand before them.
        self.noted.sort_unstable_by_key(|&gap| {
            count_steps(1);
            gap
        });
        let mut from_end = bytes.len();
        let mut to_end = from_end + self.extra;
        bytes.resize(to_end, 0);
        for &(at, length) in self.noted.iter().rev() {
            let body = at + 1;
            let moved = from_end - body;
            count_steps(moved + 1);
            bytes.copy_within(body..from_end, to_end - moved);
            let size = varint_length(length);
            to_end -= moved + size;
            from_end = at;
            let mut rest = length;
            for slot in &mut bytes[to_end..to_end + size] {
                *slot = (rest & 0x7f) as u8 | 0x80;
                rest >>= 7;
            }
            bytes[to_end + size - 1] &= 0x7f;
        }
        self.clear();
    }
}

/// How many bytes the varint of a length takes.
pub(super) fn varint_length(length: usize) -> usize {
    (usize::BITS - (length | 1).leading_zeros()).div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_lengths_of_all_sizes_come_out_canonical() {
        for leaf in [0usize, 1, 100, 126, 127, 128, 129, 5000, 20_000] {
            let (mut out, mut gaps) = (Buffer::new(vec![9; 3]), Gaps::default());
            let mut expected = vec![7; leaf];
            let open: Vec<_> = (0..40).map(|_| gaps.open(&mut out)).collect();
            out.slice(&expected);
            for open in open.into_iter().rev() {
                gaps.close(open, &mut out);
                let mut wrapped = Vec::new();
                prost::encoding::encode_varint(expected.len() as u64, &mut wrapped);
                wrapped.append(&mut expected);
                expected = wrapped;
            }
            gaps.finish(&mut out);
            assert_eq!(out.as_slice()[3..], expected, "{leaf}");
        }
    }
}
