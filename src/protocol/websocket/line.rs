//! The socket of a session: frames in, frames out, and never more kept than the socket takes.
//!
//! Messages that are ready together leave in one write: they gather up to [`WRITE`] bytes, and
//! are sent when no more are ready. A long message leaves in several frames (RFC 6455 §5.4), so
//! that it is not copied whole while a slow caller reads it.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Sink, Stream};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{io::AsyncWrite, time::timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{
            CloseFrame, Role, WebSocketConfig,
            frame::{
                Frame,
                coding::{Data, OpCode},
            },
        },
    },
};

use super::{ahead::Ahead, close::End};

/// Bytes that are read at once.
const READ: usize = 8 << 10;

/// Bytes that gather before they are written.
const WRITE: usize = 32 << 10;

/// The longest frame that is sent, in bytes.
const FRAME: usize = 128 << 10;

/// The longest payload of a control frame (RFC 6455 §5.5).
const CONTROL: usize = 125;

/// How many pings are heard of a caller who doesn't take our pongs.
const OWED: u32 = 8;

/// How long the caller may take for each step of the leave-taking.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a caller has said.
pub(super) enum Heard {
    /// A text message.
    Text(Bytes),
    /// A binary message.
    Binary(Bytes),
    /// A ping or a pong: the caller is alive.
    Sign,
    /// Nothing more can come.
    End(End),
}

/// A session's socket.
pub(super) struct Line {
    socket: WebSocketStream<Ahead>,
    /// What is left of a message that leaves in several frames.
    rest: Bytes,
    /// The largest message from the caller, in bytes.
    limit: usize,
    /// Whether something waits for the caller to read.
    blocked: bool,
    /// Pings that came since something last left.
    owed: u32,
}

impl Line {
    /// The socket of an upgraded connection or stream, for messages up to `limit` bytes.
    pub(super) async fn open(upgraded: Upgraded, limit: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ)
            .write_buffer_size(WRITE)
            .max_message_size(Some(limit))
            .max_frame_size(Some(limit.max(CONTROL)));
        let socket = Ahead::new(TokioIo::new(upgraded));
        let socket = WebSocketStream::from_raw_socket(socket, Role::Server, Some(config)).await;
        Self { socket, rest: Bytes::new(), limit, blocked: false, owed: 0 }
    }

    /// Whether something waits for the caller to read.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// How many bytes have come and gone.
    pub(super) fn traffic(&self) -> (u64, u64) {
        let socket = self.socket.get_ref();
        (socket.read, socket.written)
    }

    /// What the caller says next.
    pub(super) fn poll_hear(&mut self, cx: &mut Context<'_>) -> Poll<Heard> {
        // Else one who only sends pings would fill the memory with pongs.
        if self.owed > 0 && self.poll_flush(cx).is_pending() && self.owed >= OWED {
            return Poll::Pending;
        }
        Poll::Ready(match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
            Some(Ok(Message::Text(text))) => Heard::Text(text.into()),
            Some(Ok(Message::Binary(bytes))) => Heard::Binary(bytes),
            Some(Ok(Message::Ping(_))) => {
                self.owed += 1;
                Heard::Sign
            }
            Some(Ok(Message::Pong(_) | Message::Frame(_))) => Heard::Sign,
            Some(Ok(Message::Close(_))) | None => Heard::End(End::Left),
            Some(Err(error)) => Heard::End(End::of(error, self.limit)),
        })
    }

    /// Completes when the caller is gone, without understanding what it says before.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.socket.get_mut().poll_gone(cx)
    }

    /// Waits until another message may be sent: what was sent before is written, or nearly.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        loop {
            let ready = Pin::new(&mut self.socket).poll_ready(cx);
            self.blocked = ready.is_pending();
            ready!(ready).map_err(|error| End::of(error, self.limit))?;
            if self.rest.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let part = self.rest.split_to(self.rest.len().min(FRAME));
            let last = self.rest.is_empty();
            self.put(Frame::message(part, OpCode::Data(Data::Continue), last))?;
        }
    }

    /// Sends a message, for which there is room.
    pub(super) fn send(&mut self, kind: Data, mut payload: Bytes) -> Result<(), End> {
        if payload.len() > FRAME {
            self.rest = payload.split_off(FRAME);
        }
        let last = self.rest.is_empty();
        self.put(Frame::message(payload, OpCode::Data(kind), last))
    }

    /// Sends a ping.
    pub(super) fn ping(&mut self) -> Result<(), End> {
        self.put(Frame::ping(Bytes::new()))
    }

    fn put(&mut self, frame: Frame) -> Result<(), End> {
        let sent = Pin::new(&mut self.socket).start_send(Message::Frame(frame));
        sent.map_err(|error| End::of(error, self.limit))
    }

    /// Writes what has gathered.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(cx);
        self.blocked = flushed.is_pending();
        ready!(flushed).map_err(|error| End::of(error, self.limit))?;
        self.owed = 0;
        Poll::Ready(Ok(()))
    }

    /// Takes leave of the caller: the last message, if there is one, the close frame, and then the
    /// caller's own (RFC 6455 §7.1).
    pub(super) async fn part(mut self, last: Option<Bytes>, close: Option<CloseFrame>) {
        if let Some(close) = close {
            if let Some(last) = last {
                if !self.patiently(Self::poll_room).await || self.send(Data::Text, last).is_err() {
                    return;
                }
                if !self.patiently(Self::poll_room).await {
                    return;
                }
            }
            // One that is blocked is kept and written by the flush.
            if Pin::new(&mut self.socket).start_send(Message::Close(Some(close))).is_err() {
                return;
            }
            if self.patiently(Self::poll_flush).await {
                let _ = timeout(PATIENCE, self.hear_out()).await;
            }
        } else if !self.patiently(Self::poll_flush).await {
            return;
        }
        let socket = self.socket.get_mut();
        let shutdown = poll_fn(|cx| Pin::new(&mut *socket).poll_shutdown(cx));
        let _ = timeout(PATIENCE, shutdown).await;
    }

    /// Drops what the caller says until it closes.
    async fn hear_out(&mut self) {
        while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut self.socket).poll_next(cx)).await {}
    }

    /// Waits for a step as long as the caller reads; tells whether it was taken.
    async fn patiently<S>(&mut self, step: S) -> bool
    where
        S: Fn(&mut Self, &mut Context<'_>) -> Poll<Result<(), End>>,
    {
        loop {
            let (_, before) = self.traffic();
            match timeout(PATIENCE, poll_fn(|cx| step(self, cx))).await {
                Ok(taken) => return taken.is_ok(),
                Err(_) if self.traffic().1 > before => {}
                Err(_) => return false,
            }
        }
    }
}
