//! What has come of a stream's DATA and nobody has taken yet.
//!
//! Small pieces are copied together: one by one they would cost more memory than the window
//! tells, and the reader more time. A large piece stays the part of the read buffer that it is.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

/// A piece of so many bytes may keep the buffer that it was read into, which is eight times that.
const LARGE: usize = 8 << 10;

/// Unread data.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    whole: VecDeque<Bytes>,
    tail: BytesMut,
    length: usize,
}

impl Pieces {
    /// Appends the first `count` bytes of a buffer, and takes them out of it.
    pub(super) fn append(&mut self, buffer: &mut BytesMut, count: usize) {
        self.length += count;
        if count < LARGE {
            self.tail.extend_from_slice(&buffer[..count]);
            buffer.advance(count);
        } else {
            self.seal();
            self.whole.push_back(buffer.split_to(count).freeze());
        }
    }

    /// How many bytes wait.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Gives all of it away.
    pub(super) fn take(&mut self, into: &mut VecDeque<Bytes>) {
        self.length = 0;
        into.append(&mut self.whole);
        if !self.tail.is_empty() {
            into.push_back(std::mem::take(&mut self.tail).freeze());
        }
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.whole.push_back(std::mem::take(&mut self.tail).freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pieces_are_joined_and_large_ones_are_not_copied() {
        let mut pieces = Pieces::default();
        let mut buffer = BytesMut::from(&[7; 3 * LARGE][..]);
        let large = buffer[20..].as_ptr();
        for count in [10, 10, LARGE, 1, 1] {
            pieces.append(&mut buffer, count);
        }
        assert_eq!(pieces.len(), LARGE + 22);
        let mut taken = VecDeque::new();
        pieces.take(&mut taken);
        assert_eq!(taken.iter().map(Bytes::len).collect::<Vec<_>>(), [20, LARGE, 2]);
        assert_eq!(taken[1].as_ptr(), large);
        assert_eq!(pieces.len(), 0);
    }
}
