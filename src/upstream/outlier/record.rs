//! What an endpoint's calls came to since it was last looked at.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use arc_swap::ArcSwapOption;
use tokio::sync::Notify;

use crate::{
    error::Code,
    upstream::standing::{Blame, Outcome},
};

/// Counts that every worker adds to: one addition for a call that went well.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Record {
    successes: AtomicU32,
    failures: AtomicU32,
    /// Failures in a row.
    streak: AtomicU32,
    /// How many ejections the next one is as long as, less one (gRFC A50's multiplier).
    pub(super) multiplier: AtomicU32,
    alarm: ArcSwapOption<Alarm>,
}

/// Who is woken by how many failures in a row.
#[derive(Debug)]
pub(super) struct Alarm {
    pub(super) streak: u32,
    pub(super) woken: Notify,
}

impl Record {
    /// Notes how a call ended.
    pub(in crate::upstream) fn note(&self, outcome: &Outcome) {
        if outcome.blame == Blame::Caller {
            return;
        }
        if is_fault(outcome) {
            self.failed();
            return;
        }
        self.successes.fetch_add(1, Relaxed);
        if self.streak.load(Relaxed) != 0 {
            self.streak.store(0, Relaxed);
        }
    }

    /// Notes that the endpoint failed, with or without a call.
    pub(in crate::upstream) fn failed(&self) {
        self.failures.fetch_add(1, Relaxed);
        let streak = self.streak.fetch_add(1, Relaxed) + 1;
        if let Some(alarm) = &*self.alarm.load()
            && streak >= alarm.streak
        {
            alarm.woken.notify_one();
        }
    }

    /// From now on this alarm is raised.
    pub(super) fn arm(&self, alarm: Option<&Arc<Alarm>>) {
        let armed = self.alarm.load();
        if armed.as_ref().map(Arc::as_ptr) != alarm.map(Arc::as_ptr) {
            self.alarm.store(alarm.cloned());
        }
    }

    /// Failures in a row.
    pub(super) fn streak(&self) -> u32 {
        self.streak.load(Relaxed)
    }

    /// A new beginning for failures in a row.
    pub(super) fn end_streak(&self) {
        self.streak.store(0, Relaxed);
    }

    /// Takes out what was counted: successes and failures.
    pub(super) fn take(&self) -> (u32, u32) {
        (self.successes.swap(0, Relaxed), self.failures.swap(0, Relaxed))
    }
}

/// Whether the endpoint is to blame: it told nothing, or a code that is HTTP's 5xx. What a caller
/// did wrong, and a method that isn't there, say nothing about it.
fn is_fault(outcome: &Outcome) -> bool {
    use Code::{DataLoss, DeadlineExceeded, Internal, Unavailable, Unknown};
    outcome.code != Code::Ok
        && (outcome.blame == Blame::Connection
            || matches!(
                outcome.code,
                Unknown | DeadlineExceeded | Internal | Unavailable | DataLoss
            ))
}
