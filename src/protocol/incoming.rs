//! The messages of a request that sends them in frames, as they are wanted.
//!
//! ```text
//! pieces of the body ─► frames ─► messages, packed as they came
//! ```
//!
//! A method that takes one message gets it once the caller has said that there is no other. What
//! is wrong is told by the messages, not before: the method's stages come first.

use std::{
    borrow::Cow,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;

use super::{Upload, packing::Names, shape::Shape};
use crate::{
    coding::Coding,
    error::{Code, Error, Origin},
    exchange::{Bound, MessageStream, Messages, Metadata, Packed},
    frame::{self, COMPRESSED, END_STREAM, FrameReader, TRAILERS},
};

/// A body as pieces of frames.
pub trait Pieces: Send + Unpin + 'static {
    /// The next piece; `None` at the body's end.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>>;
}

impl Pieces for Upload {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        self.poll_data(cx)
    }
}

/// What a request says of its messages.
#[derive(Clone)]
pub struct Terms {
    /// The largest message that is taken, in bytes.
    pub limit: usize,
    /// What messages may be packed with.
    pub coding: Option<Coding>,
    /// Where that is told.
    pub names: &'static Names,
    /// The code of what is no frame: gRPC has INTERNAL for it, Connect INVALID_ARGUMENT.
    pub broken: Code,
    /// Where messages are JSON.
    pub json: Option<Arc<Shape>>,
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
    // What is JSON takes work, which comes after the stages.
    let lazy = terms.streaming || !terms.eager || terms.json.is_some();
    let mut incoming = Incoming { pieces, frames, terms, held: None, ended: false };
    if lazy {
        return Messages::stream(incoming);
    }
    // A single message has mostly come with the head, and is then at hand.
    match incoming.poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Ok(message))) => {
            Messages::one_packed(message, incoming.terms.bound(), Metadata::new())
        }
        Poll::Ready(Some(Err(error))) => Messages::failed(error),
        Poll::Ready(None) | Poll::Pending => Messages::stream(incoming),
    }
}

impl Terms {
    fn bound(&self) -> Bound {
        Bound { limit: self.limit, origin: Origin::Downstream }
    }

    fn no_frame(&self, fault: frame::Fault) -> Error {
        let (flag, header) = match fault {
            frame::Fault::TooLarge { length, limit } => {
                return Error::too_large(format!(
                    "the request's message of {length} bytes is above the limit of {limit} bytes"
                ));
            }
            frame::Fault::Flag(flag) => (flag, &self.names.content),
        };
        match flag {
            COMPRESSED => broken(
                Code::Internal,
                format!("a message is flagged as compressed, but `{header}` doesn't say with what"),
            ),
            END_STREAM | TRAILERS => self.broken(
                "a request's messages end with its body; a frame that tells their end is for \
                 answers alone",
            ),
            _ => self.broken(format!(
                "the request's body is no sequence of messages: a frame begins with {flag:#04x}"
            )),
        }
    }

    fn cut_off(&self) -> Error {
        self.broken("the request's body ends in the middle of a message")
    }

    fn broken(&self, message: impl Into<Cow<'static, str>>) -> Error {
        broken(self.broken, message)
    }
}

fn broken(code: Code, message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(code, "broken_frame", message).with_origin(Origin::Downstream)
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
                Err(fault) => return Poll::Ready(Some(Err(self.terms.no_frame(fault)))),
            }
            match ready!(self.pieces.poll_piece(cx)) {
                Some(Ok(piece)) => self.frames.push(piece),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None if self.frames.is_between_frames() => return Poll::Ready(None),
                None => return Poll::Ready(Some(Err(self.terms.cut_off()))),
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
        let read = polled.map(|next| {
            let message = next?.unpack(bound)?;
            match &this.terms.json {
                Some(shape) => shape.read_json(&message),
                None => Ok(message),
            }
        });
        this.ended |= matches!(read, Some(Err(_)));
        Poll::Ready(read)
    }

    fn poll_packed(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Packed, Error>>> {
        if self.terms.json.is_some() {
            return self.poll_message(cx).map_ok(Packed::plain);
        }
        self.get_mut().poll_next(cx)
    }

    fn coding(&self) -> Option<Coding> {
        self.terms.coding.filter(|_| self.terms.json.is_none())
    }
}

/// The error of a call that sends the wrong number of messages: UNIMPLEMENTED, as gRPC has it
/// (<https://grpc.github.io/grpc/core/md_doc_statuscodes.html>).
fn wrong_count(what: &str) -> Error {
    let message = format!("the method takes exactly one message, but {what}");
    Error::new(Code::Unimplemented, "request_message_count", message)
        .with_origin(Origin::Downstream)
}

#[cfg(test)]
mod tests;
