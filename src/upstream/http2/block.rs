//! Header blocks that come in several frames (RFC 9113 §4.3, §6.10).
//!
//! Between HEADERS and the last CONTINUATION no other frame may come, so a connection has one such
//! block at most. It is kept until it is whole, within limits: a flood of CONTINUATION would
//! otherwise cost memory, or time, without an end.

use super::{
    MAX_FRAME,
    fault::{Broken, ErrorCode},
    frame::{FrameHead, flag, kind},
};

/// How large a block may be as it comes, in octets.
const LARGEST: usize = MAX_FRAME;

/// How many frames a block may come in: enough for the largest, in frames of 16 KiB, four times.
const MOST_FRAMES: usize = 64;

/// A block whose end is not here yet.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) stream: u32,
    /// Whether the stream ends with it.
    pub(super) ends: bool,
    pub(super) octets: Vec<u8>,
    frames: usize,
}

impl Block {
    /// The block that HEADERS begin.
    pub(super) fn begin(head: FrameHead, octets: &[u8]) -> Self {
        let ends = head.has(flag::END_STREAM);
        Self { stream: head.stream, ends, octets: octets.to_vec(), frames: 1 }
    }

    /// Fails if this frame may not come before the block's end.
    pub(super) fn expects(&self, head: FrameHead) -> Result<(), Broken> {
        if head.kind == kind::CONTINUATION && head.stream == self.stream {
            return Ok(());
        }
        Err(Broken::protocol("a header block is interrupted by another frame"))
    }

    /// Takes the payload of a CONTINUATION.
    pub(super) fn go_on(&mut self, octets: &[u8]) -> Result<(), Broken> {
        self.frames += 1;
        if self.frames > MOST_FRAMES || self.octets.len() + octets.len() > LARGEST {
            let what = "a header block of more frames or octets than any call needs";
            return Err(Broken::new(ErrorCode::ENHANCE_YOUR_CALM, what));
        }
        self.octets.extend_from_slice(octets);
        Ok(())
    }
}

/// What is in HEADERS besides padding and the priority that nobody heeds (§6.2).
pub(super) fn fragment(head: FrameHead, payload: &[u8]) -> Result<&[u8], Broken> {
    const WRONG: Broken = Broken::protocol("HEADERS with more padding than there is room for");
    let (padding, rest) = match head.has(flag::PADDED) {
        true => payload.split_first().map(|(first, rest)| (usize::from(*first), rest)),
        false => Some((0, payload)),
    }
    .ok_or(WRONG)?;
    let skipped = if head.has(flag::PRIORITY) { 5 } else { 0 };
    let end = rest.len().checked_sub(padding).ok_or(WRONG)?;
    rest.get(skipped..end).ok_or(WRONG)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(flags: u8) -> FrameHead {
        FrameHead { length: 0, kind: kind::HEADERS, flags, stream: 1 }
    }

    #[test]
    fn fragments_stand_between_priority_and_padding() {
        for (flags, payload, wanted) in [
            (0, &b"abc"[..], Some(&b"abc"[..])),
            (flag::PADDED, b"\x01abc", Some(b"ab")),
            (flag::PRIORITY, b"12345abc", Some(b"abc")),
            (flag::PADDED | flag::PRIORITY, b"\x0212345abc", Some(b"a")),
            (flag::PADDED, b"\x03abc", Some(b"")),
            (flag::PADDED, b"\x04abc", None),
            (flag::PADDED, b"", None),
            (flag::PRIORITY, b"1234", None),
            (flag::PADDED | flag::PRIORITY, b"\x0112345", None),
        ] {
            assert_eq!(fragment(head(flags), payload).ok(), wanted, "{flags} {payload:?}");
        }
    }

    #[test]
    fn floods_of_continuations_are_refused() {
        let mut small = Block::begin(head(0), b"");
        let frames = (0..).take_while(|_| small.go_on(b"").is_ok()).count();
        assert_eq!(frames + 1, MOST_FRAMES);
        let mut large = Block::begin(head(0), b"");
        let frames = (0..).take_while(|_| large.go_on(&[0; 16 << 10]).is_ok()).count();
        assert_eq!(frames * (16 << 10), LARGEST);
    }
}
