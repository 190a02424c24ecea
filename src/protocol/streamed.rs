//! The body of an answer that streams, in whatever protocol: these differ in their [`Form`] alone.
//!
//! ```text
//! messages ─ Form::append ─► one write of what is ready ─ Form::leave ─► downstream
//! end      ─ Form::end ────► the last bytes, trailers, or a body that breaks off
//! ```
//!
//! Messages that are ready together leave in one write, and the next one is only asked for when
//! the caller has taken what went before.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};

use super::{Refusal, ResponseBody, body::StreamedBody, break_off::BreakOff};
use crate::{
    error::Error,
    exchange::{Messages, Metadata, Packed},
};

/// How many bytes of messages that are ready make one write.
const BATCH: usize = 32 << 10;

/// From so many bytes on a payload is cheaper to send by itself than to copy. It fills a frame of
/// HTTP/2.
pub const LARGE: usize = 16 << 10;

/// How a protocol writes a stream of messages, and how it tells their end.
pub trait Form: Send + Unpin + 'static {
    /// Whether messages are written as they crossed the wire, packed or not.
    fn takes_packed(&self) -> bool {
        false
    }

    /// How many bytes a message of this length takes, as a guess.
    fn room(&self, length: usize) -> usize;

    /// Appends a message. What is too large to be copied is given back, and leaves by itself
    /// behind what was appended.
    ///
    /// # Errors
    /// The message can't be written; nothing of it has been appended.
    fn append(&mut self, message: Packed, out: &mut Vec<u8>) -> Result<Option<Bytes>, Error>;

    /// Appends what tells how the call ended, as far as the body is to tell it.
    fn end(&mut self, end: Result<Metadata, &Error>, out: &mut Vec<u8>) -> End;

    /// The bytes of a write as they leave.
    fn leave(&self, out: Vec<u8>) -> Bytes {
        out.into()
    }
}

/// What comes behind the last bytes of a body.
#[derive(Debug)]
pub enum End {
    /// Nothing.
    Here,
    /// Trailers.
    Trailers(Box<HeaderMap>),
    /// The form has no words for errors, and nobody must take a part for the whole.
    BreakOff,
}

impl End {
    /// The trailers, if there are any.
    pub fn trailers(trailers: Option<HeaderMap>) -> Self {
        trailers.map_or(Self::Here, |trailers| Self::Trailers(Box::new(trailers)))
    }
}

/// The body of an answer. One message that is at hand and small is written at once.
///
/// # Errors
/// That message can't be written.
pub fn body(mut messages: Messages, mut form: impl Form) -> Result<ResponseBody, Error> {
    let fits =
        |one: &Packed| one.bytes.len() < LARGE && (one.coding.is_none() || form.takes_packed());
    let Some(message) = messages.take_packed_one(fits) else {
        return Ok(ResponseBody::stream(StreamBody::new(messages, form)));
    };
    let mut out = Vec::with_capacity(form.room(message.bytes.len()));
    if let Some(payload) = form.append(message, &mut out)? {
        out.extend_from_slice(&payload);
    }
    Ok(last(form, Ok(messages.take_trailers()), out))
}

/// The body of an answer whose call failed before its first message.
pub fn failed(form: impl Form, error: &Error) -> ResponseBody {
    last(form, Err(error), Vec::new())
}

fn last(mut form: impl Form, end: Result<Metadata, &Error>, mut out: Vec<u8>) -> ResponseBody {
    let end = form.end(end, &mut out);
    let out = form.leave(out);
    match end {
        End::Trailers(trailers) => ResponseBody::Trailed(out, trailers),
        End::Here | End::BreakOff => ResponseBody::Whole(out),
    }
}

/// A reply's messages on their way downstream.
pub struct StreamBody<F> {
    messages: Messages,
    form: F,
    /// What is written already.
    begun: Vec<u8>,
    next: Next,
    /// What the write before took, in bytes, and some more.
    usual: usize,
    /// The error that the form has told.
    told: Option<Refusal>,
}

/// What leaves next.
enum Next {
    Messages,
    /// What was too large to be copied; then more messages.
    Payload(Bytes),
    Trailers(Box<HeaderMap>),
    BreakOff(BreakOff),
    Nothing,
}

impl<F: Form> StreamBody<F> {
    /// A stream of which nothing is at hand.
    pub fn new(messages: Messages, form: F) -> Self {
        let (begun, next, usual, told) = (Vec::new(), Next::Messages, 0, None);
        Self { messages, form, begun, next, usual, told }
    }

    /// A stream whose first message has decided about the answer's head.
    ///
    /// # Errors
    /// The message can't be written.
    pub fn begun(first: Option<Bytes>, messages: Messages, form: F) -> Result<Self, Error> {
        let mut body = Self::new(messages, form);
        if let Some(first) = first {
            body.begun.reserve(body.form.room(first.len()));
            let payload = body.form.append(Packed::plain(first), &mut body.begun)?;
            body.next = payload.map_or(Next::Messages, Next::Payload);
        }
        Ok(body)
    }

    /// Appends what is ready to `out`, and waits where nothing is; tells what is next.
    fn poll_gather(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Poll<Next> {
        while out.len() < BATCH {
            let appended = match self.poll_next(cx) {
                Poll::Pending if out.is_empty() => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(Some(message)) => message.and_then(|message| {
                    if out.capacity() == 0 {
                        // Where many messages are ready, one allocation holds them all.
                        out.reserve(self.usual.max(self.form.room(message.bytes.len())));
                    }
                    self.form.append(message, out)
                }),
                Poll::Ready(None) => {
                    let trailers = self.messages.take_trailers();
                    return Poll::Ready(self.end(Ok(trailers), out));
                }
            };
            match appended {
                Ok(None) => {}
                Ok(Some(payload)) => return Poll::Ready(Next::Payload(payload)),
                Err(error) => return Poll::Ready(self.end(Err(error), out)),
            }
        }
        self.usual = out.len() + out.len() / 8;
        Poll::Ready(Next::Messages)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Packed, Error>>> {
        if self.form.takes_packed() {
            self.messages.poll_packed(cx)
        } else {
            self.messages.poll_message(cx).map_ok(Packed::plain)
        }
    }

    fn end(&mut self, end: Result<Metadata, Error>, out: &mut Vec<u8>) -> Next {
        // What is left of the call ends here, whatever the caller does with its answer.
        self.messages = Messages::none();
        let (end, error) = match end {
            Ok(trailers) => (self.form.end(Ok(trailers), out), None),
            Err(error) => (self.form.end(Err(&error), out), Some(error)),
        };
        match (end, error) {
            (End::BreakOff, Some(error)) => Next::BreakOff(BreakOff::new(error)),
            (end, error) => {
                self.told = error.as_ref().map(Refusal::by);
                match end {
                    End::Trailers(trailers) => Next::Trailers(trailers),
                    End::Here | End::BreakOff => Next::Nothing,
                }
            }
        }
    }

    fn data(&self, out: Vec<u8>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Poll::Ready(Some(Ok(Frame::data(self.form.leave(out)))))
    }
}

impl<F: Form> Body for StreamBody<F> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        loop {
            let mut out = std::mem::take(&mut this.begun);
            match &mut this.next {
                Next::Messages => {
                    let next = ready!(this.poll_gather(cx, &mut out));
                    this.next = next;
                }
                _ if !out.is_empty() => {}
                Next::Payload(payload) => {
                    let payload = std::mem::take(payload);
                    this.next = Next::Messages;
                    return Poll::Ready(Some(Ok(Frame::data(payload))));
                }
                Next::Trailers(trailers) => {
                    let trailers = std::mem::take(&mut **trailers);
                    this.next = Next::Nothing;
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Next::BreakOff(error) => return error.poll_frame(cx),
                Next::Nothing => return Poll::Ready(None),
            }
            if !out.is_empty() {
                return this.data(out);
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.next, Next::Nothing) && self.begun.is_empty()
    }
}

impl<F: Form> StreamedBody for StreamBody<F> {
    fn told(&self) -> Option<Refusal> {
        self.told
    }
}

#[cfg(test)]
mod tests;
