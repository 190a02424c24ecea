//! Keeps a deadline: on the call until its reply, then on the reply's messages.
//!
//! There is at most one timer a call, and a reply that is at hand at once never arms it.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::Bytes;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::{
    error::Error,
    exchange::{Exchange, MessageStream, Messages, Metadata, Reply},
    stage::Next,
};

/// Runs the rest of the way, and gives up on it when the deadline has passed.
pub(super) async fn keep(
    deadline: Instant,
    exchange: Exchange,
    next: Next<'_>,
) -> Result<Reply, Error> {
    if deadline <= Instant::now() {
        return Err(Error::deadline_exceeded());
    }
    let mut reply = first(next.call(exchange), deadline).await?;
    if reply.messages.as_one().is_none() {
        reply.messages = Messages::stream(Timed {
            inner: reply.messages,
            timer: sleep_until(deadline),
            ended: false,
        });
    }
    Ok(reply)
}

/// The call's outcome, or the deadline's, whichever comes first.
async fn first(
    call: impl Future<Output = Result<Reply, Error>>,
    deadline: Instant,
) -> Result<Reply, Error> {
    let (mut call, mut timer) = (pin!(call), pin!(sleep_until(deadline)));
    poll_fn(|cx| match call.as_mut().poll(cx) {
        Poll::Ready(outcome) => Poll::Ready(outcome),
        Poll::Pending => timer.as_mut().poll(cx).map(|()| Err(Error::deadline_exceeded())),
    })
    .await
}

pin_project! {
    /// Messages until the deadline.
    struct Timed {
        inner: Messages,
        #[pin]
        timer: Sleep,
        ended: bool,
    }
}

impl MessageStream for Timed {
    fn poll_message(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        let this = self.project();
        if *this.ended {
            return Poll::Ready(None);
        }
        // The timer goes first: a backend that always has a message ready must not outrun it.
        if this.timer.poll(cx).is_ready() {
            *this.ended = true;
            *this.inner = Messages::none();
            return Poll::Ready(Some(Err(Error::deadline_exceeded())));
        }
        let polled = this.inner.poll_message(cx);
        *this.ended = matches!(polled, Poll::Ready(None | Some(Err(_))));
        polled
    }

    fn take_trailers(self: Pin<&mut Self>) -> Metadata {
        self.project().inner.take_trailers()
    }
}
