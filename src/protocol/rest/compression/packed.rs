//! A body that is packed while it leaves.
//!
//! What is ready together is packed together; when there is nothing more to read, all of it is
//! flushed and leaves. After so many bytes the worker's other connections have their turn.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};

use crate::{
    coding::Packer,
    error::Error,
    protocol::{Refusal, ResponseBody, body::StreamedBody, break_off::BreakOff},
};

/// How many bytes are packed before others have their turn: a millisecond's work or two.
const TURN: usize = 64 << 10;

/// A body and what packs it.
pub(super) struct Packed {
    inner: ResponseBody,
    packer: Option<Packer>,
    /// Read and not yet packed.
    input: Bytes,
    /// Bytes packed since the last turn.
    worked: usize,
    /// Something has been packed that has not left.
    held: bool,
    state: State,
}

enum State {
    Running,
    Failing(BreakOff),
    Trailing(HeaderMap),
    Ended,
}

impl Packed {
    pub(super) fn new(packer: Packer, inner: ResponseBody) -> Self {
        let (packer, input) = (Some(packer), Bytes::new());
        Self { inner, packer, input, worked: 0, held: false, state: State::Running }
    }

    /// Packs what has been read, up to the end of the turn; gives what has come out by then.
    fn work(&mut self) -> Result<Bytes, Error> {
        let Some(packer) = &mut self.packer else { return Ok(Bytes::new()) };
        let room = TURN - self.worked;
        let piece = self.input.split_to(room.min(self.input.len()));
        packer.push(&piece)?;
        self.worked += piece.len();
        self.held = true;
        Ok(if self.worked < TURN { Bytes::new() } else { packer.take() })
    }

    /// Everything packed so far.
    fn flush(&mut self) -> Result<Bytes, Error> {
        self.held = false;
        self.packer.as_mut().map_or(Ok(Bytes::new()), Packer::flush)
    }

    fn finish(&mut self) -> Result<Bytes, Error> {
        self.held = false;
        self.packer.take().map_or(Ok(Bytes::new()), Packer::finish)
    }

    /// Reads on. Gives what is to leave, if anything is.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Error>> {
        Poll::Ready(match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Pending if self.held => self.flush(),
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => {
                    self.input = data;
                    Ok(Bytes::new())
                }
                Err(frame) => {
                    self.state = State::Trailing(frame.into_trailers().unwrap_or_default());
                    self.finish()
                }
            },
            Poll::Ready(Some(Err(error))) => {
                // What came before the error still leaves, without the coding's own end.
                self.state = State::Failing(BreakOff::new(error));
                if self.held { self.flush() } else { Ok(Bytes::new()) }
            }
            Poll::Ready(None) => {
                self.state = State::Ended;
                self.finish()
            }
        })
    }

    fn poll_packed(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Error>> {
        if self.worked >= TURN {
            self.worked = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.input.is_empty() { self.read(cx) } else { Poll::Ready(self.work()) }
    }
}

impl Body for Packed {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        loop {
            match &mut this.state {
                State::Running => {}
                State::Failing(error) => return error.poll_frame(cx),
                State::Trailing(trailers) => {
                    let trailers = std::mem::take(trailers);
                    this.state = State::Ended;
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                State::Ended => return Poll::Ready(None),
            }
            match this.poll_packed(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(data)) if data.is_empty() => {}
                Poll::Ready(Ok(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Poll::Ready(Err(error)) => this.state = State::Failing(BreakOff::new(error)),
            }
        }
    }
}

impl StreamedBody for Packed {
    fn told(&self) -> Option<Refusal> {
        match &self.inner {
            ResponseBody::Stream(inner) => inner.told(),
            ResponseBody::Empty | ResponseBody::Whole(_) | ResponseBody::Trailed(..) => None,
        }
    }
}
