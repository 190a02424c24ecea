//! A socket whose small writes leave together, at the end of a turn.
//!
//! ```text
//! turn of a connection's task:  write 1.1 KB, flush, write 1.1 KB, flush, write 40 B, flush │ pull
//! socket:                                                                                   2.2 KB
//! ```
//!
//! An HTTP/2 library writes and flushes each larger frame by itself, since only what drives it knows
//! when there is nothing more to say. For small calls that system call is the largest part of their
//! cost. So a flush only notes what is to leave, and whoever drives the connection pulls the cork
//! when the library has had its turn.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use smallvec::SmallVec;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes are held at most. What is larger than what is left leaves at once, uncopied.
const HELD: usize = 32 << 10;

/// A socket that holds what is written until its [`Puller`] lets it go, or it is shut down.
pub struct Corked<S>(Arc<Mutex<Cork<S>>>);

/// Lets go what a [`Corked`] socket holds. To be used by the task that uses the socket.
pub struct Puller<S>(Arc<Mutex<Cork<S>>>);

struct Cork<S> {
    stream: S,
    held: Vec<u8>,
    /// How much of `held` has left.
    begin: usize,
    /// The stream has bytes that it may not have passed on.
    unflushed: bool,
    /// Why nothing leaves any more; told at the next write.
    failure: Option<io::Error>,
}

/// Corks a socket.
pub fn cork<S>(stream: S) -> (Corked<S>, Puller<S>) {
    let cork = Cork { stream, held: Vec::new(), begin: 0, unflushed: false, failure: None };
    let cork = Arc::new(Mutex::new(cork));
    (Corked(cork.clone()), Puller(cork))
}

/// Both ends are on one task, so nobody ever waits here.
fn lock<S>(cork: &Mutex<Cork<S>>) -> MutexGuard<'_, Cork<S>> {
    cork.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: AsyncWrite + Unpin> Puller<S> {
    /// Writes what is held. What the peer doesn't take yet wakes the task when it does; a failure
    /// wakes it at once, and is the outcome of its next write or flush.
    pub fn pull(&self, cx: &mut Context<'_>) {
        let mut cork = lock(&self.0);
        if let Poll::Ready(Err(error)) = cork.poll_let_go(cx) {
            cork.failure = Some(error);
            cx.waker().wake_by_ref();
        }
    }
}

impl<S: AsyncWrite + Unpin> Cork<S> {
    fn poll_let_go(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.begin < self.held.len() {
            let held = &self.held[self.begin..];
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, held))?;
            self.advance(written)?;
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// So many bytes of those that are held have left.
    fn advance(&mut self, written: usize) -> io::Result<()> {
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.unflushed = true;
        self.begin += written;
        if self.begin == self.held.len() {
            // A connection that says nothing needs no room for it.
            (self.held, self.begin) = (Vec::new(), 0);
        }
        Ok(())
    }

    fn poll_slices(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Err(failure));
        }
        let length: usize = slices.iter().map(|slice| slice.len()).sum();
        if self.held.len() + length > HELD {
            if length > HELD / 2 {
                return self.poll_through(cx, slices);
            }
            ready!(self.poll_let_go(cx))?;
        }
        slices.iter().for_each(|slice| self.held.extend_from_slice(slice));
        Poll::Ready(Ok(length))
    }

    /// Writes slices that are not worth a copy, behind what is held.
    fn poll_through(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            let held = self.held.len() - self.begin;
            let stream = Pin::new(&mut self.stream);
            if held == 0 {
                self.unflushed = true;
                return stream.poll_write_vectored(cx, slices);
            }
            let mut all: SmallVec<[IoSlice<'_>; 8]> = SmallVec::with_capacity(slices.len() + 1);
            all.push(IoSlice::new(&self.held[self.begin..]));
            all.extend(slices.iter().copied());
            let written = ready!(stream.poll_write_vectored(cx, &all))?;
            drop(all);
            self.advance(written.min(held))?;
            if written > held {
                return Poll::Ready(Ok(written - held));
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Corked<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut lock(&self.0).stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Corked<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        lock(&self.0).poll_slices(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        lock(&self.0).poll_slices(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        lock(&self.0).stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(lock(&self.0).failure.take().map_or(Ok(()), Err))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut cork = lock(&self.0);
        ready!(cork.poll_let_go(cx))?;
        Pin::new(&mut cork.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
