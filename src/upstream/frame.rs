//! gRPC's message frames: a compression flag, a length, the message.
//!
//! ```text
//! frame = flag length message ;   flag = %x00 / %x01 ;   length = 4 octets, big endian
//! ```
//!
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>.) A frame goes out without
//! a copy of its message, and a message that came in one piece is a slice of that piece.

use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

use crate::error::{Code, Error, Origin};

const PREFIX: usize = 5;

/// Room that is made at once for a message whose length is only a claim.
const TRUSTED: usize = 1 << 20;

/// One frame on its way out: a prefix, and the message as it is.
#[derive(Debug)]
pub(super) struct Framed {
    prefix: [u8; PREFIX],
    sent: usize,
    message: Bytes,
}

impl Framed {
    /// The frame of a message; `None` if four octets can't tell its length.
    pub(super) fn new(message: Bytes) -> Option<Self> {
        let length = u32::try_from(message.len()).ok()?.to_be_bytes();
        let prefix = [0, length[0], length[1], length[2], length[3]];
        Some(Self { prefix, sent: 0, message })
    }

    /// Nothing at all, to end a stream with.
    pub(super) fn nothing() -> Self {
        Self { prefix: [0; PREFIX], sent: PREFIX, message: Bytes::new() }
    }
}

impl Buf for Framed {
    fn remaining(&self) -> usize {
        PREFIX - self.sent + self.message.len()
    }

    fn chunk(&self) -> &[u8] {
        if self.sent < PREFIX { &self.prefix[self.sent..] } else { &self.message }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let parts = [&self.prefix[self.sent..], &self.message[..]];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        let mut filled = 0;
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = IoSlice::new(part);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, count: usize) {
        let prefix = count.min(PREFIX - self.sent);
        self.sent += prefix;
        self.message.advance(count - prefix);
    }
}

/// Finds the messages in what a backend sends, piece by piece.
///
/// ```
/// # use transom::upstream::frame::FrameReader;
/// let mut reader = FrameReader::new(100);
/// reader.push(b"\0\0\0\0\x05he"[..].into());
/// assert_eq!(reader.next_message()?, None);
/// reader.push(b"llo"[..].into());
/// assert_eq!(reader.next_message()?.as_deref(), Some(&b"hello"[..]));
/// assert!(reader.is_between_messages());
/// # Ok::<(), transom::error::Error>(())
/// ```
#[derive(Debug)]
pub struct FrameReader {
    limit: usize,
    piece: Bytes,
    prefix: [u8; PREFIX],
    have: usize,
    /// A message whose prefix is known and whose end is not here yet.
    partial: Option<Partial>,
}

#[derive(Debug)]
struct Partial {
    length: usize,
    buffer: BytesMut,
}

impl FrameReader {
    /// A reader that refuses messages of more than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, piece: Bytes::new(), prefix: [0; PREFIX], have: 0, partial: None }
    }

    /// Takes the next piece; the one before has been used up, as [`Self::next_message`] gave `None`.
    pub fn push(&mut self, piece: Bytes) {
        debug_assert!(self.piece.is_empty());
        self.piece = piece;
    }

    /// The next whole message, or `None` if another piece is needed.
    ///
    /// # Errors
    /// A frame is compressed, is none at all, or is longer than the limit. After an error the
    /// reader is of no use.
    pub fn next_message(&mut self) -> Result<Option<Bytes>, Error> {
        if self.partial.is_none() {
            let Some(length) = self.read_prefix()? else { return Ok(None) };
            if self.piece.len() >= length {
                return Ok(Some(self.piece.split_to(length)));
            }
            let buffer = BytesMut::with_capacity(length.min(TRUSTED));
            self.partial = Some(Partial { length, buffer });
        }
        Ok(self.continue_partial())
    }

    /// Whether no message has begun that is not yet whole.
    pub fn is_between_messages(&self) -> bool {
        self.have == 0 && self.partial.is_none() && self.piece.is_empty()
    }

    fn read_prefix(&mut self) -> Result<Option<usize>, Error> {
        let count = self.piece.len().min(PREFIX - self.have);
        self.prefix[self.have..self.have + count].copy_from_slice(&self.piece[..count]);
        self.piece.advance(count);
        self.have += count;
        // The flag is judged as soon as it is here: what isn't gRPC should not be waited for.
        if self.have > 0 && self.prefix[0] != 0 {
            return Err(wrong_flag(self.prefix[0]));
        }
        if self.have < PREFIX {
            return Ok(None);
        }
        self.have = 0;
        let [_, length @ ..] = self.prefix;
        let length = u32::from_be_bytes(length) as usize;
        if length > self.limit { Err(too_large(length, self.limit)) } else { Ok(Some(length)) }
    }

    fn continue_partial(&mut self) -> Option<Bytes> {
        let partial = self.partial.as_mut()?;
        let missing = partial.length - partial.buffer.len();
        let count = missing.min(self.piece.len());
        if partial.buffer.capacity() - partial.buffer.len() < count {
            // Doubles, but never beyond what the message needs.
            partial.buffer.reserve(missing.min(partial.buffer.len().max(count)));
        }
        partial.buffer.extend_from_slice(&self.piece[..count]);
        self.piece.advance(count);
        if count < missing {
            return None;
        }
        self.partial.take().map(|partial| partial.buffer.freeze())
    }
}

fn wrong_flag(flag: u8) -> Error {
    let message = if flag == 1 {
        "the backend sent a compressed message, though none was asked for".to_owned()
    } else {
        format!("the backend sent no gRPC message: a frame begins with {flag:#04x} instead of 0x00")
    };
    Error::new(Code::Internal, "upstream_broken_frame", message).with_origin(Origin::Upstream)
}

fn too_large(length: usize, limit: usize) -> Error {
    Error::new(
        Code::ResourceExhausted,
        "upstream_message_too_large",
        format!("the backend's message of {length} bytes is above the limit of {limit} bytes"),
    )
    .with_origin(Origin::Upstream)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(message: &[u8]) -> Vec<u8> {
        let mut framed = Framed::new(Bytes::copy_from_slice(message)).unwrap();
        framed.copy_to_bytes(framed.remaining()).to_vec()
    }

    fn read_all(reader: &mut FrameReader, pieces: &[&[u8]]) -> Vec<Bytes> {
        let mut messages = Vec::new();
        for piece in pieces {
            reader.push(Bytes::copy_from_slice(piece));
            while let Some(message) = reader.next_message().unwrap() {
                messages.push(message);
            }
        }
        messages
    }

    #[test]
    fn frame_is_prefix_and_message() {
        assert_eq!(frame(b"abc"), b"\0\0\0\0\x03abc");
        assert_eq!(frame(b""), b"\0\0\0\0\0");
        assert_eq!(Framed::nothing().remaining(), 0);
        assert_eq!(Framed::nothing().chunks_vectored(&mut [IoSlice::new(&[])]), 0);
    }

    #[test]
    fn frame_is_written_from_any_place() {
        for cut in 0..8 {
            let mut framed = Framed::new(Bytes::from_static(b"abc")).unwrap();
            framed.advance(cut);
            let mut slices = [IoSlice::new(&[]), IoSlice::new(&[])];
            let filled = framed.chunks_vectored(&mut slices);
            let written: Vec<u8> = slices[..filled].iter().flat_map(|s| s.to_vec()).collect();
            assert_eq!(written, &b"\0\0\0\0\x03abc"[cut..]);
            assert_eq!(framed.remaining(), 8 - cut);
            assert_eq!(framed.copy_to_bytes(8 - cut), &b"\0\0\0\0\x03abc"[cut..]);
        }
    }

    #[test]
    fn messages_are_found_wherever_the_stream_is_cut() {
        let stream = [frame(b"hello"), frame(b""), frame(&[7; 300]), frame(b"x")].concat();
        let whole = read_all(&mut FrameReader::new(1000), &[&stream]);
        assert_eq!(whole.iter().map(Bytes::len).collect::<Vec<_>>(), [5, 0, 300, 1]);
        for cut in 0..=stream.len() {
            let mut reader = FrameReader::new(1000);
            assert_eq!(read_all(&mut reader, &[&stream[..cut], &stream[cut..]]), whole);
            assert!(reader.is_between_messages());
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(read_all(&mut FrameReader::new(1000), &bytes), whole);
    }

    #[test]
    fn message_in_one_piece_is_not_copied() {
        let piece = Bytes::from(frame(b"hello"));
        let mut reader = FrameReader::new(100);
        reader.push(piece.clone());
        let message = reader.next_message().unwrap().unwrap();
        assert_eq!(message.as_ptr(), piece[5..].as_ptr());
    }

    #[test]
    fn message_above_the_limit_is_refused_by_its_prefix() {
        let mut reader = FrameReader::new(10);
        reader.push(Bytes::from_static(b"\0\0\0\0\x0b"));
        let error = reader.next_message().unwrap_err();
        assert_eq!(error.code(), Code::ResourceExhausted);
        assert!(error.message().contains("11 bytes"), "{error}");
    }

    #[test]
    fn claimed_length_takes_no_memory() {
        let mut reader = FrameReader::new(usize::MAX);
        reader.push(Bytes::from_static(b"\0\xff\xff\xff\xffabc"));
        assert!(reader.next_message().unwrap().is_none());
        assert!(reader.partial.as_ref().unwrap().buffer.capacity() <= 2 * TRUSTED);
        assert!(!reader.is_between_messages());
    }

    #[test]
    fn what_is_not_grpc_is_refused_at_once() {
        for (first, text) in [(1, "compressed"), (b'<', "0x3c")] {
            let mut reader = FrameReader::new(10);
            reader.push(Bytes::copy_from_slice(&[first]));
            let error = reader.next_message().unwrap_err();
            assert_eq!(error.code(), Code::Internal);
            assert!(error.message().contains(text), "{error}");
        }
    }
}
