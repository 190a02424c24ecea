//! Server streams as they leave: messages that are ready together leave in one write, and the
//! next one is only asked for when the caller has taken what went before.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame};

use super::{binding::Binding, break_off::BreakOff, negotiate::Framing};
use crate::{
    error::Error,
    exchange::Messages,
    protocol::{Refusal, body::StreamedBody, failure},
};

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
    /// The late error that was written into the stream.
    told: Option<Refusal>,
}

enum State {
    Running,
    /// What was gathered has left; the stream breaks off.
    Failing(BreakOff),
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
        let (started, usual, told) = (false, 0, None);
        let mut stream = Self { binding, framing, begun, messages, started, usual, state, told };
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
                self.state = State::Failing(BreakOff::new(error));
                return;
            }
            Framing::Lines => (b"{\"error\":", b"}\n"),
            Framing::Sequence => (b"\x1e{\"error\":", b"}\n"),
            Framing::Events => (b"event: error\ndata: ", b"\n\n"),
        };
        out.extend_from_slice(before);
        out.extend_from_slice(&status);
        out.extend_from_slice(after);
        self.told = Some(Refusal::by(&error));
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
        match &mut this.state {
            State::Failing(error) => error.poll_frame(cx),
            State::Trailing => {
                this.state = State::Ended;
                let trailers = this.binding.trailers.of(&this.messages.take_trailers());
                Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
            }
            State::Running | State::Ended => Poll::Ready(None),
        }
    }
}

impl StreamedBody for StreamBody {
    fn told(&self) -> Option<Refusal> {
        self.told
    }
}
