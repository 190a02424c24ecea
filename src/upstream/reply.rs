//! The reply side of a call: its head, its messages, its end.
//!
//! Nothing is read before it is asked for, and what was read is given back to the backend's
//! window only when the next piece is: a slow caller holds its backend back.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{RecvStream, client::ResponseFuture};
use tokio::time::Instant;

use super::{
    endpoint::Slot,
    fault::{Failure, of_body, of_stream},
    pump::Pump,
    status::{Head, broken, no_status, read_head, read_trailers, take_coding, told_codings},
};
use crate::{
    coding::{Coding, Codings},
    error::{Code, Error, Origin},
    exchange::{Bound, Journal, MessageStream, Messages, Metadata, Packed, Reply},
    frame::{self, COMPRESSED, FrameReader},
};

/// Small pieces are given back together: each time costs a lock.
const GIVE_BACK: usize = 32 << 10;

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
    mut response: ResponseFuture,
    mut pump: Option<Pump>,
    mut slot: Slot,
    terms: Terms,
) -> Result<Reply, Failure> {
    let response = poll_fn(|cx| {
        if let Some(error) = poll_failure(&mut pump, cx) {
            return Poll::Ready(Err(Failure::Final(error)));
        }
        Pin::new(&mut response).poll(cx).map_err(|error| of_stream(error, &slot.target().name))
    })
    .await;
    let response = response.inspect_err(|failure| slot.failed(failure.error()))?;
    let Terms { limit, streaming, codings, learns, journal, started } = terms;
    if let Some(journal) = &journal {
        let _ = journal.upstream_latency.set(started.elapsed());
    }
    let (mut head, stream) = response.into_parts();
    if learns && let Some(takes) = told_codings(&head.headers) {
        slot.connection().learn(takes);
    }
    let coding = take_coding(&mut head.headers, codings);
    let metadata = match read_head(head.status, head.headers, || stream.is_end_stream()) {
        Head::Messages(metadata) => metadata,
        Head::Ended(result) => {
            note_end(journal.as_ref(), &mut slot, &result);
            return Ok(ended(result?, streaming)?);
        }
    };
    let frames = FrameReader::new(limit);
    let frames = if coding.is_some() { frames.accept(COMPRESSED) } else { frames };
    let packing = Packing { coding, bound: Bound { limit, origin: Origin::Upstream } };
    let mut incoming =
        Incoming { metadata, stream, frames, packing, unreleased: 0, pump, journal, slot };
    if streaming {
        let metadata = std::mem::take(&mut incoming.metadata);
        let peeked = poll_fn(|cx| Poll::Ready(incoming.poll_item(cx))).await;
        return Ok(many(metadata, incoming, peeked)?);
    }
    let (message, trailers) = only_message(&mut incoming).await?;
    let messages = Messages::one_packed(message, packing.bound, trailers);
    Ok(Reply { metadata: incoming.metadata, messages })
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
        let _ = journal.upstream_status.set(code);
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
    stream: RecvStream,
    frames: FrameReader,
    packing: Packing,
    /// Bytes that were read and not yet given back to the backend's window.
    unreleased: usize,
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
            self.give_back();
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(piece)) => {
                    self.unreleased += piece.len();
                    self.frames.push(piece);
                }
                Some(Err(error)) => return Poll::Ready(Err(self.lost(error))),
                None => return self.poll_end(cx),
            }
        }
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<Item, Error>> {
        let end = match ready!(self.stream.poll_trailers(cx)) {
            Ok(Some(trailers)) => read_trailers(&mut self.metadata, trailers),
            Ok(None) => Err(no_status()),
            Err(error) => return Poll::Ready(Err(self.lost(error))),
        };
        note_end(self.journal.as_ref(), &mut self.slot, &end);
        let trailers = end?;
        if !self.frames.is_between_frames() {
            return Poll::Ready(Err(broken(
                "upstream_broken_frame",
                "the backend ended the call in the middle of a message",
            )));
        }
        Poll::Ready(Ok(Item::End(trailers)))
    }

    fn give_back(&mut self) {
        if self.unreleased >= GIVE_BACK {
            // It only fails for more than was taken, or where the stream is gone.
            let _ = self.stream.flow_control().release_capacity(self.unreleased);
            self.unreleased = 0;
        }
    }

    fn lost(&self, error: h2::Error) -> Error {
        of_body(error, &self.slot.target().name)
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
