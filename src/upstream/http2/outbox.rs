//! What is to leave, in order: small things copied into one buffer, large payloads as they are.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use smallvec::SmallVec;
use tokio::io::AsyncWrite;

use crate::frame::Framed;

/// A payload of so many bytes is cheaper to refer to than to copy.
const LARGE: usize = 4 << 10;

/// How many slices are written at once, at most.
const SLICES: usize = 64;

/// Room that is kept while nothing is to leave.
const KEPT: usize = 16 << 10;

/// Room for what has left, until it is used again.
const COMPACTED: usize = 64 << 10;

/// The bytes that are to leave.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    buffer: Vec<u8>,
    /// Payloads, each with the place in the buffer that it stands before.
    payloads: VecDeque<(usize, Bytes)>,
    /// How much of the buffer has left.
    begin: usize,
    /// How many bytes are in the payloads.
    outside: usize,
    /// How many bytes have left since the start.
    left: u64,
    /// The socket may hold bytes back until it is flushed.
    unflushed: bool,
}

impl Outbox {
    /// The end of the buffer, to append to.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// How many bytes wait.
    pub(super) fn len(&self) -> usize {
        self.buffer.len() - self.begin + self.outside
    }

    /// How many bytes had been given when the next one is.
    pub(super) fn position(&self) -> u64 {
        self.left + self.len() as u64
    }

    /// How many bytes have left.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Appends the next `count` bytes of a message in its frame.
    pub(super) fn append(&mut self, framed: &mut Framed, mut count: usize) {
        while count > 0 {
            let chunk = framed.chunk();
            let taken = chunk.len().min(count);
            if taken < LARGE {
                self.buffer.extend_from_slice(&chunk[..taken]);
                framed.advance(taken);
            } else {
                self.payloads.push_back((self.buffer.len(), framed.copy_to_bytes(taken)));
                self.outside += taken;
            }
            count -= taken;
        }
    }

    /// Writes until nothing is left or the socket takes no more.
    pub(super) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        socket: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.len() > 0 {
            let written = if self.payloads.is_empty() {
                ready!(Pin::new(&mut *socket).poll_write(cx, &self.buffer[self.begin..]))?
            } else {
                ready!(Pin::new(&mut *socket).poll_write_vectored(cx, &self.slices()))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        if self.unflushed {
            ready!(Pin::new(socket).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn slices(&self) -> SmallVec<[IoSlice<'_>; SLICES]> {
        let mut slices = SmallVec::new();
        let mut begin = self.begin;
        for (place, payload) in self.payloads.iter().take(SLICES / 2) {
            if *place > begin {
                slices.push(IoSlice::new(&self.buffer[begin..*place]));
                begin = *place;
            }
            slices.push(IoSlice::new(payload));
        }
        let end = self.payloads.get(SLICES / 2).map_or(self.buffer.len(), |(place, _)| *place);
        if end > begin && slices.len() < SLICES {
            slices.push(IoSlice::new(&self.buffer[begin..end]));
        }
        slices
    }

    fn advance(&mut self, mut written: usize) {
        self.unflushed = true;
        self.left += written as u64;
        while let Some((place, payload)) = self.payloads.front_mut() {
            let before = (*place - self.begin).min(written);
            self.begin += before;
            written -= before;
            let taken = payload.len().min(written);
            payload.advance(taken);
            self.outside -= taken;
            written -= taken;
            if *place > self.begin || !payload.is_empty() {
                break;
            }
            self.payloads.pop_front();
        }
        self.begin += written;
        if self.begin == self.buffer.len() && self.payloads.is_empty() {
            self.begin = 0;
            self.buffer.clear();
            self.buffer.shrink_to(KEPT);
        } else if self.begin > COMPACTED && self.begin > self.buffer.len() / 2 {
            // A socket that is never empty must not make the buffer grow for ever.
            self.buffer.drain(..self.begin);
            self.payloads.iter_mut().for_each(|(place, _)| *place -= self.begin);
            self.begin = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes at a time.
    struct Slow(Vec<u8>, usize);

    impl AsyncWrite for Slow {
        fn poll_write(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            data: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(data)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            let taken = all.len().min(self.1);
            self.0.extend_from_slice(&all[..taken]);
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn bytes_leave_in_order_however_many_are_taken_at_once() {
        for step in [100, 4096, 5000, 1 << 20] {
            let (mut outbox, mut wanted) = (Outbox::default(), Vec::new());
            let mut socket = Slow(Vec::new(), step);
            for turn in 0..120_u8 {
                outbox.buffer().extend_from_slice(&[turn; 3]);
                wanted.extend_from_slice(&[turn; 3]);
                let length = if turn % 3 == 0 { LARGE } else { usize::from(turn) };
                let mut framed = Framed::new(vec![turn; length].into()).unwrap();
                wanted.extend_from_slice(&[0, 0, 0]);
                wanted.extend_from_slice(&(length as u16).to_be_bytes());
                wanted.extend_from_slice(&vec![turn; length]);
                outbox.append(&mut framed, length);
                outbox.append(&mut framed, 5);
                assert_eq!(outbox.position(), wanted.len() as u64);
            }
            assert_eq!(outbox.len(), wanted.len());
            let mut cx = Context::from_waker(std::task::Waker::noop());
            assert!(outbox.poll_write(&mut socket, &mut cx).is_ready());
            assert_eq!(socket.0, wanted, "{step}");
            assert_eq!((outbox.len(), outbox.left()), (0, wanted.len() as u64));
            assert!(outbox.buffer.capacity() <= KEPT.max(wanted.len()));
        }
    }
}
