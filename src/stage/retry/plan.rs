//! How the attempts of a method's calls are made: one after another, each within its time.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

use super::{
    backoff::Backoff,
    budget::Budget,
    original::Original,
    settings::{self, Codes},
    verdict::{TRY_TIMEOUT, Verdict},
};
use crate::{
    error::{Code, Error},
    exchange::{Attempt, Exchange, Reply},
    meter::Counter,
    stage::Next,
};

/// How long before its own clock says so a backend may be known to have kept the time of one
/// attempt, which it was told in round numbers.
const HASTE: Duration = Duration::from_millis(5);

/// What holds for every call of a method.
pub(super) struct Plan {
    pub(super) attempts: u32,
    pub(super) codes: Codes,
    pub(super) backoff: settings::Backoff,
    pub(super) per_try: Option<Duration>,
    /// Shared by the methods of a selector, and kept over a reload.
    pub(super) budget: Arc<Budget>,
    /// Counts the attempts behind the first.
    pub(super) retries: Arc<Counter>,
}

impl Plan {
    /// Makes attempts until one succeeds, or none is left that is worth it.
    pub(super) async fn run(
        &self,
        original: Original,
        first: Exchange,
        next: Next<'_>,
    ) -> Result<Reply, Error> {
        let mut backoff = Backoff::new(&self.backoff);
        // An attempt that is given up can't tell whom it called; it is noted while it is under way.
        let mut attempt = self.per_try.map(|_| Attempt::first());
        let mut exchange = first;
        if let Some(attempt) = &attempt {
            exchange.extensions.insert(attempt.clone());
        }
        loop {
            let error = match self.attempt(exchange, next).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            let Some(pushback) = self.judge(&error) else { return Err(error) };
            let following = following(attempt.take(), &error);
            if following.number() >= self.attempts {
                return Err(error);
            }
            let pause = backoff.pause(pushback);
            // Who comes back after the deadline has waited for nothing.
            if original.deadline().is_some_and(|deadline| Instant::now() + pause >= deadline) {
                return Err(error);
            }
            sleep(pause).await;
            self.retries.count();
            exchange = original.copy(&following);
            attempt = Some(following);
        }
    }

    /// Whether another attempt may be made after this failure, and what the backend asks for.
    fn judge(&self, error: &Error) -> Option<Option<Duration>> {
        match Verdict::of(error, self.codes) {
            Verdict::Final => None,
            Verdict::Forbidden => {
                self.budget.failed();
                None
            }
            Verdict::Again(pushback) => self.budget.failed().then_some(pushback),
        }
    }

    /// One attempt. It succeeds when its reply begins, which is when the caller may see of it; that
    /// of a single message is held back until it is whole.
    pub(super) async fn attempt(
        &self,
        mut exchange: Exchange,
        next: Next<'_>,
    ) -> Result<Reply, Error> {
        let own = self.per_try.map(|limit| Instant::now() + limit);
        let own = own.filter(|own| exchange.deadline.is_none_or(|deadline| *own < deadline));
        let outcome = match own {
            None => next.call(exchange).await,
            Some(own) => {
                // A stream may go on after its beginning, so its backend isn't told.
                if !exchange.method.server_streaming {
                    exchange.deadline = Some(own);
                }
                timeout_at(own, next.call(exchange))
                    .await
                    .unwrap_or_else(|_| Err(too_slow()))
                    .map_err(|error| {
                        let is_over = Instant::now() + HASTE >= own;
                        let gave_up =
                            matches!(error.code(), Code::DeadlineExceeded | Code::Cancelled);
                        if is_over && gave_up { too_slow() } else { error }
                    })
            }
        };
        if outcome.is_ok() {
            self.budget.succeeded();
        }
        outcome
    }
}

/// The attempt after one that failed so. Of the first it is told there alone whom it called, so that
/// a call that succeeds at once needn't keep it.
fn following(attempt: Option<Attempt>, error: &Error) -> Attempt {
    let attempt = attempt.unwrap_or_else(|| {
        let first = Attempt::first();
        error.endpoint().iter().for_each(|endpoint| first.note(endpoint));
        first
    });
    attempt.following()
}

fn too_slow() -> Error {
    Error::new(
        Code::DeadlineExceeded,
        TRY_TIMEOUT,
        "the backend did not answer within the time for one attempt",
    )
}
