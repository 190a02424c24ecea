//! How long an endpoint's calls take, lately: a peak-sensitive moving average.
//!
//! It rises at once to a latency above it, and falls slowly, by the time that has passed and not by
//! the number of calls (Finagle's peak EWMA). Value and time share one atomic, so that neither is
//! ever seen with the other's counterpart.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use tokio::time::Instant;

use super::standing::{Blame, Outcome, stamp};

/// How long it takes for a latency to lose about two thirds of its weight.
const DECAY: Duration = Duration::from_secs(10);

/// The average, in microseconds as the bits of an `f32` above, and when it was made in milliseconds
/// below. Zero as long as nothing is known.
#[derive(Debug, Default)]
pub(super) struct Latency(AtomicU64);

impl Latency {
    /// Takes in one more call.
    ///
    /// A failure may be quick, which is no merit: it can only raise the average.
    pub(super) fn observe(&self, outcome: &Outcome, now: Instant) {
        if outcome.blame == Blame::Caller {
            return;
        }
        let latency = outcome.latency.as_secs_f32() * 1e6;
        let (now, old) = (millis(now), self.0.load(Relaxed));
        let average = match unpack(old) {
            None if outcome.is_failure() => return,
            None => latency,
            Some((average, _)) if latency >= average => latency,
            Some(_) if outcome.is_failure() => return,
            Some((average, made)) => {
                let kept = (-age(made, now) / DECAY.as_secs_f32()).exp();
                average * kept + latency * (1.0 - kept)
            }
        };
        // Of two at once one is lost, which an average can bear.
        self.0.store(pack(average, now), Relaxed);
    }

    /// The average in microseconds, less the longer ago the last call was, so that an endpoint that
    /// was slow is tried again some time. None as long as nothing is known.
    pub(super) fn average(&self, now: Instant) -> Option<f32> {
        let (average, made) = unpack(self.0.load(Relaxed))?;
        Some(average * (-age(made, millis(now)) / DECAY.as_secs_f32()).exp())
    }

    /// Forgets it all.
    pub(super) fn forget(&self) {
        self.0.store(0, Relaxed);
    }
}

fn pack(average: f32, made: u32) -> u64 {
    u64::from(average.max(1.0).to_bits()) << 32 | u64::from(made)
}

fn unpack(packed: u64) -> Option<(f32, u32)> {
    (packed != 0).then(|| (f32::from_bits((packed >> 32) as u32), packed as u32))
}

/// Seconds between two times, which go round every 49 days.
fn age(made: u32, now: u32) -> f32 {
    let age = now.wrapping_sub(made);
    // Another thread's clock may be ahead by a little.
    if age > u32::MAX / 2 { 0.0 } else { age as f32 / 1e3 }
}

fn millis(time: Instant) -> u32 {
    (stamp(time) / 1000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn took(millis: u64) -> Outcome {
        Outcome { code: Code::Ok, blame: Blame::Backend, latency: Duration::from_millis(millis) }
    }

    #[tokio::test(start_paused = true)]
    async fn it_rises_at_once_and_falls_with_time() {
        let latency = Latency::default();
        let now = Instant::now();
        assert_eq!(latency.average(now), None);
        latency.observe(&took(10), now);
        latency.observe(&took(200), now);
        assert_eq!(latency.average(now), Some(200_000.0));
        // However many: no time has passed.
        for _ in 0..100 {
            latency.observe(&took(10), now);
        }
        assert_eq!(latency.average(now), Some(200_000.0));
        let later = now + DECAY;
        latency.observe(&took(10), later);
        let average = latency.average(later).unwrap();
        assert!((79_000.0..81_000.0).contains(&average), "{average}");
        assert!(latency.average(later + DECAY).unwrap() < average / 2.0);
    }

    #[tokio::test(start_paused = true)]
    async fn quick_failure_is_no_merit() {
        let latency = Latency::default();
        let now = Instant::now();
        let failed = Outcome { code: Code::Unavailable, ..took(1) };
        latency.observe(&failed, now);
        assert_eq!(latency.average(now), None);
        latency.observe(&took(50), now);
        latency.observe(&failed, now + DECAY);
        assert!(latency.average(now).unwrap() > 49_000.0);
        latency.observe(&Outcome { code: Code::DeadlineExceeded, ..took(900) }, now);
        assert_eq!(latency.average(now), Some(900_000.0));
    }
}
