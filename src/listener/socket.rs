//! A downstream socket: it tells of its bytes, waits for them while nobody reads, and closes so
//! that the last answer arrives.
//!
//! A peer that is still sending when we close would get a reset, which may overtake the answer that
//! says why (a 413, for example). So after our end of the stream what still comes is read and
//! dropped for a while, as RFC 9112 §9.6 advises.
//!
//! It also puts an answer of our own in the place of one that is hyper's; see [`super::refusal`].

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::{activity::Activity, refusal};

/// How long the peer may go on sending after our end.
const LINGER: Duration = Duration::from_secs(3);

/// What HTTP/2 begins with (RFC 9113 §3.4). No HTTP/1 method begins so.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A socket that tells of its bytes, over TCP or whatever else carries them.
pub(super) struct Socket<S> {
    stream: S,
    activity: Arc<Activity>,
    /// What has been read, and is to be read again.
    ahead: Bytes,
    /// It is HTTP/1.1 for good: only the first bytes can be HTTP/2's preface.
    is_http1: bool,
    /// What is to be written before anything else.
    own: Bytes,
    /// Runs once our end has been sent.
    linger: Option<Pin<Box<Sleep>>>,
}

/// What the first bytes of a connection are the beginning of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tongue {
    Http1,
    Http2,
}

impl<S> Socket<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>) -> Self {
        let (ahead, own) = (Bytes::new(), Bytes::new());
        Self { stream, activity, ahead, is_http1: false, own, linger: None }
    }

    /// Gives back what was read and not used: the beginning of a head.
    pub(super) fn unread(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.activity.note_read();
            self.ahead = bytes;
        }
    }

    /// What the bytes that have come so far begin; not yet known while they could be either.
    fn tongue(&mut self) -> Option<Tongue> {
        if self.ahead.starts_with(PREFACE) && !self.is_http1 {
            return Some(Tongue::Http2);
        }
        let is_open = self.ahead.is_empty() || !self.is_http1 && PREFACE.starts_with(&self.ahead);
        self.is_http1 |= !is_open;
        (!is_open).then_some(Tongue::Http1)
    }
}

impl<S: AsyncRead + Unpin> Socket<S> {
    /// Waits for what the peer says next, with nothing in memory meanwhile. None is its end.
    pub(super) fn poll_arrival(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Tongue>>> {
        // On the stack, and large enough for most requests: then they are read in one go.
        let mut space = [MaybeUninit::uninit(); 4 << 10];
        loop {
            if let Some(tongue) = self.tongue() {
                return Poll::Ready(Ok(Some(tongue)));
            }
            let mut buffer = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok((!self.ahead.is_empty()).then_some(Tongue::Http1)));
            }
            self.activity.note_read();
            self.ahead = [&self.ahead, buffer.filled()].concat().into();
        }
    }

    /// Reads and drops until the peer's end.
    fn poll_dropped(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut space = [MaybeUninit::uninit(); 8 << 10];
        loop {
            let mut buffer = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Socket<S> {
    /// Writes what goes before anything else.
    fn poll_own(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.own.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.own))?;
            self.own.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let length = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead.split_to(length));
            if self.ahead.is_empty() {
                // An empty rest would keep the whole in memory.
                self.ahead = Bytes::new();
            }
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_ready() && buffer.filled().len() > before {
            self.activity.note_read();
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(own) = refusal::instead_of(bytes) {
            self.own = own;
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.activity.note_write(written.is_pending());
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [only] = slices
            && let Some(own) = refusal::instead_of(only)
        {
            self.own = own;
            return Poll::Ready(Ok(only.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.activity.note_write(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_own(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper takes its leave, the connection goes on.
        if self.activity.is_resting() {
            return Poll::Ready(Ok(()));
        }
        if self.linger.is_none() {
            ready!(self.poll_own(cx))?;
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            // Whoever has been idle is not in the middle of sending.
            if self.activity.is_idle() {
                return Poll::Ready(Ok(()));
            }
            self.linger = Some(Box::pin(sleep(LINGER)));
        }
        // A peer that is gone, or has nothing more to say, is the common case.
        if self.poll_dropped(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let timer = self.linger.as_mut().map(|timer| timer.as_mut().poll(cx));
        if timer.is_some_and(|timer| timer.is_pending()) {
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    }
}

impl<S> Drop for Socket<S> {
    fn drop(&mut self) {
        self.activity.note_closed();
    }
}
