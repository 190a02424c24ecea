//! How the gateway stands, for those who ask: what it serves by, since when, and what came of the
//! last attempt to change that.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use serde_json::Value;

use super::{Outcome, Verdict};
use crate::{
    config::{File, Reflections},
    lasting::Lasting,
    meter::{Counter, Gauge, Meter, RELOADS, SNAPSHOT_TIME},
    upstream::Draining,
};

/// What is known. Whoever asks gets a copy, so that nobody waits for anybody.
pub struct Standing {
    draining: Arc<Draining>,
    reflections: Arc<Reflections>,
    state: Mutex<State>,
    /// By [`Verdict::ALL`].
    reloads: [Arc<Counter>; 4],
    taken_at: Arc<Gauge>,
}

struct State {
    file: Arc<File>,
    shown: Arc<Value>,
    since: SystemTime,
    last: Arc<Outcome>,
}

impl Standing {
    pub(super) fn new(
        lasting: &Lasting,
        meter: &Meter,
        file: Arc<File>,
        shown: Arc<Value>,
        first: Arc<Outcome>,
    ) -> Self {
        let reloads = Verdict::ALL.map(|verdict| meter.counter(&RELOADS, &[verdict.name()]));
        let taken_at = meter.gauge(&SNAPSHOT_TIME, &[]);
        let since = first.at;
        taken_at.set(seconds(since));
        let state = Mutex::new(State { file, shown, since, last: first });
        let (draining, reflections) = (Draining::of(lasting), Reflections::of(lasting));
        Self { draining, reflections, state, reloads, taken_at }
    }

    /// Another configuration is in force.
    pub(super) fn take(&self, file: Arc<File>, shown: Arc<Value>) {
        let now = SystemTime::now();
        self.taken_at.set(seconds(now));
        let mut state = self.lock();
        (state.file, state.shown, state.since) = (file, shown, now);
    }

    /// An attempt has ended.
    pub(super) fn note(&self, outcome: Arc<Outcome>) {
        let place = Verdict::ALL.iter().position(|verdict| *verdict == outcome.verdict);
        self.reloads[place.unwrap_or_default()].count();
        self.lock().last = outcome;
    }

    /// The configuration in force.
    pub fn file(&self) -> Arc<File> {
        self.lock().file.clone()
    }

    /// The same for people to see, secrets left out.
    pub fn shown(&self) -> Arc<Value> {
        self.lock().shown.clone()
    }

    /// How long it has been in force.
    pub fn age(&self) -> Duration {
        self.lock().since.elapsed().unwrap_or_default()
    }

    /// What came of the last attempt to take a configuration.
    pub fn last(&self) -> Arc<Outcome> {
        self.lock().last.clone()
    }

    /// Which upstreams did not tell their schema when they were last asked, and why.
    pub fn unanswered(&self) -> Vec<(String, String)> {
        self.reflections.failures()
    }

    /// Whether the gateway takes nothing new any more.
    pub fn is_draining(&self) -> bool {
        self.draining.has_begun()
    }

    /// Tells everybody who asks that the gateway takes nothing new any more.
    pub fn begin_drain(&self) {
        self.draining.begin();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing between lock and unlock leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_secs().try_into().unwrap_or_default()
}
