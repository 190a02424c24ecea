//! How a limit asks whoever counts: this process, or somebody whom several gateways share.
//!
//! ```text
//! stage ── [Ask { limit, asker, cost }, …] ──► Count ──► [Verdict { allowed, remaining, … }, …]
//! ```
//!
//! All limits of a call are asked together, so that a refused call costs nothing anywhere and a
//! store that is far away is asked once. What is at hand is answered at once and without allocation.
//! Calls in flight are no matter of a store: a gateway that dies could never give them back.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use http::HeaderMap;
use smallvec::SmallVec;

use super::{key::Asker, limit::Limit};
use crate::error::Error;

/// Whoever counts.
///
/// A store that fails decides itself what then holds (`on_failure`), and answers accordingly.
pub trait Count: Send + Sync {
    /// Takes the cost of a call from every limit, or from none if one of them refuses it. A limit in
    /// shadow mode has its verdict but refuses nothing: the others take the cost all the same, and it
    /// takes it too if it would have allowed the call.
    ///
    /// The asks live for this call alone; what is needed later has to be taken out of them now.
    fn ask(&self, asks: &[Ask<'_>]) -> Answer<'_>;
}

/// What is asked of one limit, which has a rate or a quota.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// The limit: what it is called, how much it allows, and by what it tells callers apart.
    pub limit: &'a Arc<Limit>,
    /// Who asks. [`Key::digest`](super::key::Key::digest) of the limit's key makes a number of it that
    /// means something in this process alone, [`Key::parts`](super::key::Key::parts) texts that mean
    /// the same everywhere.
    pub asker: &'a Asker<'a>,
    /// What the call costs, at least 1.
    pub cost: u64,
}

/// The verdicts, now or later.
pub enum Answer<'a> {
    /// They are at hand.
    Now(Verdicts),
    /// Somebody has to be asked for them. An error refuses the call.
    Later(BoxFuture<'a, Result<Counted, Error>>),
}

/// The verdicts of somebody who was asked, and what the call and its answer are to bear.
#[derive(Default)]
pub struct Counted {
    /// One for each ask.
    pub verdicts: Verdicts,
    /// Headers of the call on its way to the backend, in place of the caller's.
    pub request: HeaderMap,
    /// Headers of the answer, of a refusal too.
    pub response: HeaderMap,
}

impl From<Verdicts> for Counted {
    fn from(verdicts: Verdicts) -> Self {
        Self { verdicts, ..Self::default() }
    }
}

/// One verdict for each ask, in the same order.
pub type Verdicts = SmallVec<[Verdict; 4]>;

/// What a limit says to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether this limit allows the call, whatever the others say.
    pub allowed: bool,
    /// How much is left after the call.
    pub remaining: u64,
    /// How long until all of it is there again.
    pub reset: Duration,
    /// How long until the call would be allowed; zero where it is.
    pub retry_after: Duration,
}

impl Verdict {
    /// The verdict of a limit that could not be asked and lets calls through. Callers aren't told of
    /// it.
    pub const UNKNOWN: Self = Self {
        allowed: true,
        remaining: u64::MAX,
        reset: Duration::ZERO,
        retry_after: Duration::ZERO,
    };
}
