//! The retry budget: the token bucket of gRFC A6, which ends retries where failure is the rule.
//!
//! It starts full. A failure that is worth a retry, or that forbids one, takes a token; a success
//! puts a part of one back. Something is tried again only while more than half of the tokens are
//! there. So a backend that fails altogether is not asked three times as much as before.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::settings;

/// A token in the unit of the counter: gRFC A6 keeps three decimals of a ratio.
const TOKEN: f64 = 1000.0;

/// The tokens that the methods of one selector share.
#[derive(Debug)]
pub(super) struct Budget {
    most: u32,
    ratio: u32,
    left: AtomicU32,
}

impl Budget {
    /// A full bucket.
    pub(super) fn new(settings: &settings::Budget) -> Self {
        let most = ((settings.tokens * TOKEN) as u32).max(1);
        let ratio = ((settings.ratio * TOKEN) as u32).max(1);
        Self { most, ratio, left: AtomicU32::new(most) }
    }

    /// Notes a success. A full bucket is only looked at, so that workers don't fight over it.
    pub(super) fn succeeded(&self) {
        if self.left.load(Relaxed) < self.most {
            let add = |left: u32| Some(left.saturating_add(self.ratio).min(self.most));
            let _ = self.left.fetch_update(Relaxed, Relaxed, add);
        }
    }

    /// Notes a failure; tells whether another attempt may be made.
    pub(super) fn failed(&self) -> bool {
        let take = |left: u32| Some(left.saturating_sub(TOKEN as u32));
        let _ = self.left.fetch_update(Relaxed, Relaxed, take);
        self.allows()
    }

    /// Whether attempts beside the first may be made.
    pub(super) fn allows(&self) -> bool {
        self.left.load(Relaxed) > self.most / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(tokens: f64, ratio: f64) -> Budget {
        Budget::new(&settings::Budget { tokens, ratio })
    }

    #[test]
    fn half_of_the_tokens_end_retries_and_successes_bring_them_back() {
        let budget = budget(10.0, 0.1);
        let allowed = (0..10).filter(|_| budget.failed()).count();
        assert_eq!(allowed, 4, "5 of 10 are left after five failures, and half is not enough");
        // Nothing is left; more than 5 tokens are there after 51 successes of a tenth each.
        (0..50).for_each(|_| budget.succeeded());
        assert!(!budget.allows());
        budget.succeeded();
        assert!(budget.allows());
    }

    #[test]
    fn bucket_never_holds_more_than_its_size() {
        let budget = budget(4.0, 3.0);
        (0..100).for_each(|_| budget.succeeded());
        assert!(budget.failed());
        assert!(!budget.failed(), "two of four are left");
    }

    #[test]
    fn retries_stay_a_tenth_of_the_calls_where_most_fail() {
        // Nine of ten calls fail, each retry too: of 100,000 calls the successes alone pay.
        let (budget, mut retries, mut random) =
            (budget(1000.0, 0.1), 0, fastrand::Rng::with_seed(1));
        for _ in 0..100_000 {
            while random.f64() < 0.9 {
                if !budget.failed() {
                    break;
                }
                retries += 1;
            }
            if random.f64() < 0.1 {
                budget.succeeded();
            }
        }
        assert!(retries < 2_000, "{retries}");
    }
}
