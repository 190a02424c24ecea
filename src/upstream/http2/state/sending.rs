//! What leaves: heads at once, bodies as far as the windows and the socket have room.

use std::{
    io,
    task::{Context, Poll, Waker},
};

use bytes::Buf;
use http::{HeaderName, HeaderValue, header};
use tokio::io::AsyncWrite;

use super::{RequestHead, State};
use crate::{
    frame::Framed,
    upstream::http2::{
        fault::ErrorCode,
        frame::{self, FrameHead, HEAD, flag, kind},
        hpack::{Indexing, is_of_connections},
        stream::Stream,
    },
};

/// How many bytes wait for the socket until bodies have to wait for them.
const BACKLOG: usize = 256 << 10;

/// Indices of the static table (RFC 7541 Appendix A).
const POST: u8 = 3;
const HTTP: u8 = 6;
const HTTPS: u8 = 7;

/// What came of trying to send a stream's next frame.
enum Sent {
    /// All that there was.
    All,
    /// A frame, and there is more.
    Some,
    /// Nothing: the stream's own window is closed. When the peer opens it, it goes on.
    Nothing,
}

impl State {
    /// Opens a stream: its head, and its whole body if that is at hand. Gives its id.
    ///
    /// # Errors
    /// HTTP/2 has no form for this head; nothing has happened.
    pub(in super::super) fn open(
        &mut self,
        head: &RequestHead<'_>,
        body: Option<Framed>,
    ) -> Result<u32, &'static str> {
        check(head)?;
        let id = self.next;
        self.next += 2;
        let stream =
            Stream::new(super::Outward::new(self.settings.initial_window), self.outbox.position());
        self.write_head(id, head);
        self.streams.insert(id, stream);
        if let Some(body) = body {
            self.send(id, body, true);
        }
        self.notify();
        Ok(id)
    }

    fn write_head(&mut self, id: u32, head: &RequestHead<'_>) {
        let out = self.outbox.buffer();
        let begin = out.len();
        out.extend_from_slice(&[0; HEAD]);
        let encoder = &mut self.encoder;
        encoder.begin(out);
        encoder.fixed(out, POST);
        encoder.fixed(out, if head.is_secure { HTTPS } else { HTTP });
        encoder.field(out, b":path", head.path.as_bytes(), Indexing::Always);
        encoder.field(out, b":authority", head.authority.as_bytes(), Indexing::Always);
        for (name, value) in head.headers {
            let indexing = indexing_of(name, value);
            encoder.field(out, name.as_str().as_bytes(), value.as_bytes(), indexing);
        }
        let length = out.len() - begin - HEAD;
        if length > self.settings.max_frame {
            let block = out.split_off(begin + HEAD);
            out.truncate(begin);
            return self.write_split(id, &block);
        }
        let frame = FrameHead { length, kind: kind::HEADERS, flags: flag::END_HEADERS, stream: id };
        out[begin..begin + HEAD].copy_from_slice(&frame.octets());
    }

    /// A head that is larger than a frame (RFC 9113 §4.3).
    fn write_split(&mut self, id: u32, block: &[u8]) {
        let mut fragments = block.chunks(self.settings.max_frame).peekable();
        let mut kind = kind::HEADERS;
        while let Some(fragment) = fragments.next() {
            let flags = if fragments.peek().is_none() { flag::END_HEADERS } else { 0 };
            frame::write(self.outbox.buffer(), kind, flags, id, fragment);
            kind = kind::CONTINUATION;
        }
    }

    /// Sends a message in its frame, and perhaps the request's end behind it. Nothing happens if
    /// the stream has ended.
    pub(in super::super) fn send(&mut self, id: u32, body: Framed, is_last: bool) {
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| !stream.is_finished) else {
            return;
        };
        if body.has_remaining() {
            stream.queue.push_back(body);
        }
        stream.is_finished = is_last;
        self.line_up(id);
        self.resume();
        self.notify();
    }

    /// Puts a stream in line for the next room, if it has something to send.
    pub(super) fn line_up(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(&id)
            && !stream.is_in_line
            && (!stream.queue.is_empty() || stream.is_finished && !stream.is_sent)
        {
            stream.is_in_line = true;
            self.line.push_back(id);
        }
    }

    /// Fills the outbox with what waits: a frame from each stream in turn.
    pub(in super::super) fn resume(&mut self) {
        while self.outbox.len() < BACKLOG
            && let Some(id) = self.line.pop_front()
        {
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            let most = self.settings.max_frame.min(self.outward.room());
            let is_blocked = most == 0 && !stream.queue.is_empty();
            if is_blocked {
                // The connection's window is closed, for all of them.
                self.line.push_front(id);
                return;
            }
            stream.is_in_line = false;
            if let Sent::Some = self.send_frame(id, most) {
                self.line_up(id);
            }
        }
    }

    /// Sends one frame of a stream, of at most so many bytes.
    fn send_frame(&mut self, id: u32, most: usize) -> Sent {
        let Some(stream) = self.streams.get_mut(&id) else { return Sent::All };
        let waiting: usize = stream.queue.iter().map(Buf::remaining).sum();
        let length = waiting.min(most).min(stream.outward.room());
        let is_end = stream.is_finished && length == waiting;
        if length == 0 && (stream.is_sent || !is_end) {
            return Sent::Nothing;
        }
        let flags = if is_end { flag::END_STREAM } else { 0 };
        let head = FrameHead { length, kind: kind::DATA, flags, stream: id };
        self.outbox.buffer().extend_from_slice(&head.octets());
        stream.outward.send(length);
        self.outward.send(length);
        let mut left = length;
        while left > 0
            && let Some(first) = stream.queue.front_mut()
        {
            let count = first.remaining().min(left);
            self.outbox.append(first, count);
            left -= count;
            if !first.has_remaining() {
                stream.queue.pop_front();
            }
        }
        stream.is_sent = is_end;
        if length == waiting { Sent::All } else { Sent::Some }
    }

    /// Whether a stream has room for another message: all before it has left for the socket, and
    /// the windows are open. `None` if nothing more can be sent on it.
    pub(in super::super) fn poll_room(&mut self, id: u32, waker: &Waker) -> Poll<bool> {
        match self.has_room(id) {
            None => Poll::Ready(false),
            Some(true) => Poll::Ready(true),
            Some(false) => {
                if let Some(stream) = self.streams.get_mut(&id)
                    && stream.writer.replace(waker.clone()).is_none()
                {
                    self.writers.push(id);
                }
                Poll::Pending
            }
        }
    }

    fn has_room(&self, id: u32) -> Option<bool> {
        let stream = self.streams.get(&id).filter(|stream| !stream.is_finished)?;
        let windows = stream.outward.room() > 0 && self.outward.room() > 0;
        Some(windows && stream.queue.is_empty() && self.outbox.len() < BACKLOG)
    }

    /// Writes what waits, as far as the socket takes it.
    ///
    /// # Errors
    /// Those of the socket.
    pub(in super::super) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        socket: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            self.resume();
            let written = self.outbox.poll_write(socket, cx)?;
            if written.is_pending() {
                return Poll::Pending;
            }
            self.answers = 0;
            let more = !self.line.is_empty() && self.outward.room() > 0;
            if !more {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Wakes the writers that have room now.
    pub(in super::super) fn wake_writers(&mut self, wakes: &mut Vec<Waker>) {
        if self.writers.is_empty() {
            return;
        }
        for id in std::mem::take(&mut self.writers) {
            if self.has_room(id) == Some(false) {
                self.writers.push(id);
            } else if let Some(stream) = self.streams.get_mut(&id) {
                wakes.extend(stream.writer.take());
            }
        }
    }

    /// Resets a stream whose peer broke a rule, or the connection if that happens too often.
    pub(super) fn write_reset(&mut self, id: u32, code: ErrorCode) {
        self.answers += 1;
        frame::write_reset(self.outbox.buffer(), id, code);
    }
}

/// Whether a field goes into the peer's table. Secrets don't, whoever gave them (RFC 7541 §7.1.3):
/// calls of many callers share the table.
fn indexing_of(name: &HeaderName, value: &HeaderValue) -> Indexing {
    const SECRETS: [HeaderName; 3] =
        [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE];
    if value.is_sensitive() || SECRETS.contains(name) {
        Indexing::Never
    } else if name == header::CONTENT_TYPE || name == header::TE {
        Indexing::Always
    } else {
        Indexing::Repeated
    }
}

/// Fails if HTTP/2 has no form for this head (RFC 9113 §8.2).
fn check(head: &RequestHead<'_>) -> Result<(), &'static str> {
    if head.headers.keys().any(is_of_connections) {
        return Err("a header field is there that HTTP/2 doesn't have");
    }
    match head.headers.get(header::TE) {
        Some(te) if te != "trailers" => Err("`te` is not `trailers`"),
        _ => Ok(()),
    }
}
