//! The reply side of a call: its head, its messages, its end.
//!
//! What was read is given back to the backend's window only when the next piece is asked for: a
//! slow caller holds its backend back.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    endpoint::Slot,
    fault::{Failure, of_body, of_stream},
    http2::{Event, FieldList, Lost, ReplyHead, ReplySide},
    pump::Pump,
    status::{Head, Told, broken, no_status, read_head, read_trailers},
};
use crate::{
    coding::{Coding, Codings},
    error::{Code, Error, Origin},
    exchange::{Bound, Journal, MessageStream, Messages, Metadata, Packed, Reply},
    frame::{self, COMPRESSED, FrameReader},
};

/// What the reply's reader has to know of its call.
#[derive(Clone)]
pub(super) struct Terms {
    /// The largest message that is let through, in bytes.
    pub(super) limit: usize,
    /// Whether any number of messages may come, or exactly one.
    pub(super) streaming: bool,
    /// What messages may come packed with: what was asked for.
    pub(super) codings: Codings,
    /// Whether the caller packs its messages, so that it matters what the backend takes.
    pub(super) learns: bool,
    /// Who wants to know how it went.
    pub(super) journal: Option<Arc<Journal>>,
    /// When the call began.
    pub(super) started: Instant,
}

/// Waits for the reply. One of a single message is read to its end.
pub(super) async fn receive(
    mut stream: ReplySide,
    mut pump: Option<Pump>,
    mut slot: Slot,
    terms: Terms,
) -> Result<Reply, Failure> {
    let head = poll_fn(|cx| poll_head(&mut stream, &mut pump, &slot, cx)).await;
    let head = head.inspect_err(|failure| slot.failed(failure.error()))?;
    let Terms { limit, streaming, codings, learns, journal, started } = terms;
    if let Some(journal) = &journal {
        journal.upstream_latency.set(started.elapsed());
    }
    let (told, metadata) = Told::read(head.fields);
    if learns && let Some(takes) = told.takes() {
        slot.connection().learn(takes);
    }
    let coding = told.coding(codings);
    let metadata = match read_head(head.status, told, metadata, coding, head.is_end) {
        Head::Messages(metadata) => metadata,
        Head::Ended(result) => {
            note_end(journal.as_ref(), &mut slot, &result);
            return Ok(ended(result?, streaming)?);
        }
    };
    let frames = FrameReader::new(limit);
    let frames = if coding.is_some() { frames.accept(COMPRESSED) } else { frames };
    let packing = Packing { coding, bound: Bound { limit, origin: Origin::Upstream } };
    let mut incoming = Incoming { metadata, stream, frames, packing, pump, journal, slot };
    if streaming {
        let metadata = std::mem::take(&mut incoming.metadata);
        let peeked = poll_fn(|cx| Poll::Ready(incoming.poll_item(cx))).await;
        return Ok(many(metadata, incoming, peeked)?);
    }
    let (message, trailers) = only_message(&mut incoming).await?;
    let messages = Messages::one_packed(message, packing.bound, trailers);
    Ok(Reply { metadata: incoming.metadata, messages })
}

/// Waits for the head, or for the error that the request's messages end with.
fn poll_head(
    stream: &mut ReplySide,
    pump: &mut Option<Pump>,
    slot: &Slot,
    cx: &mut Context<'_>,
) -> Poll<Result<ReplyHead, Failure>> {
    if let Some(error) = poll_failure(pump, cx) {
        return Poll::Ready(Err(Failure::Final(error)));
    }
    Poll::Ready(match ready!(stream.poll_event(cx)) {
        Event::Head(head) => Ok(head),
        Event::End(Err(lost)) => Err(of_stream(&lost, &slot.target().name)),
        Event::Data(_) | Event::End(Ok(_)) => Err(Failure::Final(no_status())),
    })
}

/// The reply of a head that was all and well.
fn ended(trailers: Metadata, streaming: bool) -> Result<Reply, Error> {
    if !streaming {
        return Err(no_message());
    }
    let stream = ReplyStream { incoming: None, packing: Packing::NONE, peeked: None, trailers };
    Ok(Reply { metadata: Metadata::new(), messages: Messages::stream(stream) })
}

/// Exactly one message and then the end: the way of most calls, without a box.
async fn only_message(incoming: &mut Incoming) -> Result<(Packed, Metadata), Error> {
    let Item::Message(message) = poll_fn(|cx| incoming.poll_item(cx)).await? else {
        return Err(no_message());
    };
    match poll_fn(|cx| incoming.poll_item(cx)).await? {
        Item::End(trailers) => Ok((message, trailers)),
        Item::Message(_) => Err(broken(
            "upstream_many_messages",
            "the backend sent more than one message, though the method answers with one",
        )),
    }
}

/// Any number of messages. An end that is here already is told at once, so that an early error
/// is one; but a head without messages is not held back until the first one comes, and metadata in
/// a head of their own stay apart from those of the error behind them.
fn many(
    metadata: Metadata,
    incoming: Incoming,
    peeked: Poll<Result<Item, Error>>,
) -> Result<Reply, Error> {
    let (packing, trailers) = (incoming.packing, Metadata::new());
    let mut stream = ReplyStream { incoming: None, packing, peeked: None, trailers };
    match peeked {
        Poll::Pending => stream.incoming = Some(incoming),
        Poll::Ready(Ok(Item::Message(message))) => {
            stream.peeked = Some(Ok(message));
            stream.incoming = Some(incoming);
        }
        Poll::Ready(Ok(Item::End(trailers))) => stream.trailers = trailers,
        Poll::Ready(Err(error)) if metadata.is_empty() => return Err(error),
        Poll::Ready(Err(error)) => stream.peeked = Some(Err(error)),
    }
    Ok(Reply { metadata, messages: Messages::stream(stream) })
}

fn no_message() -> Error {
    broken(
        "upstream_no_message",
        "the backend ended the call without a message, though the method answers with one",
    )
}

/// The error of a backend that sends what is no frame, or too long a one.
fn no_frame(fault: frame::Fault) -> Error {
    let (code, reason, message) = match fault {
        frame::Fault::Flag(frame::COMPRESSED) => (
            Code::Internal,
            "upstream_broken_frame",
            "the backend sent a compressed message, though none was asked for".to_owned(),
        ),
        frame::Fault::Flag(flag) => (
            Code::Internal,
            "upstream_broken_frame",
            format!("the backend sent no gRPC message: a frame begins with {flag:#04x}"),
        ),
        frame::Fault::TooLarge { length, limit } => (
            Code::ResourceExhausted,
            "upstream_message_too_large",
            format!("the backend's message of {length} bytes is above the limit of {limit} bytes"),
        ),
    };
    Error::new(code, reason, message).with_origin(Origin::Upstream)
}

fn poll_failure(pump: &mut Option<Pump>, cx: &mut Context<'_>) -> Option<Error> {
    pump.as_mut()?.poll_failure(cx)
}

fn note_end(journal: Option<&Arc<Journal>>, slot: &mut Slot, end: &Result<Metadata, Error>) {
    let code = end.as_ref().map_or_else(Error::code, |_| Code::Ok);
    match end {
        Ok(_) => slot.told(code),
        Err(error) => slot.failed(error),
    }
    if let Some(journal) = journal {
        journal.upstream_status.set(code);
    }
}

/// How a reply's messages may be packed.
#[derive(Clone, Copy)]
struct Packing {
    coding: Option<Coding>,
    bound: Bound,
}

impl Packing {
    /// Of a reply without messages.
    const NONE: Self = Self { coding: None, bound: Bound { limit: 0, origin: Origin::Upstream } };
}

/// A stream of frames and what belongs to it. Dropping it cancels the call, if it still runs.
struct Incoming {
    metadata: Metadata,
    stream: ReplySide,
    frames: FrameReader,
    packing: Packing,
    pump: Option<Pump>,
    journal: Option<Arc<Journal>>,
    /// Given back last, when the stream is no more.
    slot: Slot,
}

enum Item {
    Message(Packed),
    End(Metadata),
}

impl Incoming {
    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Result<Item, Error>> {
        let polled = self.poll_next(cx);
        if let Poll::Ready(Err(error)) = &polled {
            self.slot.failed(error);
        }
        polled
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Item, Error>> {
        if let Some(error) = poll_failure(&mut self.pump, cx) {
            return Poll::Ready(Err(error));
        }
        loop {
            if let Some(frame) = self.frames.next_frame().map_err(no_frame)? {
                let coding = self.packing.coding.filter(|_| frame.flag & COMPRESSED != 0);
                return Poll::Ready(Ok(Item::Message(Packed { coding, bytes: frame.payload })));
            }
            match ready!(self.stream.poll_event(cx)) {
                Event::Data(piece) => self.frames.push(piece),
                Event::End(Ok(trailers)) => return Poll::Ready(self.end(trailers)),
                Event::End(Err(lost)) => return Poll::Ready(Err(self.lost(&lost))),
                // There is but one, which has been taken.
                Event::Head(_) => {}
            }
        }
    }

    fn end(&mut self, trailers: Option<FieldList>) -> Result<Item, Error> {
        let end = match trailers {
            Some(trailers) => read_trailers(&mut self.metadata, trailers),
            None => Err(no_status()),
        };
        note_end(self.journal.as_ref(), &mut self.slot, &end);
        let trailers = end?;
        if !self.frames.is_between_frames() {
            return Err(broken(
                "upstream_broken_frame",
                "the backend ended the call in the middle of a message",
            ));
        }
        Ok(Item::End(trailers))
    }

    fn lost(&self, lost: &Lost) -> Error {
        of_body(lost, &self.slot.target().name)
    }
}

/// The messages of a reply that streams.
struct ReplyStream {
    /// Gone when the call is over, which frees its place.
    incoming: Option<Incoming>,
    packing: Packing,
    peeked: Option<Result<Packed, Error>>,
    trailers: Metadata,
}

impl MessageStream for ReplyStream {
    fn poll_message(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        let bound = self.packing.bound;
        let packed = ready!(self.as_mut().poll_packed(cx));
        let unpacked = packed.map(|next| next.and_then(|message| message.unpack(bound)));
        if matches!(unpacked, Some(Err(_))) {
            // What can't be unpacked ends the call, and cancels what is left of it.
            self.incoming = None;
        }
        Poll::Ready(unpacked)
    }

    fn poll_packed(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Packed, Error>>> {
        if let Some(peeked) = self.peeked.take() {
            return Poll::Ready(Some(peeked));
        }
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let ended = match ready!(incoming.poll_item(cx)) {
            Ok(Item::Message(message)) => return Poll::Ready(Some(Ok(message))),
            Ok(Item::End(trailers)) => {
                self.trailers = trailers;
                None
            }
            Err(error) => Some(Err(error)),
        };
        self.incoming = None;
        Poll::Ready(ended)
    }

    fn coding(&self) -> Option<Coding> {
        self.packing.coding
    }

    fn take_trailers(mut self: Pin<&mut Self>) -> Metadata {
        std::mem::take(&mut self.trailers)
    }
}
