//! `local`: this process counts, all workers together.
//!
//! A limit costs a call a lock that hardly anybody else wants, and a few comparisons; nothing is
//! allocated and nobody is awaited.

mod calendar;
mod cell;
mod table;

use std::sync::Arc;

use smallvec::SmallVec;

use self::table::{Seat, Terms};
pub(super) use self::{
    cell::Now,
    table::{LEAST, Table},
};
use super::{
    amount::Measure,
    count::{Answer, Ask, Count, Verdict, Verdicts},
    key::Asker,
    limit::Limit,
};

/// Counts in this process.
pub(super) struct Local {
    /// What time it is.
    pub(super) clock: fn() -> Now,
}

impl Count for Local {
    fn ask(&self, asks: &[Ask<'_>]) -> Answer<'_> {
        Answer::Now(take(asks, (self.clock)()))
    }
}

/// What is asked of one limit.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) limit: &'a Limit,
    /// The number of who asks.
    pub(super) digest: u64,
    pub(super) cost: u64,
}

/// What was taken of a limit, and can be given back.
#[derive(Clone, Copy)]
struct Taken {
    digest: u64,
    seat: Seat,
}

/// Takes the cost from every limit, or from none.
pub(super) fn take(asks: &[Ask<'_>], now: Now) -> Verdicts {
    let asked = asks.iter().map(|&Ask { limit, asker, cost }| Asked {
        limit,
        digest: limit.key.digest(asker),
        cost,
    });
    take_noted(&asked.collect::<SmallVec<[_; 4]>>(), now)
}

/// The same, of what was asked earlier.
pub(super) fn take_noted(asks: &[Asked<'_>], now: Now) -> Verdicts {
    let mut verdicts = Verdicts::new();
    let mut taken: SmallVec<[Taken; 4]> = SmallVec::new();
    let mut refused = false;
    for &Asked { limit, digest, cost } in asks {
        let (verdict, seat) = take_one(limit, digest, cost, now);
        refused |= !verdict.allowed && !limit.shadow;
        verdicts.push(verdict);
        taken.push(Taken { digest, seat });
    }
    if refused {
        for ((ask, verdict), taken) in asks.iter().zip(&mut verdicts).zip(taken) {
            if verdict.allowed {
                let left = give_back(ask.limit, taken, ask.cost, now);
                *verdict = left.unwrap_or(*verdict);
            }
        }
    }
    verdicts
}

/// Takes a cost from a limit if it allows that.
fn take_one(limit: &Limit, digest: u64, cost: u64, now: Now) -> (Verdict, Seat) {
    let measure = limit.measure;
    let terms = Terms {
        is_idle: |state| cell::is_idle(measure, state, now),
        moves: !matches!(measure, Measure::Concurrency { .. }),
        max_keys: limit.max_keys,
    };
    let (verdict, seat) = limit.table.change(digest, &terms, |state| {
        let (verdict, after) = cell::judge(measure, *state, cost, now);
        // Of a refusal too: that a limit has changed, or the day, is noted once.
        *state = after;
        verdict
    });
    if seat == Seat::Shared {
        limit.counts.crowded.count();
    }
    (verdict, seat)
}

/// Gives back what was taken, and tells what there is now.
fn give_back(limit: &Limit, taken: Taken, cost: u64, now: Now) -> Option<Verdict> {
    let measure = limit.measure;
    limit.table.change_again(taken.digest, taken.seat, |state| {
        *state = cell::give_back(measure, *state, cost);
        cell::judge(measure, *state, 0, now).0
    })
}

/// A call in flight, as a limit of concurrency counts it. It leaves when this is dropped.
pub(super) struct Permit {
    limit: Arc<Limit>,
    taken: Taken,
}

impl Permit {
    /// A place for a call, if there is one.
    pub(super) fn ask(limit: &Arc<Limit>, asker: &Asker<'_>, now: Now) -> (Verdict, Option<Self>) {
        let digest = limit.key.digest(asker);
        let (verdict, seat) = take_one(limit, digest, 1, now);
        let permit = || Self { limit: limit.clone(), taken: Taken { digest, seat } };
        (verdict, verdict.allowed.then(permit))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // What time it is matters to no call in flight.
        give_back(&self.limit, self.taken, 1, Now::default());
    }
}

#[cfg(test)]
mod tests;
