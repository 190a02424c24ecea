//! The frames that gRPC, gRPC-Web and Connect put messages in: a flag, a length, the payload.
//!
//! ```text
//! frame  = flag length payload ;   length = 4 octets, big endian
//! flag   = %x00                    ; a message
//!        / %x01                    ; a compressed message
//!        / %x02 / %x03             ; Connect: the end of a stream, and a compressed one
//!        / %x80 / %x81             ; gRPC-Web: the trailers, and compressed ones
//! ```
//!
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>,
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>,
//! <https://connectrpc.com/docs/protocol>.) A frame goes out without a copy of its payload, and a
//! payload that came in one piece is a slice of that piece.

use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

/// The flag of a message as it is.
pub const MESSAGE: u8 = 0x00;
/// The bit of a payload that is compressed.
pub const COMPRESSED: u8 = 0x01;
/// The bit of Connect's end of a stream.
pub const END_STREAM: u8 = 0x02;
/// The bit of gRPC-Web's trailers.
pub const TRAILERS: u8 = 0x80;

/// How many octets stand before a payload.
pub const PREFIX: usize = 5;

/// Room that is made at once for a message whose length is only a claim.
const TRUSTED: usize = 1 << 20;

/// One frame on its way out: a prefix, and the payload as it is.
#[derive(Debug)]
pub struct Framed {
    prefix: [u8; PREFIX],
    sent: usize,
    payload: Bytes,
}

impl Framed {
    /// The frame of a message; `None` if four octets can't tell its length.
    pub fn new(message: Bytes) -> Option<Self> {
        Self::flagged(MESSAGE, message)
    }

    /// The frame of a payload with this flag; `None` if four octets can't tell its length.
    pub fn flagged(flag: u8, payload: Bytes) -> Option<Self> {
        let prefix = prefix(flag, payload.len())?;
        Some(Self { prefix, sent: 0, payload })
    }

    /// Nothing at all, to end a stream with.
    pub fn nothing() -> Self {
        Self { prefix: [0; PREFIX], sent: PREFIX, payload: Bytes::new() }
    }
}

impl Buf for Framed {
    fn remaining(&self) -> usize {
        PREFIX - self.sent + self.payload.len()
    }

    fn chunk(&self) -> &[u8] {
        if self.sent < PREFIX { &self.prefix[self.sent..] } else { &self.payload }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let parts = [&self.prefix[self.sent..], &self.payload[..]];
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
        self.payload.advance(count - prefix);
    }
}

/// The five octets before a payload of this length; `None` if four octets can't tell it.
pub fn prefix(flag: u8, length: usize) -> Option<[u8; PREFIX]> {
    let length = u32::try_from(length).ok()?.to_be_bytes();
    Some([flag, length[0], length[1], length[2], length[3]])
}

/// A frame that has come in whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its flag, one of those that the reader accepts.
    pub flag: u8,
    /// What it carries, as on the wire.
    pub payload: Bytes,
}

/// Why what came is no frame that may come. Whoever reads tells it in its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The frame begins with a flag that has no meaning here.
    Flag(u8),
    /// The frame is longer than the limit.
    TooLarge {
        /// The payload's length as its prefix claims, in bytes.
        length: usize,
        /// What is allowed, in bytes.
        limit: usize,
    },
}

/// Finds the frames in what a peer sends, piece by piece.
///
/// ```
/// # use transom::frame::FrameReader;
/// let mut reader = FrameReader::new(100);
/// reader.push(b"\0\0\0\0\x05he"[..].into());
/// assert_eq!(reader.next_frame()?, None);
/// reader.push(b"llo"[..].into());
/// assert_eq!(reader.next_frame()?.unwrap().payload, "hello");
/// assert!(reader.is_between_frames());
/// # Ok::<(), transom::frame::Fault>(())
/// ```
#[derive(Debug)]
pub struct FrameReader {
    limit: usize,
    /// The bits that a flag may have.
    bits: u8,
    piece: Bytes,
    prefix: [u8; PREFIX],
    have: usize,
    /// A frame whose prefix is known and whose end is not here yet.
    partial: Option<Partial>,
}

#[derive(Debug)]
struct Partial {
    flag: u8,
    length: usize,
    buffer: BytesMut,
}

impl FrameReader {
    /// A reader that takes plain messages of up to `limit` bytes and refuses all else.
    pub fn new(limit: usize) -> Self {
        Self { limit, bits: 0, piece: Bytes::new(), prefix: [0; PREFIX], have: 0, partial: None }
    }

    /// Takes frames whose flags have these bits as well.
    pub fn accept(mut self, bits: u8) -> Self {
        self.bits |= bits;
        self
    }

    /// Takes the next piece; the one before has been used up, as [`Self::next_frame`] gave `None`.
    pub fn push(&mut self, piece: Bytes) {
        debug_assert!(self.piece.is_empty());
        self.piece = piece;
    }

    /// The next whole frame, or `None` if another piece is needed.
    ///
    /// # Errors
    /// The flag is none of those accepted, or the frame is longer than the limit. After an error
    /// the reader is of no use.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Fault> {
        if self.partial.is_none() {
            let Some(length) = self.read_prefix()? else { return Ok(None) };
            let flag = self.prefix[0];
            if self.piece.len() >= length {
                return Ok(Some(Frame { flag, payload: self.piece.split_to(length) }));
            }
            let buffer = BytesMut::with_capacity(length.min(TRUSTED));
            self.partial = Some(Partial { flag, length, buffer });
        }
        Ok(self.continue_partial())
    }

    /// Whether no frame has begun that is not yet whole.
    pub fn is_between_frames(&self) -> bool {
        self.have == 0 && self.partial.is_none() && self.piece.is_empty()
    }

    fn read_prefix(&mut self) -> Result<Option<usize>, Fault> {
        let count = self.piece.len().min(PREFIX - self.have);
        self.prefix[self.have..self.have + count].copy_from_slice(&self.piece[..count]);
        self.piece.advance(count);
        self.have += count;
        // The flag is judged as soon as it is here: what has no frames should not be waited for.
        if self.have > 0 && self.prefix[0] & !self.bits != 0 {
            return Err(Fault::Flag(self.prefix[0]));
        }
        if self.have < PREFIX {
            return Ok(None);
        }
        self.have = 0;
        let [_, length @ ..] = self.prefix;
        let (length, limit) = (u32::from_be_bytes(length) as usize, self.limit);
        if length > limit { Err(Fault::TooLarge { length, limit }) } else { Ok(Some(length)) }
    }

    fn continue_partial(&mut self) -> Option<Frame> {
        let partial = self.partial.as_mut()?;
        let missing = partial.length - partial.buffer.len();
        let count = missing.min(self.piece.len());
        if partial.buffer.capacity() - partial.buffer.len() < count {
            // Doubles, but never beyond what the payload needs.
            partial.buffer.reserve(missing.min(partial.buffer.len().max(count)));
        }
        partial.buffer.extend_from_slice(&self.piece[..count]);
        self.piece.advance(count);
        if count < missing {
            return None;
        }
        let Partial { flag, buffer, .. } = self.partial.take()?;
        Some(Frame { flag, payload: buffer.freeze() })
    }
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
            while let Some(frame) = reader.next_frame().unwrap() {
                messages.push(frame.payload);
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
            assert!(reader.is_between_frames());
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(read_all(&mut FrameReader::new(1000), &bytes), whole);
    }

    #[test]
    fn message_in_one_piece_is_not_copied() {
        let piece = Bytes::from(frame(b"hello"));
        let mut reader = FrameReader::new(100);
        reader.push(piece.clone());
        let frame = reader.next_frame().unwrap().unwrap();
        assert_eq!(frame.payload.as_ptr(), piece[5..].as_ptr());
    }

    #[test]
    fn message_above_the_limit_is_refused_by_its_prefix() {
        let mut reader = FrameReader::new(10);
        reader.push(Bytes::from_static(b"\0\0\0\0\x0b"));
        assert_eq!(reader.next_frame(), Err(Fault::TooLarge { length: 11, limit: 10 }));
    }

    #[test]
    fn claimed_length_takes_no_memory() {
        let mut reader = FrameReader::new(usize::MAX);
        reader.push(Bytes::from_static(b"\0\xff\xff\xff\xffabc"));
        assert!(reader.next_frame().unwrap().is_none());
        assert!(reader.partial.as_ref().unwrap().buffer.capacity() <= 2 * TRUSTED);
        assert!(!reader.is_between_frames());
    }

    #[test]
    fn flag_that_is_not_accepted_is_refused_at_once() {
        for flag in [COMPRESSED, END_STREAM, TRAILERS, b'<'] {
            let mut reader = FrameReader::new(10);
            reader.push(Bytes::copy_from_slice(&[flag]));
            assert_eq!(reader.next_frame(), Err(Fault::Flag(flag)));
        }
    }

    #[test]
    fn accepted_flags_may_be_joined() {
        for flag in [MESSAGE, COMPRESSED, TRAILERS, TRAILERS | COMPRESSED] {
            let mut framed = Framed::flagged(flag, Bytes::from_static(b"abc")).unwrap();
            let mut reader = FrameReader::new(10).accept(COMPRESSED | TRAILERS);
            reader.push(framed.copy_to_bytes(framed.remaining()));
            let frame = reader.next_frame().unwrap().unwrap();
            assert_eq!((frame.flag, &frame.payload[..]), (flag, &b"abc"[..]));
        }
    }
}
