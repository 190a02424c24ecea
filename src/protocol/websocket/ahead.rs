//! A socket that can be listened to without being understood.
//!
//! While the backend takes no messages, frames are not read, and so neither is a close frame. A caller
//! who goes away then would be noticed only when the backend takes messages again. So a little is
//! read ahead, as bytes, and kept for later: behind it stands the end of a caller who is gone.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes may be read ahead.
const AHEAD: usize = 64 << 10;

/// How many of them at once.
const PIECE: usize = 8 << 10;

/// An upgraded connection, or a stream of one.
pub(super) struct Ahead<S = TokioIo<Upgraded>> {
    socket: S,
    kept: BytesMut,
    /// Bytes that the caller has sent.
    pub(super) read: u64,
    /// Bytes that the socket has taken.
    pub(super) written: u64,
}

impl<S> Ahead<S> {
    pub(super) fn new(socket: S) -> Self {
        Self { socket, kept: BytesMut::new(), read: 0, written: 0 }
    }
}

impl<S: AsyncRead + Unpin> Ahead<S> {
    /// Completes when the caller is gone; keeps what else it says.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.kept.len() < AHEAD {
            let mut piece = [0; PIECE];
            let mut buffer = ReadBuf::new(&mut piece);
            match ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {
                    self.read += buffer.filled().len() as u64;
                    self.kept.extend_from_slice(buffer.filled());
                }
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Ahead<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.kept.is_empty() {
            let length = this.kept.len().min(buffer.remaining());
            buffer.put_slice(&this.kept[..length]);
            this.kept.advance(length);
            if this.kept.is_empty() {
                // What is rarely needed is not kept.
                this.kept = BytesMut::new();
            }
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.socket).poll_read(cx, buffer);
        this.read += (buffer.filled().len() - before) as u64;
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Ahead<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.socket).poll_write(cx, bytes))?;
        self.written += written as u64;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn what_is_read_ahead_is_read_later_and_bounded() {
        let (mut caller, socket) = duplex(AHEAD * 2);
        let mut ahead = Ahead::new(socket);
        caller.write_all(&[7; AHEAD + PIECE]).await.unwrap();
        assert!(poll_fn(|cx| Poll::Ready(ahead.poll_gone(cx))).await.is_pending());
        assert_eq!(ahead.kept.len(), AHEAD);
        drop(caller);
        let mut all = Vec::new();
        ahead.read_to_end(&mut all).await.unwrap();
        assert_eq!((all.len(), ahead.read), (AHEAD + PIECE, (AHEAD + PIECE) as u64));
    }

    #[tokio::test]
    async fn caller_who_goes_is_noticed_behind_what_it_said() {
        let (mut caller, socket) = duplex(1024);
        let mut ahead = Ahead::new(socket);
        caller.write_all(b"last words").await.unwrap();
        drop(caller);
        poll_fn(|cx| ahead.poll_gone(cx)).await;
        assert_eq!(&ahead.kept[..], b"last words");
    }
}
