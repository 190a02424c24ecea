//! A downstream socket: it tells of its bytes, and it closes so that the last answer arrives.
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

use super::{activity::Activity, refusal, stream::Stream};

/// How long the peer may go on sending after our end.
const LINGER: Duration = Duration::from_secs(3);

/// What HTTP/2 begins with (RFC 9113 §3.4). No HTTP/1 method begins so.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A socket that tells of its bytes.
pub(super) struct Socket {
    stream: Stream,
    activity: Arc<Activity>,
    /// How much of HTTP/2's preface has come; none if the connection speaks something else.
    preface: Option<usize>,
    /// Whether TLS has settled on HTTP/1.1, so that HTTP/2's preface is a mistake: the server that
    /// can upgrade goes by the first bytes alone.
    only_http1: bool,
    /// What is to be written before anything else.
    own: Bytes,
    /// Runs once our end has been sent.
    linger: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    pub(super) fn new(stream: Stream, activity: Arc<Activity>) -> Self {
        Self {
            stream,
            activity,
            preface: Some(0),
            only_http1: false,
            own: Bytes::new(),
            linger: None,
        }
    }

    /// Takes no HTTP/2.
    pub(super) fn only_http1(mut self, only: bool) -> Self {
        self.only_http1 = only;
        self
    }

    fn note_read(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.note_preface(bytes);
        self.activity.note_read();
    }

    /// The first bytes may come one by one.
    fn note_preface(&mut self, bytes: &[u8]) {
        let Some(have) = self.preface else { return };
        let want = &PREFACE[have..];
        let come = bytes.len().min(want.len());
        self.preface = (bytes[..come] == want[..come] && come > 0).then_some(have + come);
        if self.preface == Some(PREFACE.len()) {
            self.activity.note_http2();
            self.preface = None;
        }
    }

    /// Writes what goes before anything else.
    fn poll_own(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.own.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.own))?;
            self.own.advance(written);
        }
        Poll::Ready(Ok(()))
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

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_ready() {
            self.note_read(&buffer.filled()[before..]);
        }
        if self.only_http1 && self.activity.speaks_http2() {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        read
    }
}

impl AsyncWrite for Socket {
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
