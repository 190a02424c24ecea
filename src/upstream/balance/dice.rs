//! Chance, cheap and without a lock: SplitMix64, a generator for each worker.
//!
//! (G. Steele, D. Lea, C. Flood: Fast Splittable Pseudorandom Number Generators, 2014.) Nothing
//! here needs to be secret; that the same seed gives the same choices makes tests exact.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// How far the state goes with each throw: 2⁶⁴ by the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// One worker's generator, on a cache line of its own.
#[derive(Debug)]
#[repr(align(128))]
pub(in super::super) struct Die(AtomicU64);

impl Die {
    /// A die whose throws the seed decides.
    pub(in super::super) fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// 64 bits by chance.
    pub(in super::super) fn throw(&self) -> u64 {
        mix(self.0.fetch_add(STEP, Relaxed).wrapping_add(STEP))
    }

    /// A number below `bound`, which is not zero; all alike but for one part in 2³².
    pub(in super::super) fn below(&self, bound: usize) -> usize {
        (((self.throw() >> 32) * bound as u64) >> 32) as usize
    }

    /// A number from 0 to below 1.
    pub(in super::super) fn fraction(&self) -> f32 {
        (self.throw() >> 40) as f32 / (1_u64 << 24) as f32
    }
}

/// Mixes the bits of a number so that each depends on all.
pub(super) fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// The dice of all workers.
#[derive(Debug)]
pub(in super::super) struct Dice(Box<[Die]>);

impl Dice {
    /// Dice for this many workers, each with a seed by chance.
    pub(in super::super) fn new(workers: usize) -> Self {
        let random = RandomState::new();
        let seed = |worker| Die::seeded(random.hash_one(worker));
        Self((0..workers.max(1)).map(seed).collect())
    }

    /// Dice whose throws the seeds decide.
    #[cfg(test)]
    pub(in super::super) fn seeded(seeds: &[u64]) -> Self {
        Self(seeds.iter().copied().map(Die::seeded).collect())
    }

    /// The die of one worker.
    pub(in super::super) fn of(&self, worker: usize) -> &Die {
        &self.0[worker % self.0.len()]
    }
}
