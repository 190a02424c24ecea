//! Server streams as they leave: messages that are ready together leave in one write, and the
//! next one is only asked for when the caller has taken what went before.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use http_body::{Body, Frame};

use super::{binding::Binding, failure, negotiate::Framing};
use crate::{error::Error, exchange::Messages};

/// How many bytes of messages that are ready make one write.
const BATCH: usize = 32 << 10;

/// A stream of messages as JSON in one of the framings.
pub(super) struct StreamBody {
    binding: Arc<Binding>,
    framing: Framing,
    /// What is written already: the first message, which decided about the status.
    begun: Vec<u8>,
    messages: Messages,
    /// Whether a message has been written.
    started: bool,
    /// What the write before took, in bytes, and some more.
    usual: usize,
    state: State,
}

enum State {
    Running,
    /// What was gathered has been handed over; once it has left the stream breaks off with this.
    Failing(Error),
    /// It has left.
    Broken(Error),
    /// Only the declared trailers are left.
    Trailing,
    Ended,
}

impl StreamBody {
    /// A stream whose first message, if it has one, is at hand.
    ///
    /// # Errors
    /// The first message can't be written as JSON.
    pub(super) fn new(
        binding: Arc<Binding>,
        framing: Framing,
        first: Option<&Bytes>,
        messages: Messages,
    ) -> Result<Self, Error> {
        let (begun, state) = (Vec::new(), State::Running);
        let mut stream =
            Self { binding, framing, begun, messages, started: false, usual: 0, state };
        if let Some(first) = first {
            let mut begun = Vec::with_capacity(first.len() * 3 + 64);
            stream.append(first, &mut begun)?;
            stream.begun = begun;
        }
        Ok(stream)
    }

    /// Appends one message in its frame. What was appended of a message that fails is taken back.
    fn append(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let begin = out.len();
        let (before, after): (&[u8], &[u8]) = match self.framing {
            Framing::Array if self.started => (b",", b""),
            Framing::Array => (b"[", b""),
            Framing::Lines => (b"", b"\n"),
            Framing::Sequence => (b"\x1e", b"\n"),
            Framing::Events => (b"data: ", b"\n\n"),
        };
        out.extend_from_slice(before);
        if let Err(error) = self.binding.write_json(message, out) {
            out.truncate(begin);
            return Err(error);
        }
        out.extend_from_slice(after);
        self.started = true;
        Ok(())
    }

    /// The end after the last message.
    fn finish(&mut self, out: &mut Vec<u8>) {
        if self.framing == Framing::Array {
            out.extend_from_slice(if self.started { b"]" } else { b"[]" });
        }
        self.state = State::Trailing;
    }

    /// A late error: told in the stream where its form allows, else the stream breaks off, so that
    /// nobody takes a part for the whole.
    fn fail(&mut self, error: Error, out: &mut Vec<u8>) {
        let status = failure::status_json(&error, &self.binding.plans);
        let (before, after): (&[u8], &[u8]) = match self.framing {
            Framing::Array => {
                self.state = State::Failing(error);
                return;
            }
            Framing::Lines => (b"{\"error\":", b"}\n"),
            Framing::Sequence => (b"\x1e{\"error\":", b"}\n"),
            Framing::Events => (b"event: error\ndata: ", b"\n\n"),
        };
        out.extend_from_slice(before);
        out.extend_from_slice(&status);
        out.extend_from_slice(after);
        self.state = State::Trailing;
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let mut out = std::mem::take(&mut this.begun);
        while matches!(this.state, State::Running) && out.len() < BATCH {
            match this.messages.poll_message(cx) {
                Poll::Ready(Some(Ok(message))) => {
                    if out.capacity() == 0 {
                        // Where many messages are ready, one allocation holds them all.
                        out.reserve(this.usual.max(message.len() * 3 + 64));
                    }
                    if let Err(error) = this.append(&message, &mut out) {
                        this.fail(error, &mut out);
                    }
                }
                Poll::Ready(Some(Err(error))) => this.fail(error, &mut out),
                Poll::Ready(None) => this.finish(&mut out),
                Poll::Pending if out.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        if !out.is_empty() {
            this.usual = out.len() + out.len() / 8;
            return Poll::Ready(Some(Ok(Frame::data(out.into()))));
        }
        match std::mem::replace(&mut this.state, State::Ended) {
            State::Failing(error) => {
                // A body that waits is flushed: else the error would take back the head, and what
                // has been written, before any of it has left.
                this.state = State::Broken(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            State::Broken(error) => Poll::Ready(Some(Err(error))),
            State::Trailing => {
                let declared = &this.binding.settings.response_trailers;
                let trailers = declared_trailers(declared, &mut this.messages);
                Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
            }
            State::Running | State::Ended => Poll::Ready(None),
        }
    }
}

/// The trailers that the policy declares, if the backend sent any of them.
fn declared_trailers(declared: &[String], messages: &mut Messages) -> Option<HeaderMap> {
    if declared.is_empty() {
        return None;
    }
    let trailers = messages.take_trailers();
    let mut kept = HeaderMap::new();
    for name in declared {
        for value in trailers.get_all(name) {
            if let Ok(name) = HeaderName::try_from(name) {
                kept.append(name, value.clone());
            }
        }
    }
    (!kept.is_empty()).then_some(kept)
}

/// A stream of HttpBody messages as the bytes in them, never gathered.
pub(super) struct RawStream {
    binding: Arc<Binding>,
    first: Bytes,
    messages: Messages,
    ended: bool,
}

impl RawStream {
    pub(super) fn new(binding: Arc<Binding>, first: Bytes, messages: Messages) -> Self {
        Self { binding, first, messages, ended: false }
    }
}

impl Body for RawStream {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.first)))));
        }
        while !self.ended {
            let piece = match ready!(self.messages.poll_message(cx)) {
                Some(message) => message.and_then(|message| self.binding.raw_response(message)),
                None => break,
            };
            match piece {
                Ok(piece) if piece.data.is_empty() => {}
                Ok(piece) => return Poll::Ready(Some(Ok(Frame::data(piece.data)))),
                Err(error) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
        self.ended = true;
        Poll::Ready(None)
    }
}
