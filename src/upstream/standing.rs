//! What is known of one endpoint: how busy and how quick it is, whether it is well, how its calls
//! have ended.
//!
//! All of it is plain atomics that every worker reads and writes. It outlives configurations: who
//! balances, checks health, ejects or shows endpoints finds here what was learnt before.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{
            AtomicU8, AtomicU32, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use serde::Serialize;
use tokio::time::Instant;

use super::{latency::Latency, outlier::Record};
use crate::error::{Code, Error, Origin};

/// How a call on an endpoint ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// OK, or the code that it failed with.
    pub code: Code,
    /// Whose doing it was.
    pub blame: Blame,
    /// From the sending of its head to its end.
    pub latency: Duration,
}

/// Whose doing the end of a call was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The backend told the status, good or bad.
    Backend,
    /// No status came: the connection could not be made or broke, the stream was reset, the
    /// protocol was broken or the deadline passed. What Envoy calls a locally originated failure.
    Connection,
    /// The caller left, or sent what can't be passed on. It says nothing about the endpoint.
    Caller,
}

impl Outcome {
    /// Whether the call is held against the endpoint.
    pub fn is_failure(&self) -> bool {
        self.code != Code::Ok && self.blame != Blame::Caller
    }
}

/// What the active health check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Health {
    /// Nobody has checked; it counts as healthy.
    Unknown = 0,
    /// The last check went well.
    Healthy = 1,
    /// The last checks failed: it takes no calls.
    Unhealthy = 2,
}

/// Counts changes of who may be called, so that balancers know when to look again. One for each
/// cluster, and kept with its endpoints.
#[derive(Debug, Default)]
pub struct Changes(AtomicU64);

impl Changes {
    /// How many changes there were.
    pub(super) fn count(&self) -> u64 {
        self.0.load(SeqCst)
    }

    /// Notes one.
    pub(super) fn note(&self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Never, as a stamp.
const NEVER: u64 = 0;

/// The standing of one endpoint.
#[derive(Debug)]
#[repr(align(128))]
pub struct Standing {
    in_flight: AtomicU32,
    latency: Latency,
    /// What ejections go by.
    record: Record,
    requests: AtomicU64,
    failures: AtomicU64,
    // Below is what changes seldom.
    connect_failures: AtomicU64,
    health: AtomicU8,
    /// A stamp; [`NEVER`] while it is not ejected.
    ejected_until: AtomicU64,
    ejections: AtomicU64,
    /// Since when it takes calls, as a stamp: when it was first seen or last became usable again.
    since: AtomicU64,
    changes: Arc<Changes>,
}

impl Standing {
    /// The standing of an endpoint that is new.
    pub fn new(changes: Arc<Changes>) -> Self {
        Self {
            in_flight: AtomicU32::new(0),
            latency: Latency::default(),
            record: Record::default(),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            connect_failures: AtomicU64::new(0),
            health: AtomicU8::new(Health::Unknown as u8),
            ejected_until: AtomicU64::new(NEVER),
            ejections: AtomicU64::new(0),
            since: AtomicU64::new(stamp(Instant::now())),
            changes,
        }
    }

    /// Notes how a call ended. Everything that judges endpoints by their calls hangs here.
    pub fn report(&self, outcome: Outcome) {
        self.requests.fetch_add(1, Relaxed);
        if outcome.is_failure() {
            self.failures.fetch_add(1, Relaxed);
        }
        self.record.note(&outcome);
        self.latency.observe(&outcome, Instant::now());
    }

    /// Notes that no connection could be made.
    pub fn report_connect_failure(&self) {
        self.connect_failures.fetch_add(1, Relaxed);
        self.record.failed();
    }

    /// What ejections go by.
    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    /// What its changes are counted with.
    #[cfg(test)]
    pub(super) fn changes(&self) -> &Arc<Changes> {
        &self.changes
    }

    /// A call begins.
    pub(super) fn enter(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    /// A call has ended.
    pub(super) fn leave(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// How many calls are in flight, of all workers.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// How long its calls take, lately.
    pub(super) fn latency(&self) -> &Latency {
        &self.latency
    }

    /// How many calls have ended.
    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// How many of them are held against it.
    pub fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    /// How many connections could not be made.
    pub fn connect_failures(&self) -> u64 {
        self.connect_failures.load(Relaxed)
    }

    /// What the active health check says.
    pub fn health(&self) -> Health {
        match self.health.load(SeqCst) {
            1 => Health::Healthy,
            2 => Health::Unhealthy,
            _ => Health::Unknown,
        }
    }

    /// Notes what the active health check says.
    pub fn set_health(&self, health: Health) {
        let before = self.health();
        if before == health {
            return;
        }
        if before == Health::Unhealthy {
            self.warm_up();
        }
        self.health.store(health as u8, SeqCst);
        self.changes.note();
    }

    /// Takes it out of the balancing until then, or until [`Standing::restore`].
    pub fn eject(&self, until: Instant) {
        self.ejected_until.store(stamp(until), SeqCst);
        self.ejections.fetch_add(1, Relaxed);
        self.changes.note();
    }

    /// Ends an ejection.
    pub fn restore(&self) {
        if self.ejected_until.swap(NEVER, SeqCst) != NEVER {
            self.warm_up();
            self.changes.note();
        }
    }

    /// Until when it is ejected, if it is. A time that is over is no ejection any more.
    pub fn ejected_until(&self) -> Option<Instant> {
        let until = self.ejected_until.load(SeqCst);
        (until != NEVER).then(|| instant(until)).filter(|until| *until > Instant::now())
    }

    /// How often it was ejected.
    pub fn ejections(&self) -> u64 {
        self.ejections.load(Relaxed)
    }

    /// Whether it may be called, as far as is known.
    pub fn is_usable(&self) -> bool {
        self.health() != Health::Unhealthy && self.ejected_until().is_none()
    }

    /// Since when it takes calls.
    pub fn since(&self) -> Instant {
        instant(self.since.load(Relaxed))
    }

    /// It begins anew to take calls.
    fn warm_up(&self) {
        self.since.store(stamp(Instant::now()), Relaxed);
        self.latency.forget();
    }
}

/// A call that is under way on an endpoint, told to its standing when it is over, whatever way.
pub(super) struct Course {
    started: Instant,
    deadline: Option<Instant>,
    end: Option<(Code, Blame)>,
}

impl Course {
    /// The head is about to be sent.
    pub(super) fn begin(deadline: Option<Instant>) -> Self {
        Self { started: Instant::now(), deadline, end: None }
    }

    /// The backend has told the end.
    pub(super) fn told(&mut self, code: Code) {
        self.end = Some((code, Blame::Backend));
    }

    /// The call failed, if its end was not told before.
    pub(super) fn failed(&mut self, error: &Error) {
        let blame = match error.origin() {
            Origin::Upstream if error.reason() == "upstream_status" => Blame::Backend,
            Origin::Upstream => Blame::Connection,
            // Such as a message above the caller's limit: the endpoint can't help it.
            Origin::Downstream | Origin::Gateway => Blame::Caller,
        };
        self.end.get_or_insert((error.code(), blame));
    }

    /// How it ended, now that it is over. Who drops a call without an end has no more time for it,
    /// or no more interest.
    pub(super) fn outcome(&self) -> Outcome {
        let now = Instant::now();
        let late = self.deadline.is_some_and(|deadline| now >= deadline);
        let (code, blame) = self.end.unwrap_or(match late {
            true => (Code::DeadlineExceeded, Blame::Connection),
            false => (Code::Cancelled, Blame::Caller),
        });
        Outcome { code, blame, latency: now.saturating_duration_since(self.started) }
    }
}

/// The begin of all stamps: some time ago, for the clocks of paused runtimes disagree.
static BASE: LazyLock<Instant> = LazyLock::new(|| {
    let now = Instant::now();
    now.checked_sub(Duration::from_secs(86_400)).unwrap_or(now)
});

/// A time in microseconds since a certain one; never 0.
pub(super) fn stamp(time: Instant) -> u64 {
    let since = time.saturating_duration_since(*BASE).as_micros();
    u64::try_from(since).unwrap_or(u64::MAX - 1) + 1
}

/// The time of a stamp.
fn instant(stamp: u64) -> Instant {
    *BASE + Duration::from_micros(stamp.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing() -> (Standing, Arc<Changes>) {
        let changes = Arc::new(Changes::default());
        (Standing::new(changes.clone()), changes)
    }

    #[tokio::test(start_paused = true)]
    async fn ejection_ends_with_its_time_or_earlier() {
        let (standing, changes) = standing();
        standing.eject(Instant::now() + Duration::from_secs(30));
        assert!(!standing.is_usable());
        tokio::time::advance(Duration::from_secs(31)).await;
        assert!(standing.is_usable());
        standing.eject(Instant::now() + Duration::from_secs(30));
        standing.restore();
        assert!(standing.is_usable());
        assert_eq!((standing.ejections(), changes.count()), (2, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_back_warms_up_anew() {
        let (standing, _) = standing();
        let first = standing.since();
        standing.set_health(Health::Healthy);
        tokio::time::advance(Duration::from_secs(5)).await;
        standing.set_health(Health::Unhealthy);
        assert!(!standing.is_usable());
        assert_eq!(standing.since(), first);
        standing.set_health(Health::Healthy);
        assert!(standing.is_usable());
        assert_eq!(standing.since() - first, Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn call_that_ends_untold_is_late_or_left() {
        let soon = Instant::now() + Duration::from_secs(1);
        let left = Course::begin(Some(soon));
        assert_eq!(left.outcome().blame, Blame::Caller);
        tokio::time::advance(Duration::from_secs(1)).await;
        let late = left.outcome();
        assert_eq!((late.code, late.blame), (Code::DeadlineExceeded, Blame::Connection));
        assert!(late.is_failure());
        assert_eq!(late.latency, Duration::from_secs(1));
    }

    #[tokio::test]
    async fn blame_is_who_caused_the_error() {
        let blame = |error: Error| {
            let mut course = Course::begin(None);
            course.failed(&error);
            course.outcome().blame
        };
        assert_eq!(blame(Error::unavailable("upstream_lost", "gone")), Blame::Connection);
        let told = Error::new(Code::Unavailable, "upstream_status", "told");
        assert_eq!(blame(told.with_origin(Origin::Upstream)), Blame::Backend);
        assert_eq!(blame(Error::invalid("request_broken", "what?")), Blame::Caller);
    }
}
