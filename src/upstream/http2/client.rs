//! The side of a connection that calls see.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;

use super::{
    fault::Lost,
    link::Link,
    state::Shared,
    stream::{Phase, Stream},
};
pub use super::{
    state::RequestHead,
    stream::{FieldList, ReplyHead},
};
use crate::frame::Framed;

/// A connection to make calls on. When it is dropped, the connection ends with the last call.
#[derive(Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

/// What came of opening a stream.
#[derive(Debug)]
pub enum Opened {
    /// The head is on its way, and the body if there was one.
    Stream(ReplySide),
    /// The connection takes no more calls. Nothing was sent.
    Closed,
    /// HTTP/2 has no form for the head: what is wrong with it. Nothing was sent.
    Invalid(&'static str),
}

impl Client {
    /// Begins to speak HTTP/2 on a socket. Somebody has to drive the link; before it is greeted,
    /// nobody knows whether the peer speaks HTTP/2 too.
    pub fn new<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
        socket: S,
    ) -> (Self, Link<S>) {
        let shared = Shared::new();
        (Self { shared: shared.clone() }, Link::new(socket, shared))
    }

    /// Whether another call may be made: no GOAWAY, no failure, stream ids left.
    pub fn is_open(&self) -> bool {
        self.shared.lock().is_open()
    }

    /// How many calls the peer allows at a time.
    pub fn max_streams(&self) -> usize {
        self.shared.lock().max_streams()
    }

    /// Begins a call: with its whole body, or with one that follows through
    /// [`ReplySide::request_side`].
    pub fn open(&self, head: &RequestHead<'_>, body: Option<Framed>) -> Opened {
        let mut state = self.shared.lock();
        if !state.is_open() {
            return Opened::Closed;
        }
        match state.open(head, body) {
            Ok(id) => Opened::Stream(ReplySide::new(self.shared.clone(), id)),
            Err(why) => Opened::Invalid(why),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.shared.lock().leave();
    }
}

/// What comes of a call, in this order.
#[derive(Debug)]
pub enum Event {
    /// The head, once.
    Head(ReplyHead),
    /// Some of the body: all that was ready, in as few pieces as could be.
    Data(Bytes),
    /// The reply's end, and its trailers if it has any; or why there is none. Only once.
    End(Result<Option<FieldList>, Lost>),
}

/// A call, as its caller waits for the reply. Dropping it before its end cancels the call.
#[derive(Debug)]
pub struct ReplySide {
    shared: Arc<Shared>,
    id: u32,
    /// What has been fetched from the connection's state, and nobody has asked for yet.
    head: Option<ReplyHead>,
    pieces: VecDeque<Bytes>,
    end: Option<Result<Option<FieldList>, Lost>>,
    /// Bytes that were given away, and the peer's window has not heard of.
    taken: usize,
    /// The connection has forgotten the stream.
    is_forgotten: bool,
}

impl ReplySide {
    fn new(shared: Arc<Shared>, id: u32) -> Self {
        Self {
            shared,
            id,
            head: None,
            pieces: VecDeque::new(),
            end: None,
            taken: 0,
            is_forgotten: false,
        }
    }

    /// The other direction of the call, for a body that follows.
    pub fn request_side(&self) -> RequestSide {
        RequestSide { shared: self.shared.clone(), id: self.id, is_finished: false }
    }

    /// What comes next. After the end there is nothing more to be polled.
    ///
    /// The peer's window opens again for what was given away when the next piece is fetched.
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            if let Some(head) = self.head.take() {
                return Poll::Ready(Event::Head(head));
            }
            if let Some(piece) = self.pieces.pop_front() {
                self.taken += piece.len();
                return Poll::Ready(Event::Data(piece));
            }
            if let Some(end) = self.end.take() {
                return Poll::Ready(Event::End(end));
            }
            ready!(self.poll_fetch(cx.waker()));
        }
    }

    /// Fetches all that the connection has for the call, in one go.
    fn poll_fetch(&mut self, waker: &Waker) -> Poll<()> {
        if self.is_forgotten {
            // The end was given already, and the caller asks on.
            return Poll::Pending;
        }
        let shared = self.shared.clone();
        let mut state = shared.lock();
        if self.taken > 0 {
            state.take_note(self.id, std::mem::take(&mut self.taken));
        }
        let Some(stream) = state.stream(self.id) else { return Poll::Pending };
        let has_ended = self.fetch(stream);
        if has_ended && !stream.is_live() {
            state.forget(self.id, self.pieces.iter().map(Bytes::len).sum());
            self.is_forgotten = true;
        } else if !has_ended && self.head.is_none() && self.pieces.is_empty() {
            if !stream.reader.as_ref().is_some_and(|reader| reader.will_wake(waker)) {
                stream.reader = Some(waker.clone());
            }
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Moves what there is over here; whether that is all there will be.
    fn fetch(&mut self, stream: &mut Stream) -> bool {
        self.head = stream.head.take();
        stream.pieces.take(&mut self.pieces);
        let has_ended = stream.phase == Phase::Nothing;
        if has_ended {
            self.end = Some(match stream.lost.clone() {
                Some(lost) => Err(lost),
                None => Ok(stream.trailers.take()),
            });
        }
        has_ended
    }
}

impl Drop for ReplySide {
    fn drop(&mut self) {
        if !self.is_forgotten {
            let unread: usize = self.pieces.iter().map(Bytes::len).sum();
            self.shared.lock().forget(self.id, self.taken + unread);
        }
    }
}

/// The request of a call whose body follows its head. Dropping it before its end cancels the call.
#[derive(Debug)]
pub struct RequestSide {
    shared: Arc<Shared>,
    id: u32,
    is_finished: bool,
}

impl RequestSide {
    /// Waits until what was sent before has left and there is room for more; `false` if nothing
    /// more can be sent: the reply tells why.
    pub fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        self.shared.lock().poll_room(self.id, cx.waker())
    }

    /// Sends a message in its frame.
    pub fn send(&mut self, message: Framed) {
        self.shared.lock().send(self.id, message, false);
    }

    /// Ends the request.
    pub fn finish(mut self) {
        self.is_finished = true;
        self.shared.lock().send(self.id, Framed::nothing(), true);
    }
}

impl Drop for RequestSide {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        let mut wakes = Vec::new();
        self.shared.lock().cancel(self.id, &mut wakes);
        wakes.into_iter().for_each(Waker::wake);
    }
}
