//! A call stays in flight until its last message has gone out, or nobody wants it any more.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use smallvec::SmallVec;

use super::local::Permit;
use crate::{
    coding::Coding,
    error::Error,
    exchange::{MessageStream, Messages, Metadata, Packed},
};

/// The places that a call has.
pub(super) type Permits = SmallVec<[Permit; 1]>;

/// Keeps a call's places for as long as messages may come.
pub(super) fn hold(messages: Messages, permits: Permits) -> Messages {
    // What is at hand is over: the backend has done its work.
    if permits.is_empty() || messages.is_at_hand() {
        return messages;
    }
    Messages::stream(Held { messages, permits })
}

struct Held {
    messages: Messages,
    permits: Permits,
}

impl Held {
    fn see<T>(&mut self, polled: Poll<Option<Result<T, Error>>>) -> Poll<Option<Result<T, Error>>> {
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.permits.clear();
        }
        polled
    }
}

impl MessageStream for Held {
    fn poll_message(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        let polled = self.messages.poll_message(cx);
        self.see(polled)
    }

    fn poll_packed(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Packed, Error>>> {
        let polled = self.messages.poll_packed(cx);
        self.see(polled)
    }

    fn coding(&self) -> Option<Coding> {
        self.messages.coding()
    }

    fn take_trailers(mut self: Pin<&mut Self>) -> Metadata {
        self.messages.take_trailers()
    }
}
