//! Circuit breaking: no upstream takes up more of the gateway than it may (gRFC A32, Envoy).
//!
//! Every cluster has counts of its own, so one that answers slowly fills its own bounds and is told
//! no, while calls to the others find all that they need. A call that is refused fails at once with
//! UNAVAILABLE and a reason that says what there was too much of. It is the gateway's own refusal:
//! nothing was sent, and the retry stage doesn't try it again.
//!
//! Counts outlive a reload, as what they count does; the limits are those of the last one.

mod settings;

use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
};

use serde::Serialize;

pub use settings::Limits;

use crate::error::{Code, Error};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Kind {
    Connections,
    Pending,
    Requests,
    Retries,
}

/// The counts of a cluster.
#[derive(Debug)]
pub(super) struct Breaker {
    counts: [Count; 4],
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Count {
    now: AtomicU32,
    most: AtomicU32,
    refused: AtomicU64,
}

/// One that is counted. It is no more when this is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    breaker: Arc<Breaker>,
    kind: Kind,
}

/// A count at one moment, for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CountState {
    /// How many there are.
    pub now: u32,
    /// How many there may be.
    pub most: u32,
    /// How many were refused.
    pub refused: u64,
}

/// The counts of a cluster at one moment, for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BreakerState {
    /// Connections.
    pub connections: CountState,
    /// Calls that wait for a place.
    pub pending: CountState,
    /// Calls that were sent.
    pub requests: CountState,
    /// Further attempts under way.
    pub retries: CountState,
}

impl Breaker {
    /// Counts without limits, until they are set.
    pub(super) fn new() -> Self {
        Self { counts: Default::default() }
    }

    /// From now on these limits hold.
    pub(super) fn limit(&self, limits: &Limits) {
        let Limits { max_connections, max_pending, max_requests, max_retries } = *limits;
        let most = [max_connections, max_pending, max_requests, max_retries];
        for (count, most) in self.counts.iter().zip(most) {
            count.most.store(most, Relaxed);
        }
    }

    /// Counts one more, if there may be.
    pub(super) fn admit(self: &Arc<Self>, kind: Kind) -> Result<Permit, Error> {
        self.try_admit(kind).ok_or_else(|| overflow(kind))
    }

    /// The same without a word.
    pub(super) fn try_admit(self: &Arc<Self>, kind: Kind) -> Option<Permit> {
        let count = self.count(kind);
        let permit = self.admit_always(kind);
        if count.now.load(Relaxed) > count.most.load(Relaxed) {
            count.refused.fetch_add(1, Relaxed);
            return None;
        }
        Some(permit)
    }

    /// Counts one more that has to be.
    pub(super) fn admit_always(self: &Arc<Self>, kind: Kind) -> Permit {
        self.count(kind).now.fetch_add(1, Relaxed);
        Permit { breaker: self.clone(), kind }
    }

    /// What the operator is shown.
    pub(super) fn state(&self) -> BreakerState {
        let state = |kind| {
            let Count { now, most, refused } = self.count(kind);
            CountState {
                now: now.load(Relaxed),
                most: most.load(Relaxed),
                refused: refused.load(Relaxed),
            }
        };
        BreakerState {
            connections: state(Kind::Connections),
            pending: state(Kind::Pending),
            requests: state(Kind::Requests),
            retries: state(Kind::Retries),
        }
    }

    fn count(&self, kind: Kind) -> &Count {
        &self.counts[kind as usize]
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.breaker.count(self.kind).now.fetch_sub(1, Relaxed);
    }
}

impl Kind {
    /// The stable word for one too many, and what callers are told.
    pub(super) fn overflow(self) -> (&'static str, &'static str) {
        match self {
            Self::Connections => {
                ("upstream_max_connections", "the backend has too many connections")
            }
            Self::Pending => ("upstream_max_pending", "too many calls wait for the backend"),
            Self::Requests => {
                ("upstream_max_requests", "the backend has too many calls to work on")
            }
            Self::Retries => {
                ("upstream_max_retries", "too many calls to the backend are tried again")
            }
        }
    }
}

fn overflow(kind: Kind) -> Error {
    let (reason, message) = kind.overflow();
    Error::new(Code::Unavailable, reason, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Origin;

    fn breaker(limits: Limits) -> Arc<Breaker> {
        let breaker = Arc::new(Breaker::new());
        breaker.limit(&limits);
        breaker
    }

    #[test]
    fn what_is_above_the_limit_is_refused_until_one_has_gone() {
        let breaker = breaker(Limits { max_requests: 2, ..Limits::default() });
        let first = breaker.admit(Kind::Requests).unwrap();
        let _second = breaker.admit(Kind::Requests).unwrap();
        let error = breaker.admit(Kind::Requests).unwrap_err();
        assert_eq!((error.code(), error.reason()), (Code::Unavailable, "upstream_max_requests"));
        assert_eq!(error.origin(), Origin::Gateway);
        drop(first);
        let _third = breaker.admit(Kind::Requests).unwrap();
        let state = breaker.state().requests;
        assert_eq!((state.now, state.most, state.refused), (2, 2, 1));
    }

    #[test]
    fn kinds_are_counted_apart_and_retries_may_be_none() {
        let breaker = breaker(Limits { max_retries: 0, ..Limits::default() });
        assert!(breaker.try_admit(Kind::Retries).is_none());
        assert!(breaker.try_admit(Kind::Requests).is_some());
        assert_eq!(breaker.state().retries.now, 0);
    }

    #[test]
    fn new_limits_hold_for_what_is_counted_already() {
        let breaker = breaker(Limits::default());
        let held: Vec<_> = (0..5).map(|_| breaker.admit(Kind::Pending).unwrap()).collect();
        breaker.limit(&Limits { max_pending: 3, ..Limits::default() });
        assert!(breaker.try_admit(Kind::Pending).is_none());
        drop(held);
        assert!(breaker.try_admit(Kind::Pending).is_some());
    }
}
