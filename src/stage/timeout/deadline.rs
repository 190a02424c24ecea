//! Keeps a deadline: on the call until its reply, then on the reply's messages.
//!
//! There is at most one timer a call, and a reply that is at hand at once never arms it.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::{
    error::{Code, Error},
    exchange::{Companion, Exchange, Reply},
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
    let reply = first(next(exchange), deadline).await?;
    if reply.messages.is_at_hand() {
        return Ok(reply);
    }
    let timer = sleep_until(deadline);
    Ok(Reply { messages: reply.messages.beside(Deadline { timer }), ..reply })
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
    /// Ends messages with the deadline.
    struct Deadline {
        #[pin]
        timer: Sleep,
    }
}

impl Companion for Deadline {
    /// It goes first: a backend that always has a message ready must not outrun it.
    fn poll_before(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Error> {
        self.project().timer.poll(cx).map(|()| Error::deadline_exceeded())
    }

    fn tell(&self, error: Error) -> Error {
        settle(error, self.timer.deadline())
    }
}
