//! A stream of HttpBody messages as the bytes in them, never gathered.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame};

use super::{binding::Binding, break_off::BreakOff};
use crate::{error::Error, exchange::Messages, protocol::body::StreamedBody};

/// The body of an answer whose messages are pieces of it.
pub(super) struct RawStream {
    binding: Arc<Binding>,
    first: Bytes,
    messages: Messages,
    state: State,
}

enum State {
    Running,
    /// Raw bytes have no place for an error: they break off.
    Failing(BreakOff),
    Ended,
}

impl RawStream {
    /// A stream whose first piece is at hand; its content type has become a header.
    pub(super) fn new(binding: Arc<Binding>, first: Bytes, messages: Messages) -> Self {
        Self { binding, first, messages, state: State::Running }
    }

    /// The next piece that holds anything.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            let piece = match ready!(self.messages.poll_message(cx)) {
                Some(message) => message.and_then(|message| self.binding.raw_response(message)),
                None => return Poll::Ready(None),
            };
            match piece {
                Ok(piece) if piece.data.is_empty() => {}
                piece => return Poll::Ready(Some(piece.map(|piece| piece.data))),
            }
        }
    }
}

impl Body for RawStream {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if !this.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut this.first)))));
        }
        loop {
            match &mut this.state {
                State::Running => match ready!(this.poll_piece(cx)) {
                    Some(Ok(piece)) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                    Some(Err(error)) => this.state = State::Failing(BreakOff::new(error)),
                    None => {
                        this.state = State::Ended;
                        let trailers = this.binding.trailers.of(&this.messages.take_trailers());
                        let trailers = trailers.map(|trailers| Ok(Frame::trailers(trailers)));
                        return Poll::Ready(trailers);
                    }
                },
                State::Failing(error) => return error.poll_frame(cx),
                State::Ended => return Poll::Ready(None),
            }
        }
    }
}

impl StreamedBody for RawStream {}
