//! Hedging: further attempts while the first is under way (gRFC A6, "Hedging policy").
//!
//! The next attempt is sent after the delay, or at once when one fails for a reason that is not
//! fatal. The first success is the answer; a fatal failure is too. All attempts live in the
//! call's own future, so whatever ends it cancels those that are left.

use std::time::Duration;

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until};

use super::{original::Original, plan::Plan, verdict::Verdict};
use crate::{
    error::Error,
    exchange::{Attempt, Exchange, Reply},
    stage::Next,
};

/// Makes the attempts of a call beside each other, `delay` apart.
pub(super) async fn run(
    plan: &Plan,
    delay: Duration,
    original: Original,
    mut first: Exchange,
    next: Next<'_>,
) -> Result<Reply, Error> {
    let mut under_way = FuturesUnordered::new();
    let end = original.deadline();
    let mut schedule = Schedule { due: Some(Instant::now()), left: plan.attempts, end };
    let mut attempt = Attempt::first();
    first.extensions.insert(attempt.clone());
    let (mut first, mut failed) = (Some(first), None);
    loop {
        if schedule.is_due() {
            let exchange = first.take().unwrap_or_else(|| {
                plan.retries.count();
                original.copy(&attempt)
            });
            under_way.push(plan.attempt(exchange, next));
            attempt = attempt.following();
            schedule.sent(delay, plan.budget.allows());
            continue;
        }
        let outcome = match (under_way.is_empty(), schedule.due()) {
            (true, None) => break,
            (true, Some(due)) => {
                sleep_until(due).await;
                continue;
            }
            (false, None) => under_way.next().await,
            (false, Some(due)) => tokio::select! {
                biased;
                outcome = under_way.next() => outcome,
                () = sleep_until(due) => continue,
            },
        };
        match outcome {
            Some(Ok(reply)) => return Ok(reply),
            Some(Err(error)) => match wish(plan, &error) {
                None => return Err(error),
                Some(wish) => {
                    schedule.heed(wish);
                    failed = Some(error);
                }
            },
            None => break,
        }
    }
    // Something was sent, so something failed.
    Err(failed.unwrap_or_else(Error::deadline_exceeded))
}

/// What a failure asks for; `None` if it is fatal.
fn wish(plan: &Plan, error: &Error) -> Option<Wish> {
    match Verdict::of(error, plan.codes) {
        Verdict::Final => None,
        Verdict::Forbidden => {
            plan.budget.failed();
            plan.codes.contain(error.code()).then_some(Wish::Stop)
        }
        Verdict::Again(_) if !plan.budget.failed() => Some(Wish::Stop),
        Verdict::Again(None) => Some(Wish::Now),
        Verdict::Again(Some(pause)) => Some(Wish::After(pause)),
    }
}

/// What a failure that is not fatal asks for.
#[derive(Clone, Copy, Debug)]
enum Wish {
    /// The next attempt at once.
    Now,
    /// The next attempt after this time.
    After(Duration),
    /// No further attempt.
    Stop,
}

/// When the next attempt is sent.
struct Schedule {
    due: Option<Instant>,
    left: u32,
    /// The call's deadline; nothing is sent behind it.
    end: Option<Instant>,
}

impl Schedule {
    fn is_due(&self) -> bool {
        self.due().is_some_and(|due| due <= Instant::now())
    }

    /// Notes an attempt.
    fn sent(&mut self, delay: Duration, allowed: bool) {
        self.left = if allowed { self.left - 1 } else { 0 };
        self.set(delay);
    }

    fn heed(&mut self, wish: Wish) {
        match wish {
            Wish::Stop => self.left = 0,
            Wish::Now => self.set(Duration::ZERO),
            Wish::After(pause) => self.set(pause),
        }
    }

    fn set(&mut self, pause: Duration) {
        let due = Instant::now() + pause;
        self.due = self.end.is_none_or(|end| due < end).then_some(due);
    }

    /// When the next attempt is sent, if one is.
    fn due(&self) -> Option<Instant> {
        self.due.filter(|_| self.left > 0)
    }
}
