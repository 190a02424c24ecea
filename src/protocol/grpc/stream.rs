//! The body of an answer that streams: frames, then the status among the trailers.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};

use crate::{
    error::Error,
    exchange::Metadata,
    protocol::{
        Refusal,
        body::StreamedBody,
        outgoing::{Gathered, Outgoing},
        status,
    },
};

/// Messages in frames, and the trailers behind them.
pub(super) struct FrameBody {
    outgoing: Outgoing,
    next: Next,
    /// The error that the trailers tell of.
    told: Option<Refusal>,
}

/// What leaves next.
enum Next {
    Messages,
    /// A large message whose prefix has left.
    Payload(Bytes),
    Trailers(Box<HeaderMap>),
    Nothing,
}

impl FrameBody {
    pub(super) fn new(outgoing: Outgoing) -> Self {
        Self { outgoing, next: Next::Messages, told: None }
    }

    fn end(&mut self, end: Result<Metadata, Error>) -> Box<HeaderMap> {
        Box::new(match end {
            Ok(metadata) => status::of_success(metadata),
            Err(error) => {
                self.told = Some(Refusal::by(&error));
                status::of_error(&error)
            }
        })
    }
}

impl Body for FrameBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        match std::mem::replace(&mut this.next, Next::Nothing) {
            Next::Messages => {}
            Next::Payload(payload) => {
                this.next = Next::Messages;
                return Poll::Ready(Some(Ok(Frame::data(payload))));
            }
            Next::Trailers(trailers) => {
                return Poll::Ready(Some(Ok(Frame::trailers(*trailers))));
            }
            Next::Nothing => return Poll::Ready(None),
        }
        this.next = Next::Messages;
        let mut out = Vec::new();
        match ready!(this.outgoing.poll_gather(cx, &mut out)) {
            Gathered::More => {}
            Gathered::Large(payload) => this.next = Next::Payload(payload),
            Gathered::End(end) => {
                let trailers = this.end(end);
                if out.is_empty() {
                    this.next = Next::Nothing;
                    return Poll::Ready(Some(Ok(Frame::trailers(*trailers))));
                }
                this.next = Next::Trailers(trailers);
            }
        }
        Poll::Ready(Some(Ok(Frame::data(out.into()))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.next, Next::Nothing)
    }
}

impl StreamedBody for FrameBody {
    fn told(&self) -> Option<Refusal> {
        self.told
    }
}
