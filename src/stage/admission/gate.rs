//! Counts calls in and out, and turns the limit at the end of each window.
//!
//! A call costs two counters and a bucket. The lock is taken by the one call that finds the window
//! over, and by nobody who would have to wait for it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{
            AtomicU32, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{
    gradient::{Gradient, Window},
    histogram::Histogram,
    settings::{Priority, Settings},
};

/// A window with fewer answers tells too little, and goes on.
const ENOUGH: u32 = 10;

/// What the methods of one selector share.
pub(super) struct Gate {
    began: Instant,
    in_flight: AtomicU32,
    peak: AtomicU32,
    limit: AtomicU32,
    latencies: Histogram,
    /// When the window is over, in microseconds since the gate began.
    ends: AtomicU64,
    gradient: Mutex<Gradient>,
}

/// A call that was let in. It leaves when this is dropped.
pub(super) struct Visit {
    gate: Arc<Gate>,
    entered: Instant,
}

impl Gate {
    pub(super) fn new(settings: &Settings, now: Instant) -> Self {
        Self {
            began: now,
            in_flight: AtomicU32::new(0),
            peak: AtomicU32::new(0),
            limit: AtomicU32::new(settings.initial_limit),
            latencies: Histogram::new(),
            ends: AtomicU64::new(settings.window.as_micros() as u64),
            gradient: Mutex::new(Gradient::new(settings, now)),
        }
    }

    /// Lets a call in, if there is a place for its priority.
    pub(super) fn enter(self: &Arc<Self>, priority: Priority, now: Instant) -> Option<Visit> {
        let inside = self.in_flight.fetch_add(1, SeqCst) + 1;
        let limit = u64::from(self.limit.load(Relaxed));
        if self.peak.load(Relaxed) < inside {
            self.peak.fetch_max(inside, Relaxed);
        }
        // The first place is everybody's.
        if u64::from(inside) > (limit * priority.share() / 100).max(1) {
            self.in_flight.fetch_sub(1, SeqCst);
            return None;
        }
        Some(Visit { gate: self.clone(), entered: now })
    }

    /// The limit in force.
    #[cfg(test)]
    pub(super) fn limit(&self) -> u32 {
        self.limit.load(Relaxed)
    }

    /// How many calls are inside.
    #[cfg(test)]
    pub(super) fn inside(&self) -> u32 {
        self.in_flight.load(SeqCst)
    }

    fn note(&self, latency: Duration, now: Instant) {
        self.latencies.add(latency);
        if self.since(now) >= self.ends.load(Relaxed) && self.latencies.count() >= ENOUGH {
            self.turn(now);
        }
    }

    fn turn(&self, now: Instant) {
        // Whoever holds it is turning.
        let Ok(mut gradient) = self.gradient.try_lock() else { return };
        if self.since(now) < self.ends.load(Relaxed) {
            return;
        }
        let Some(latency) = self.latencies.drain() else { return };
        let peak = self.peak.swap(self.in_flight.load(SeqCst), Relaxed);
        gradient.turn(Window { latency, peak }, now);
        self.limit.store(gradient.limit(), Relaxed);
        let ends = self.since(now) + gradient.window(latency).as_micros() as u64;
        self.ends.store(ends, Relaxed);
    }

    fn since(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.began).as_micros() as u64
    }
}

impl Visit {
    /// Says that the call was answered, or took too long, which counts as an answer.
    pub(super) fn answered(&self, now: Instant) {
        self.gate.note(now.saturating_duration_since(self.entered), now);
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.gate.in_flight.fetch_sub(1, SeqCst);
    }
}
