//! What holds while whoever counts for several gateways gives no answer.
//!
//! ```text
//! local   this process counts by itself       n gateways allow at most n times the limit
//! open    every call is allowed               no limit
//! closed  no call is                          503, UNAVAILABLE
//! ```
//!
//! `local` begins with what this process has seen allowed before, so that nothing is allowed twice
//! when an answer fails to come: while the store is away, each gateway allows the limit, the calls
//! just before included. When the store is back it knows what it knew, or nothing: in the time that a
//! limit takes to be full again after that, one limit more may be allowed.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{
    count::{Ask, Verdict, Verdicts},
    limit::Limit,
    local::{self, Asked, Now},
    settings::OnFailure,
};
use crate::error::Error;

/// What holds without an answer.
pub(super) struct Fallback {
    pub(super) rule: OnFailure,
    pub(super) clock: fn() -> Now,
}

/// What was asked, for later.
pub(super) struct Noted {
    limit: Arc<Limit>,
    digest: u64,
    cost: u64,
}

/// All that was asked of a call's limits.
pub(super) type AllNoted = SmallVec<[Noted; 4]>;

impl Fallback {
    /// Notes what is asked.
    pub(super) fn note(&self, asks: &[Ask<'_>]) -> AllNoted {
        let digest = |ask: &Ask<'_>| match self.rule {
            OnFailure::Local => ask.limit.key.digest(ask.asker),
            OnFailure::Open | OnFailure::Closed => 0,
        };
        let note =
            |ask: &Ask<'_>| Noted { limit: ask.limit.clone(), digest: digest(ask), cost: ask.cost };
        asks.iter().map(note).collect()
    }

    /// Takes here what was allowed elsewhere.
    pub(super) fn follow(&self, noted: &[Noted], verdicts: &[Verdict]) {
        let judged = || noted.iter().zip(verdicts);
        let is_refused = judged().any(|(one, verdict)| !verdict.allowed && !one.limit.shadow);
        if self.rule != OnFailure::Local || is_refused {
            return;
        }
        let now = (self.clock)();
        for (one, _) in judged().filter(|(_, verdict)| verdict.allowed) {
            // Each for itself: here the verdict is nobody's.
            local::take_noted(&[one.asked()], now);
        }
    }

    /// What holds now.
    ///
    /// # Errors
    /// No call is allowed.
    pub(super) fn answer(&self, noted: &[Noted]) -> Result<Verdicts, Error> {
        match self.rule {
            OnFailure::Local => {
                let asked: SmallVec<[_; 4]> = noted.iter().map(Noted::asked).collect();
                Ok(local::take_noted(&asked, (self.clock)()))
            }
            OnFailure::Open => Ok(noted.iter().map(|_| Verdict::UNKNOWN).collect()),
            OnFailure::Closed => {
                let message = "the call's limits can't be checked at the moment; try again later";
                Err(Error::unavailable("rate_limit_unavailable", message))
            }
        }
    }
}

impl Noted {
    fn asked(&self) -> Asked<'_> {
        Asked { limit: &self.limit, digest: self.digest, cost: self.cost }
    }
}
