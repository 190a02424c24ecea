//! Latencies of one window, counted in buckets that grow by an eighth of their octave.

use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

/// Buckets an octave, as a power of two.
const FINE: u32 = 3;

/// Up to 2^36 microseconds, which is 19 hours.
const BUCKETS: usize = (36 - FINE as usize + 1) << FINE;

/// Counts of latencies, which any thread may add to.
pub(super) struct Histogram {
    buckets: [AtomicU32; BUCKETS],
    count: AtomicU32,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { buckets: [const { AtomicU32::new(0) }; BUCKETS], count: AtomicU32::new(0) }
    }

    pub(super) fn add(&self, latency: Duration) {
        self.buckets[bucket(latency.as_micros().max(1))].fetch_add(1, Relaxed);
        self.count.fetch_add(1, Relaxed);
    }

    /// How many were added since the last drain.
    pub(super) fn count(&self) -> u32 {
        self.count.load(Relaxed)
    }

    /// Takes everything out; gives the latency that half of the answers kept.
    pub(super) fn drain(&self) -> Option<Duration> {
        self.count.store(0, Relaxed);
        let counts: Vec<u64> =
            self.buckets.iter().map(|count| count.swap(0, Relaxed).into()).collect();
        let total: u64 = counts.iter().sum();
        let mut seen = 0;
        let place = counts.iter().position(|count| {
            seen += count;
            seen * 2 >= total
        });
        place.filter(|_| total > 0).map(middle)
    }
}

/// The bucket of a latency in microseconds.
fn bucket(micros: u128) -> usize {
    let octave = micros.ilog2();
    let place = match octave.checked_sub(FINE) {
        None => micros as usize,
        Some(above) => ((above as usize + 1) << FINE) + ((micros >> above) as usize & 7),
    };
    place.min(BUCKETS - 1)
}

/// The middle of a bucket.
fn middle(bucket: usize) -> Duration {
    let (row, column) = (bucket >> FINE, (bucket & 7) as u64);
    let nanos = match row.checked_sub(1) {
        None => column * 1000 + 500,
        Some(above) => ((8 + column) * 1000 + 500) << above,
    };
    Duration::from_nanos(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_is_near_the_middle_of_its_bucket() {
        for micros in (1..4000).chain((4000..80_000_000).step_by(7919)) {
            let found = middle(bucket(micros)).as_secs_f64() * 1e6;
            let off = (found - micros as f64).abs() / micros as f64;
            assert!(off <= 0.0626 || micros < 8, "{micros} is told as {found}");
        }
        assert_eq!(bucket(u128::MAX), BUCKETS - 1);
    }

    #[test]
    fn half_of_the_answers_keep_the_middle_and_a_drain_takes_all() {
        let histogram = Histogram::new();
        (1..=100).for_each(|milli| histogram.add(Duration::from_millis(milli)));
        assert_eq!(histogram.count(), 100);
        let middle = histogram.drain().unwrap().as_secs_f64();
        assert!((0.045..0.055).contains(&middle), "{middle}");
        assert_eq!((histogram.count(), histogram.drain()), (0, None));
    }
}
