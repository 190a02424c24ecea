//! The messages of a request that sends them in frames, as they are wanted.
//!
//! ```text
//! pieces of the body ─► frames ─► messages, packed as they came
//! ```
//!
//! A method that takes one message gets it once the caller has said that there is no other. What
//! is wrong is told by the messages, not before: the method's stages come first.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http_body::Body as _;

use super::Upload;
use crate::{
    coding::Coding,
    error::{Code, Error, Origin},
    exchange::{Bound, MessageStream, Messages, Metadata, Packed},
    frame::{self, COMPRESSED, FrameReader},
};

/// A body as pieces of frames.
pub trait Pieces: Send + Unpin + 'static {
    /// The next piece; `None` at the body's end.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>>;
}

impl Pieces for Upload {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            return Poll::Ready(match ready!(Pin::new(&mut *self).poll_frame(cx)) {
                None => None,
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => Some(Ok(data)),
                    // Trailers of a request mean nothing to any of these protocols.
                    Err(_) => continue,
                },
                Some(Err(error)) => Some(Err(broken_body(error))),
            });
        }
    }
}

/// What a request says of its messages.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The largest message that is taken, in bytes.
    pub limit: usize,
    /// What messages may be packed with.
    pub coding: Option<Coding>,
    /// Whether any number of messages may come, or exactly one.
    pub streaming: bool,
    /// Whether the body may be looked at before it is asked for. Over HTTP/2 what is here is here;
    /// over HTTP/1.1 looking asks a caller for it who may be waiting for that.
    pub eager: bool,
}

/// The messages in a body.
pub fn messages(pieces: impl Pieces, terms: Terms) -> Messages {
    let frames = FrameReader::new(terms.limit);
    let frames = if terms.coding.is_some() { frames.accept(COMPRESSED) } else { frames };
    let mut incoming = Incoming { pieces, frames, terms, held: None, ended: false };
    if terms.streaming || !terms.eager {
        return Messages::stream(incoming);
    }
    // A single message has mostly come with the head, and is then at hand.
    match incoming.poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Ok(message))) => {
            Messages::one_packed(message, terms.bound(), Metadata::new())
        }
        Poll::Ready(Some(Err(error))) => Messages::stream(Failed(Some(error))),
        Poll::Ready(None) | Poll::Pending => Messages::stream(incoming),
    }
}

impl Terms {
    fn bound(&self) -> Bound {
        Bound { limit: self.limit, origin: Origin::Downstream }
    }
}

/// A message that can't be read.
struct Failed(Option<Error>);

impl MessageStream for Failed {
    fn poll_message(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        Poll::Ready(self.0.take().map(Err))
    }
}

/// A body that is being read.
struct Incoming<P> {
    pieces: P,
    frames: FrameReader,
    terms: Terms,
    /// The single message, while it is not yet known that no other follows.
    held: Option<Packed>,
    ended: bool,
}

impl<P: Pieces> Incoming<P> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Packed, Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let polled = if self.terms.streaming { self.poll_any(cx) } else { self.poll_only(cx) };
        self.ended = matches!(polled, Poll::Ready(None | Some(Err(_))));
        polled
    }

    /// The next message of any number.
    fn poll_any(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Packed, Error>>> {
        loop {
            match self.frames.next_frame() {
                Ok(Some(frame)) => {
                    let coding = self.terms.coding.filter(|_| frame.flag & COMPRESSED != 0);
                    return Poll::Ready(Some(Ok(Packed { coding, bytes: frame.payload })));
                }
                Ok(None) => {}
                Err(fault) => return Poll::Ready(Some(Err(no_frame(fault)))),
            }
            match ready!(self.pieces.poll_piece(cx)) {
                Some(Ok(piece)) => self.frames.push(piece),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None if self.frames.is_between_frames() => return Poll::Ready(None),
                None => return Poll::Ready(Some(Err(cut_off()))),
            }
        }
    }

    /// The only message.
    fn poll_only(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Packed, Error>>> {
        loop {
            let polled = match ready!(self.poll_any(cx)) {
                Some(Ok(message)) if self.held.is_none() => {
                    self.held = Some(message);
                    continue;
                }
                Some(Ok(_)) => Err(wrong_count("more than one was sent")),
                Some(Err(error)) => Err(error),
                None => match self.held.take() {
                    Some(message) => {
                        // What follows is the end.
                        self.terms.streaming = true;
                        return Poll::Ready(Some(Ok(message)));
                    }
                    None => Err(wrong_count("none was sent")),
                },
            };
            return Poll::Ready(Some(polled));
        }
    }
}

impl<P: Pieces> MessageStream for Incoming<P> {
    fn poll_message(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        let this = self.get_mut();
        let polled = ready!(this.poll_next(cx));
        let bound = this.terms.bound();
        let unpacked = polled.map(|next| next.and_then(|message| message.unpack(bound)));
        this.ended |= matches!(unpacked, Some(Err(_)));
        Poll::Ready(unpacked)
    }

    fn poll_packed(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Packed, Error>>> {
        self.get_mut().poll_next(cx)
    }

    fn coding(&self) -> Option<Coding> {
        self.terms.coding
    }
}

/// The error of a call that sends the wrong number of messages: UNIMPLEMENTED, as gRPC has it
/// (<https://grpc.github.io/grpc/core/md_doc_statuscodes.html>).
fn wrong_count(what: &str) -> Error {
    let message = format!("the method takes exactly one message, but {what}");
    Error::new(Code::Unimplemented, "request_message_count", message)
        .with_origin(Origin::Downstream)
}

fn no_frame(fault: frame::Fault) -> Error {
    match fault {
        frame::Fault::Flag(COMPRESSED) => broken(
            "a message is flagged as compressed, but `grpc-encoding` doesn't say with what".into(),
        ),
        frame::Fault::Flag(flag) => broken(format!(
            "the request's body is no sequence of messages: a frame begins with {flag:#04x}"
        )),
        frame::Fault::TooLarge { length, limit } => Error::too_large(format!(
            "the request's message of {length} bytes is above the limit of {limit} bytes"
        )),
    }
}

fn cut_off() -> Error {
    broken("the request's body ends in the middle of a message".into())
}

/// The error of what is no frame: INTERNAL, as gRPC has it for all that its framing can't carry.
fn broken(message: String) -> Error {
    Error::new(Code::Internal, "broken_frame", message).with_origin(Origin::Downstream)
}

fn broken_body(error: hyper::Error) -> Error {
    Error::new(Code::Cancelled, "broken_body", "the request's body broke off before its end")
        .with_origin(Origin::Downstream)
        .with_source(error)
}

#[cfg(test)]
mod tests;
