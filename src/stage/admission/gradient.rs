//! Finds the limit: how many calls a backend can work on without letting them queue.
//!
//! ```text
//! gradient = least latency × (1 + tolerance) ÷ latency now       between 1/2 and 2
//! limit    = gradient × limit + √limit
//! ```
//!
//! The rule is that of Envoy's adaptive concurrency and of Netflix's gradient limit: while answers
//! take about as long as they do at rest, the root lets the limit grow; when they take longer, work
//! queues somewhere, and the limit falls until they don't.
//!
//! Where they differ is the least latency. What was seen long ago may hold no more, so it is
//! measured anew in intervals. Where the limit was not reached meanwhile, nothing queued, and the
//! least of the interval is taken. Where it was, the limit is halved for a moment, so that what
//! queues drains, and what is then seen is taken. So nobody is refused for the sake of measuring
//! before calls are refused anyway.

use std::time::Duration;

use tokio::time::Instant;

use super::settings::Settings;

/// How many windows in a row answers may take long although the limit has stopped falling, before
/// the least latency is doubted.
const DOUBT: u32 = 10;

/// What was seen in a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// The latency that half of the answers kept.
    pub(super) latency: Duration,
    /// The most calls at once.
    pub(super) peak: u32,
}

/// The limit, and what it is found by. The clock is the caller's.
#[derive(Debug)]
pub(super) struct Gradient {
    settings: Settings,
    limit: f64,
    /// The least latency that counts, in seconds.
    least: Option<f64>,
    /// The least of this interval.
    lowest: f64,
    /// Whether the limit was reached in this interval.
    pressed: bool,
    began: Instant,
    ends: Instant,
    doubts: u32,
    probe: Option<Probe>,
}

/// A measurement at half of the limit.
#[derive(Debug)]
struct Probe {
    /// The limit to come back to.
    before: f64,
    /// When what had queued is gone.
    drained: Instant,
}

impl Gradient {
    pub(super) fn new(settings: &Settings, now: Instant) -> Self {
        let mut gradient = Self {
            settings: settings.clone(),
            limit: settings.initial_limit.into(),
            least: None,
            lowest: f64::INFINITY,
            pressed: false,
            began: now,
            ends: now,
            doubts: 0,
            probe: None,
        };
        gradient.begin_interval(now);
        gradient
    }

    /// The limit in force.
    pub(super) fn limit(&self) -> u32 {
        let limit = if self.probe.is_some() { self.limit / 2.0 } else { self.limit };
        (limit as u32).max(self.settings.min_limit)
    }

    /// How long the next window is: a limit that changes faster than its effect shows swings.
    pub(super) fn window(&self, latency: Duration) -> Duration {
        self.settings.window.max(latency)
    }

    /// Takes in a window.
    pub(super) fn turn(&mut self, window: Window, now: Instant) {
        let latency = window.latency.as_secs_f64();
        if let Some(probe) = &self.probe {
            if now >= probe.drained {
                self.limit = probe.before;
                self.probe = None;
                self.least = Some(latency);
                self.begin_interval(now);
            }
            return;
        }
        self.lowest = self.lowest.min(latency);
        self.pressed |= window.peak >= self.limit();
        let least = *self.least.get_or_insert(latency);
        // What is lower than the least is the least.
        let least = least.min(latency);
        self.least = Some(least);
        self.step(least, latency, window.peak);
        let doubtful = self.doubts >= DOUBT && now - self.began >= self.settings.interval / 10;
        if now >= self.ends || doubtful {
            self.measure(window.latency, now);
        }
    }

    fn step(&mut self, least: f64, latency: f64, peak: u32) {
        let gradient = (least * (1.0 + self.settings.tolerance) / latency).clamp(0.5, 2.0);
        let (min, max) = (self.settings.min_limit.into(), self.settings.max_limit.into());
        let found = (gradient * self.limit + self.limit.sqrt()).clamp(min, max);
        let is_stuck = gradient < 0.9 && found >= 0.9 * self.limit;
        self.doubts = if is_stuck { self.doubts + 1 } else { 0 };
        // A limit that nobody comes near says nothing by growing.
        if found < self.limit || f64::from(peak) * 2.0 >= self.limit {
            self.limit = found;
        }
    }

    /// Measures the least latency anew.
    fn measure(&mut self, latency: Duration, now: Instant) {
        if self.pressed {
            let drained = now + 2 * self.window(latency);
            self.probe = Some(Probe { before: self.limit, drained });
        } else {
            self.least = Some(self.lowest);
            self.begin_interval(now);
        }
    }

    fn begin_interval(&mut self, now: Instant) {
        self.began = now;
        self.ends = now + self.settings.interval.mul_f64(0.9 + 0.2 * fastrand::f64());
        self.lowest = f64::INFINITY;
        self.pressed = false;
        self.doubts = 0;
    }
}
