//! Which endpoint a call goes to.
//!
//! A kind of balancing is a file here and a line in [`BALANCERS`]. It is made anew for each set of
//! endpoints that may be called, so what it needs (a ring, a table) is computed when the set
//! changes; a choice takes no lock, allocates nothing, and each worker throws dice of its own.

mod dice;
mod draw;
mod ewma;
mod key;
mod least_request;
mod maglev;
mod random;
mod ring_hash;
mod round_robin;
mod settings;
#[cfg(test)]
mod tests;

use tokio::time::Instant;

pub use self::settings::{Balance, Key, Kind, SlowStart, Spread, Yes};
pub(super) use self::{
    dice::{Dice, Die},
    draw::Draw,
    key::{KeyReader, hash},
};
use super::pool::Member;

/// What a choice is made from.
pub(super) struct Choice<'a> {
    /// Who may be called; at least one.
    pub(super) members: &'a [Member],
    /// Draws one of them by weight.
    pub(super) draw: &'a Draw,
    /// The worker's dice.
    pub(super) die: &'a Die,
    /// The number of the worker.
    pub(super) worker: usize,
    /// What calls have in common that belong together, hashed.
    pub(super) key: Option<u64>,
    /// The time.
    pub(super) now: Instant,
}

impl Choice<'_> {
    /// One of the members by chance, by weight and slow start.
    fn drawn(&self) -> usize {
        self.draw.throw(self.members, self.die, self.now)
    }

    /// One of two that were drawn by chance: the one whose `cost` is less, else the first.
    fn cheaper_of_two(&self, cost: impl Fn(&Member) -> f32) -> usize {
        let first = self.drawn();
        let mut second = self.drawn();
        // Two different ones, if a few more throws give them: the weights must not be lost.
        for _ in 0..3 {
            if second != first {
                break;
            }
            second = self.drawn();
        }
        if second == first && self.members.len() == 2 {
            second = 1 - first;
        }
        match cost(&self.members[second]) < cost(&self.members[first]) {
            true => second,
            false => first,
        }
    }
}

/// Balancing among the members of one set.
pub(super) trait Balancer: Send + Sync {
    /// The place of the member that takes the call.
    fn pick(&self, choice: &Choice<'_>) -> usize;
}

/// A kind of balancing.
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// Makes the balancer for a set that is not empty and this many workers.
    pub(super) build: fn(&[Member], usize) -> Box<dyn Balancer>,
}

/// Every kind there is. Their documentation for users stands at [`Kind`].
pub(super) static BALANCERS: &[Entry] = &[
    least_request::ENTRY,
    round_robin::ENTRY,
    random::ENTRY,
    ewma::ENTRY,
    ring_hash::ENTRY,
    maglev::ENTRY,
];

/// Makes a balancer of this kind.
pub(super) fn build(kind: Kind, members: &[Member], workers: usize) -> Box<dyn Balancer> {
    let entry = BALANCERS.iter().find(|entry| entry.kind == kind).unwrap_or(&BALANCERS[0]);
    (entry.build)(members, workers)
}
