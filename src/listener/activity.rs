//! What a connection is doing, so that one that does nothing for too long can be closed.
//!
//! hyper's own header timer also runs between requests; CONTRACT §8 gives a head 10 s but an idle
//! connection 5 min. So the socket is watched from below: bytes that arrive while no call runs
//! begin a head, a call that starts ends it. The same knowledge tells when a connection can rest,
//! which is when nothing of it need be in memory but the socket.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

/// What one connection is doing. All of it happens on one thread; the atomics only make it `Sync`.
pub(super) struct Activity {
    opened: Instant,
    calls: AtomicUsize,
    http2: AtomicBool,
    /// Milliseconds since `opened`, plus one; zero for "not now".
    head_since: AtomicU64,
    idle_since: AtomicU64,
    blocked_since: AtomicU64,
    /// Since when there has been no sign of life after it was retired.
    retired_since: AtomicU64,
    /// The last call that began had a body.
    with_body: AtomicBool,
    /// hyper is being taken off the socket.
    resting: AtomicBool,
    /// Streams of the connection carry something that is no call any more.
    tunnels: AtomicBool,
    closed: Notify,
}

/// How long after its last call a connection counts as idle when it is closed, and may rest.
const REST: Duration = Duration::from_millis(100);

/// The same after a call with a body: a refusal may have come before all of the body, which is then
/// read on for a while (see `protocol::upload`), and nothing else tells of that.
const REST_AFTER_BODY: Duration = Duration::from_secs(5);

/// What is to be done with a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Leave it, and look again after this long.
    Keep(Duration),
    /// Close it kindly: it is idle.
    Retire,
    /// Cut it off: its head, or its peer's reading, takes too long.
    Cut,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            opened: Instant::now(),
            calls: AtomicUsize::new(0),
            http2: AtomicBool::new(false),
            head_since: AtomicU64::new(1),
            idle_since: AtomicU64::new(1),
            blocked_since: AtomicU64::new(0),
            retired_since: AtomicU64::new(0),
            with_body: AtomicBool::new(false),
            resting: AtomicBool::new(false),
            tunnels: AtomicBool::new(false),
            closed: Notify::new(),
        })
    }

    fn now(&self) -> u64 {
        self.opened.elapsed().as_millis() as u64 + 1
    }

    /// A call begins; it ends when the value is dropped.
    pub(super) fn begin_call(self: &Arc<Self>, with_body: bool) -> CallInProgress {
        self.with_body.store(with_body, Relaxed);
        self.calls.fetch_add(1, Relaxed);
        self.head_since.store(0, Relaxed);
        CallInProgress(self.clone())
    }

    /// Decides about the connection. One that rests tells by itself when a head begins.
    pub(super) fn verdict(
        &self,
        head_timeout: Duration,
        idle_timeout: Duration,
        rests: bool,
    ) -> Verdict {
        let now = self.now();
        let left = |since: &AtomicU64, allowed: Duration| {
            let since = since.load(Relaxed);
            (since > 0)
                .then(|| allowed.saturating_sub(Duration::from_millis(now.saturating_sub(since))))
        };
        let blocked = left(&self.blocked_since, idle_timeout);
        if blocked == Some(Duration::ZERO) {
            return Verdict::Cut;
        }
        if self.calls.load(Relaxed) > 0 {
            return Verdict::Keep(blocked.unwrap_or(idle_timeout).min(head_timeout));
        }
        let head = left(&self.head_since, head_timeout).filter(|_| !self.http2.load(Relaxed));
        if head == Some(Duration::ZERO) {
            return Verdict::Cut;
        }
        // A peer that doesn't take its leave, or is gone, is not waited for twice.
        match left(&self.retired_since, head_timeout) {
            Some(Duration::ZERO) => return Verdict::Cut,
            Some(patience) => return Verdict::Keep(patience),
            None => {}
        }
        let idle = left(&self.idle_since, idle_timeout).unwrap_or(idle_timeout);
        if idle.is_zero() {
            self.retired_since.store(now, Relaxed);
            return Verdict::Retire;
        }
        // A head may begin at any time, and is to be noticed when its own time is over.
        let unseen = if rests { idle } else { head_timeout };
        Verdict::Keep(head.unwrap_or(unseen).min(idle))
    }

    /// Whether the connection is between calls of HTTP/1.1, and when it may rest unless something
    /// happens before.
    pub(super) fn rest_due(&self) -> Option<Duration> {
        let is_between = self.calls.load(Relaxed) == 0
            && !self.http2.load(Relaxed)
            && [&self.head_since, &self.blocked_since, &self.retired_since]
                .iter()
                .all(|since| since.load(Relaxed) == 0);
        is_between.then(|| {
            let rest = if self.with_body.load(Relaxed) { REST_AFTER_BODY } else { REST };
            let idle = self.now().saturating_sub(self.idle_since.load(Relaxed));
            rest.saturating_sub(Duration::from_millis(idle))
        })
    }

    /// hyper is being taken off the socket, or has been.
    pub(super) fn set_resting(&self, resting: bool) {
        self.resting.store(resting, Relaxed);
    }

    /// Whether hyper is being taken off the socket.
    pub(super) fn is_resting(&self) -> bool {
        self.resting.load(Relaxed)
    }

    /// The socket is gone.
    pub(super) fn note_closed(&self) {
        self.closed.notify_one();
    }

    /// Waits until the socket is gone.
    pub(super) async fn closed(&self) {
        self.closed.notified().await;
    }
}

/// A call that runs on a connection.
pub(super) struct CallInProgress(Arc<Activity>);

impl CallInProgress {
    /// The call's stream carries something else from now on, which is nobody's call: the
    /// connection lives while bytes come.
    pub(super) fn becomes_tunnel(&self) {
        self.0.tunnels.store(true, Relaxed);
    }
}

impl Drop for CallInProgress {
    fn drop(&mut self) {
        if self.0.calls.fetch_sub(1, Relaxed) == 1 {
            self.0.idle_since.store(self.0.now(), Relaxed);
        }
    }
}

impl Activity {
    /// The connection has begun with HTTP/2's preface: from now on it has no heads to wait for.
    pub(super) fn note_http2(&self) {
        self.http2.store(true, Relaxed);
    }

    /// How much of its first `age` a connection that has had no call yet has before it.
    pub(super) fn youth(&self, age: Duration) -> Option<Duration> {
        let is_new = self.calls.load(Relaxed) == 0 && self.head_since.load(Relaxed) == 1;
        is_new.then(|| age.saturating_sub(self.opened.elapsed()))
    }

    /// Whether nothing has happened for a while: the last answer has arrived, and the peer is not
    /// about to say anything.
    pub(super) fn is_idle(&self) -> bool {
        let (idle_since, calls) = (self.idle_since.load(Relaxed), self.calls.load(Relaxed));
        let rested = self.now().saturating_sub(idle_since) >= REST.as_millis() as u64;
        let reads_head = !self.http2.load(Relaxed) && self.head_since.load(Relaxed) > 0;
        calls == 0 && rested && !reads_head
    }

    /// Bytes have come; while no call runs, they begin a head.
    pub(super) fn note_read(&self) {
        if self.calls.load(Relaxed) == 0 && self.head_since.load(Relaxed) == 0 {
            self.head_since.store(self.now(), Relaxed);
        }
        if self.tunnels.load(Relaxed) {
            self.idle_since.store(self.now(), Relaxed);
            self.retired_since.store(0, Relaxed);
        }
    }

    /// A write went well, or waits for the peer to read.
    pub(super) fn note_write(&self, waits: bool) {
        match (waits, self.blocked_since.load(Relaxed)) {
            (true, 0) => self.blocked_since.store(self.now(), Relaxed),
            (false, since) if since > 0 => self.blocked_since.store(0, Relaxed),
            _ => {}
        }
        if !waits && self.retired_since.load(Relaxed) > 0 {
            self.retired_since.store(self.now(), Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(300);

    #[tokio::test(start_paused = true)]
    async fn connection_without_a_head_is_cut_after_the_head_timeout() {
        let activity = Activity::new();
        assert_eq!(activity.verdict(HEAD, IDLE, false), Verdict::Keep(HEAD));
        tokio::time::advance(HEAD).await;
        assert_eq!(activity.verdict(HEAD, IDLE, false), Verdict::Cut);
    }

    #[tokio::test(start_paused = true)]
    async fn connection_between_calls_is_retired_after_the_idle_timeout() {
        let activity = Activity::new();
        drop(activity.begin_call(false));
        tokio::time::advance(HEAD).await;
        assert_eq!(activity.verdict(HEAD, IDLE, false), Verdict::Keep(HEAD));
        tokio::time::advance(IDLE).await;
        assert_eq!(activity.verdict(HEAD, IDLE, false), Verdict::Retire);
    }

    #[tokio::test(start_paused = true)]
    async fn retired_connection_that_stays_is_cut_unless_its_last_answer_moves() {
        let activity = Activity::new();
        activity.note_http2();
        drop(activity.begin_call(false));
        tokio::time::advance(IDLE).await;
        assert_eq!(activity.verdict(HEAD, IDLE, false), Verdict::Retire);
        tokio::time::advance(HEAD / 2).await;
        activity.note_write(false);
        tokio::time::advance(HEAD / 2).await;
        assert_eq!(activity.verdict(HEAD, IDLE, false), Verdict::Keep(HEAD / 2));
        tokio::time::advance(HEAD / 2).await;
        assert_eq!(activity.verdict(HEAD, IDLE, false), Verdict::Cut);
    }

    #[tokio::test(start_paused = true)]
    async fn http2_connection_without_streams_is_retired_not_cut() {
        let activity = Activity::new();
        activity.note_http2();
        activity.note_read();
        tokio::time::advance(HEAD).await;
        assert_eq!(activity.verdict(HEAD, IDLE, false), Verdict::Keep(HEAD));
        tokio::time::advance(IDLE).await;
        assert_eq!(activity.verdict(HEAD, IDLE, false), Verdict::Retire);
    }

    #[tokio::test(start_paused = true)]
    async fn peer_that_stops_reading_is_cut_in_the_middle_of_a_call() {
        let activity = Activity::new();
        let _call = activity.begin_call(false);
        activity.note_write(true);
        tokio::time::advance(IDLE / 2).await;
        activity.note_write(false);
        activity.note_write(true);
        tokio::time::advance(IDLE / 2).await;
        assert_eq!(activity.verdict(HEAD, IDLE, false), Verdict::Keep(HEAD));
        tokio::time::advance(IDLE / 2).await;
        assert_eq!(activity.verdict(HEAD, IDLE, false), Verdict::Cut);
    }

    #[tokio::test(start_paused = true)]
    async fn connection_is_idle_a_while_after_its_last_call() {
        let activity = Activity::new();
        let call = activity.begin_call(false);
        tokio::time::advance(REST).await;
        assert!(!activity.is_idle());
        drop(call);
        assert!(!activity.is_idle());
        tokio::time::advance(REST).await;
        assert!(activity.is_idle());
        activity.note_read();
        assert!(!activity.is_idle());
    }

    #[tokio::test(start_paused = true)]
    async fn connection_may_rest_between_calls_when_nothing_is_half_done() {
        let activity = Activity::new();
        assert_eq!(activity.rest_due(), None, "before its first head");
        let call = activity.begin_call(false);
        assert_eq!(activity.rest_due(), None, "in a call");
        drop(call);
        assert_eq!(activity.rest_due(), Some(REST));
        activity.note_write(true);
        assert_eq!(activity.rest_due(), None, "while the peer doesn't read");
        activity.note_write(false);
        tokio::time::advance(REST).await;
        assert_eq!(activity.rest_due(), Some(Duration::ZERO));
        activity.note_read();
        assert_eq!(activity.rest_due(), None, "in a head");
        drop(activity.begin_call(true));
        assert_eq!(activity.rest_due(), Some(REST_AFTER_BODY));
    }

    #[tokio::test(start_paused = true)]
    async fn connection_that_rests_is_looked_at_when_its_time_is_over_alone() {
        let activity = Activity::new();
        assert_eq!(activity.verdict(HEAD, IDLE, true), Verdict::Keep(HEAD));
        drop(activity.begin_call(false));
        assert_eq!(activity.verdict(HEAD, IDLE, true), Verdict::Keep(IDLE));
    }

    #[tokio::test(start_paused = true)]
    async fn connection_with_a_tunnel_lives_while_bytes_come() {
        let activity = Activity::new();
        activity.note_http2();
        activity.begin_call(false).becomes_tunnel();
        tokio::time::advance(IDLE / 2).await;
        activity.note_read();
        tokio::time::advance(IDLE / 2).await;
        assert_eq!(activity.verdict(HEAD, IDLE, false), Verdict::Keep(HEAD));
        tokio::time::advance(IDLE / 2).await;
        assert_eq!(activity.verdict(HEAD, IDLE, false), Verdict::Retire);
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_new_connection_has_youth() {
        let activity = Activity::new();
        assert_eq!(activity.youth(HEAD), Some(HEAD));
        tokio::time::advance(HEAD * 2).await;
        assert_eq!(activity.youth(HEAD), Some(Duration::ZERO));
        drop(activity.begin_call(false));
        assert_eq!(activity.youth(HEAD), None);
    }

    #[tokio::test(start_paused = true)]
    async fn connection_with_a_call_is_kept() {
        let activity = Activity::new();
        let _call = activity.begin_call(false);
        tokio::time::advance(IDLE * 3).await;
        assert_eq!(activity.verdict(HEAD, IDLE, false), Verdict::Keep(HEAD));
    }
}
