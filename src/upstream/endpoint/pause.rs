//! The time after a failed dial in which no other is made: longer each time, and never in step with
//! others.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::upstream::fault::Fault;

/// The first pause after a failed dial, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The time after a failed dial in which no other is made.
#[derive(Debug)]
pub(super) struct Pause {
    failures: u32,
    until: Instant,
    pub(super) fault: Arc<Fault>,
}

impl Pause {
    /// The pause after a failure, and perhaps after others before it.
    pub(super) fn after(fault: Fault, before: Option<&Self>) -> Self {
        let failures = before.map_or(0, |pause| pause.failures);
        Self {
            failures: failures.saturating_add(1),
            until: Instant::now() + jitter(pause_after(failures)),
            fault: Arc::new(fault),
        }
    }

    /// Whether it is not over yet.
    pub(super) fn lasts(&self) -> bool {
        Instant::now() < self.until
    }
}

/// The pause after this many failures before: doubling, up to the longest.
fn pause_after(failures: u32) -> Duration {
    let (first, longest) = PAUSES;
    first.saturating_mul(1 << failures.min(16)).min(longest)
}

/// Up to a fifth more or less, so that workers and gateways don't return in step.
pub(in crate::upstream) fn jitter(pause: Duration) -> Duration {
    use std::hash::{BuildHasher, RandomState};
    let random = RandomState::new().hash_one(0) as f64 / u64::MAX as f64;
    pause.mul_f64(0.8 + 0.4 * random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses: Vec<_> = (0..8).map(|failures| pause_after(failures).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(pause_after(u32::MAX), PAUSES.1);
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        for _ in 0..1000 {
            let pause = jitter(Duration::from_secs(1));
            assert!((Duration::from_millis(799)..=Duration::from_millis(1201)).contains(&pause));
        }
    }
}
