//! Round robin: one after the other, by weight.
//!
//! With weights it is gRFC A58's static stride: in each round of the members, one of a third of the
//! largest weight is passed over in two rounds of three, without any state but a counter.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{Balancer, Choice, Entry, Kind};
use crate::upstream::pool::Member;

pub(super) const ENTRY: Entry = Entry {
    kind: Kind::RoundRobin,
    build: |members, workers| Box::new(RoundRobin::new(members, workers)),
};

/// What the largest weight is scaled to.
const FULL: u64 = 0xffff;

/// How many slow start may pass over before one is taken all the same.
const REFUSALS: usize = 32;

struct RoundRobin {
    turns: Box<[Turn]>,
    /// The scaled weights; empty where all are alike.
    weights: Box<[u64]>,
}

/// One worker's counter, on a cache line of its own: no two workers wait for each other.
#[repr(align(128))]
struct Turn(AtomicU64);

impl RoundRobin {
    fn new(members: &[Member], workers: usize) -> Self {
        let largest = members.iter().map(|member| u64::from(member.weight)).max().unwrap_or(1);
        let alike = members.iter().all(|member| u64::from(member.weight) == largest);
        let scaled = |member: &Member| (u64::from(member.weight) * FULL / largest.max(1)).max(1);
        // Workers start apart, so that few calls spread over all endpoints too.
        let turns = (0..workers.max(1)).map(|worker| Turn(AtomicU64::new(worker as u64)));
        Self {
            turns: turns.collect(),
            weights: if alike { Box::default() } else { members.iter().map(scaled).collect() },
        }
    }

    fn next(&self, worker: usize, members: u64) -> usize {
        let turn = &self.turns[worker % self.turns.len()].0;
        loop {
            let turn = turn.fetch_add(1, Relaxed);
            let place = (turn % members) as usize;
            let Some(weight) = self.weights.get(place) else { return place };
            // The offset keeps the members from being passed over all in the same round.
            let offset = FULL / 2 * place as u64;
            let round = turn / members;
            if (weight * round + offset) % FULL >= FULL - weight {
                return place;
            }
        }
    }
}

impl Balancer for RoundRobin {
    fn pick(&self, choice: &Choice<'_>) -> usize {
        let count = choice.members.len() as u64;
        let mut place = self.next(choice.worker, count);
        if !choice.draw.is_warming(choice.now) {
            return place;
        }
        for _ in 0..REFUSALS {
            if choice.draw.admits(&choice.members[place], choice.die, choice.now) {
                break;
            }
            place = self.next(choice.worker, count);
        }
        place
    }
}
