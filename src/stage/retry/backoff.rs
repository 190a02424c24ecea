//! The pauses between attempts: exponential, with a fifth of chance, reset by a pushback (gRFC A6).

use std::time::Duration;

use super::settings;

/// The next pause of one call.
pub(super) struct Backoff<'a> {
    settings: &'a settings::Backoff,
    /// Of the next pause, before chance.
    step: Duration,
}

impl<'a> Backoff<'a> {
    /// The pauses of a call that has not failed yet.
    pub(super) fn new(settings: &'a settings::Backoff) -> Self {
        Self { settings, step: settings.initial }
    }

    /// How long to wait now: what the backend asked for, else what comes next.
    pub(super) fn pause(&mut self, pushback: Option<Duration>) -> Duration {
        if let Some(pushback) = pushback {
            self.step = self.settings.initial;
            return pushback;
        }
        let step = self.step;
        self.step = step.mul_f64(self.settings.multiplier).min(self.settings.max);
        step.mul_f64(0.8 + 0.4 * fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within_a_fifth(pause: Duration, of: u64) -> bool {
        let of = Duration::from_millis(of);
        (of.mul_f64(0.8)..=of.mul_f64(1.2)).contains(&pause)
    }

    #[test]
    fn pauses_grow_to_the_longest_and_vary_by_a_fifth() {
        fastrand::seed(11);
        let settings = settings::Backoff {
            initial: Duration::from_millis(100),
            max: Duration::from_millis(500),
            multiplier: 3.0,
        };
        let mut seen = std::collections::HashSet::new();
        for _ in 0..200 {
            let mut backoff = Backoff::new(&settings);
            for of in [100, 300, 500, 500] {
                let pause = backoff.pause(None);
                assert!(within_a_fifth(pause, of), "{pause:?} for {of} ms");
                seen.insert(pause);
            }
        }
        assert!(seen.len() > 700, "there is no chance in {} pauses", seen.len());
    }

    #[test]
    fn pushback_is_heeded_to_the_letter_and_begins_anew() {
        let settings = settings::Backoff::default();
        let mut backoff = Backoff::new(&settings);
        backoff.pause(None);
        backoff.pause(None);
        assert_eq!(backoff.pause(Some(Duration::from_millis(7))), Duration::from_millis(7));
        assert!(within_a_fifth(backoff.pause(None), 25));
    }
}
