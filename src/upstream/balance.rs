//! Which endpoint a call is offered to first.
//!
//! A kind of balancing is a variant of [`Kind`] and an arm in [`Balance::first`]. Each worker
//! counts for itself, so that workers share no cache line.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The kinds of balancing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// One after the other.
    RoundRobin,
}

/// The balancing of one cluster.
#[derive(Debug)]
pub(super) struct Balance {
    kind: Kind,
    turns: Box<[Turn]>,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Turn(AtomicUsize);

impl Balance {
    /// Balancing for this many workers.
    pub(super) fn new(kind: Kind, workers: usize) -> Self {
        // Workers start apart, so that few calls spread over all endpoints too.
        let turns = (0..workers).map(|worker| Turn(AtomicUsize::new(worker))).collect();
        Self { kind, turns }
    }

    /// The place of the endpoint to try first, below `endpoints`; the others follow in order.
    pub(super) fn first(&self, worker: usize, endpoints: usize) -> usize {
        if endpoints < 2 {
            return 0;
        }
        match self.kind {
            Kind::RoundRobin => {
                let turn = &self.turns[worker % self.turns.len()];
                turn.0.fetch_add(1, Ordering::Relaxed) % endpoints
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_robin_serves_all_alike() {
        let balance = Balance::new(Kind::RoundRobin, 2);
        let mut served = [0; 3];
        for _ in 0..30 {
            served[balance.first(0, 3)] += 1;
        }
        assert_eq!(served, [10, 10, 10]);
        assert_eq!(balance.first(1, 1), 0);
    }
}
