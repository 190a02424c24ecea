//! Keeps a deadline: on the call until its reply, then on the reply's messages.
//!
//! There is at most one timer a call, and a reply that is at hand at once never arms it.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::{
    coding::Coding,
    error::{Code, Error},
    exchange::{Exchange, MessageStream, Messages, Metadata, Packed, Reply},
};

/// Runs the rest of the way, and gives up on it when the deadline has passed.
pub(super) async fn keep<F: Future<Output = Result<Reply, Error>>>(
    deadline: Instant,
    exchange: Exchange,
    next: impl FnOnce(Exchange) -> F,
) -> Result<Reply, Error> {
    if deadline <= Instant::now() {
        return Err(Error::deadline_exceeded());
    }
    let mut reply = first(next(exchange), deadline).await?;
    if !reply.messages.is_at_hand() {
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
        Poll::Ready(outcome) => Poll::Ready(outcome.map_err(|error| settle(error, deadline))),
        Poll::Pending => timer.as_mut().poll(cx).map(|()| Err(Error::deadline_exceeded())),
    })
    .await
}

/// How long before its own clock says so a backend may be known to have kept the deadline, which it
/// was told in round numbers, while ours ticks in milliseconds.
const HASTE: Duration = Duration::from_millis(5);

/// A backend that keeps the deadline itself may say CANCELLED a moment before the deadline is here;
/// to the caller it is the same deadline, whoever was first.
fn settle(error: Error, deadline: Instant) -> Error {
    let is_over = Instant::now() + HASTE >= deadline;
    if is_over && error.code() == Code::Cancelled { Error::deadline_exceeded() } else { error }
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

/// What polling a stream gives.
type Polled<T> = Poll<Option<Result<T, Error>>>;

impl Timed {
    /// The next of the inner messages, in whatever form `poll` asks for.
    fn poll_next<T>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        poll: fn(&mut Messages, &mut Context<'_>) -> Polled<T>,
    ) -> Polled<T> {
        let this = self.project();
        if *this.ended {
            return Poll::Ready(None);
        }
        let deadline = this.timer.deadline();
        // The timer goes first: a backend that always has a message ready must not outrun it.
        if this.timer.poll(cx).is_ready() {
            *this.ended = true;
            *this.inner = Messages::none();
            return Poll::Ready(Some(Err(Error::deadline_exceeded())));
        }
        let polled = poll(this.inner, cx);
        let polled = polled.map_err(|error| settle(error, deadline));
        *this.ended = matches!(polled, Poll::Ready(None | Some(Err(_))));
        polled
    }
}

impl MessageStream for Timed {
    fn poll_message(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        self.poll_next(cx, Messages::poll_message)
    }

    fn poll_packed(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Packed, Error>>> {
        self.poll_next(cx, Messages::poll_packed)
    }

    fn coding(&self) -> Option<Coding> {
        self.inner.coding()
    }

    fn take_trailers(self: Pin<&mut Self>) -> Metadata {
        self.project().inner.take_trailers()
    }
}
