//! What is read elsewhere and kept fresh: an issuer's keys, a file of API keys.
//!
//! ```text
//! never read ─► the first call that needs it waits for it
//! read       ─► read again in the background when its time is up; what was read last stays in force
//!               for as long as nothing better can be read
//! asked for  ─► a call that misses something has it read again, at a limited rate; all who miss
//!               something at the time wait for the same reading
//! ```
//!
//! One task a source, begun by the first call that needs it, ended when nobody holds the source.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until, timeout},
};

/// The longest that a call waits for a reading.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where something is read.
pub(super) trait Origin: Send + Sync {
    /// Reads it.
    fn read(&self) -> BoxFuture<'_, Result<Reading, String>>;

    /// How often.
    fn pace(&self) -> Pace;
}

/// What was read.
pub(super) struct Reading {
    pub(super) text: String,
    /// How long it is good, if that is said.
    pub(super) max_age: Option<Duration>,
}

/// How often something is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Again after so long if nothing is said.
    pub(super) usual: Duration,
    /// Never sooner by itself.
    pub(super) least: Duration,
    /// Never later.
    pub(super) most: Duration,
    /// Not sooner when a call asks for it.
    pub(super) asked: Duration,
}

/// Something that is kept fresh.
pub(super) struct Refreshed<T> {
    /// None for what never changes.
    origin: Option<Box<dyn Origin>>,
    read: fn(&str) -> Result<T, String>,
    current: ArcSwap<Version<T>>,
    state: Mutex<State>,
    wake: Arc<Notify>,
    /// How many readings there were.
    readings: watch::Sender<u64>,
}

/// What is in force.
pub(super) struct Version<T> {
    pub(super) value: T,
    /// Differs between versions that differ.
    pub(super) number: u64,
}

#[derive(Default)]
struct State {
    begun: bool,
    reading: bool,
    /// When a call may ask for a reading.
    next: Option<Instant>,
    failures: u32,
    text: Option<String>,
}

impl<T: Send + Sync + 'static> Refreshed<T> {
    /// What never changes.
    pub(super) fn fixed(value: T) -> Self {
        Self::new(None, |_| Err("it never changes".into()), value, None)
    }

    /// What is read at `origin`; `first` is in force until then, made of `text` if it was read
    /// already.
    pub(super) fn from(
        origin: Box<dyn Origin>,
        read: fn(&str) -> Result<T, String>,
        first: T,
        text: Option<String>,
    ) -> Self {
        Self::new(Some(origin), read, first, text)
    }

    fn new(
        origin: Option<Box<dyn Origin>>,
        read: fn(&str) -> Result<T, String>,
        first: T,
        text: Option<String>,
    ) -> Self {
        Self {
            origin,
            read,
            current: ArcSwap::from_pointee(Version { value: first, number: 0 }),
            state: Mutex::new(State { text, ..State::default() }),
            wake: Arc::default(),
            readings: watch::Sender::new(0),
        }
    }

    /// What is in force. The first call of it begins the task that keeps it fresh.
    pub(super) fn current(self: &Arc<Self>) -> arc_swap::Guard<Arc<Version<T>>> {
        if self.origin.is_some() && !self.state().begun {
            self.begin();
        }
        self.current.load()
    }

    /// Whether this version is in force.
    pub(super) fn is_current(&self, number: u64) -> bool {
        self.current.load().number == number
    }

    /// Has it read again, if that may be now, and waits for it; says whether there was a reading.
    pub(super) async fn reread(self: &Arc<Self>) -> bool {
        let mut readings = self.readings.subscribe();
        if !self.ask(Instant::now()) {
            return false;
        }
        matches!(timeout(PATIENCE, readings.changed()).await, Ok(Ok(())))
    }

    /// Asks for a reading; says whether there will be one.
    fn ask(self: &Arc<Self>, now: Instant) -> bool {
        if self.origin.is_none() {
            return false;
        }
        let mut state = self.state();
        if state.reading {
            return true;
        }
        if state.begun {
            if state.next.is_some_and(|next| now < next) {
                return false;
            }
            state.reading = true;
            self.wake.notify_one();
            return true;
        }
        drop(state);
        self.begin();
        true
    }

    fn begin(self: &Arc<Self>) {
        let mut state = self.state();
        if std::mem::replace(&mut state.begun, true) {
            return;
        }
        state.reading = true;
        tokio::spawn(keep_fresh(Arc::downgrade(self), self.wake.clone()));
    }

    /// Reads it once; gives when to do so again.
    async fn read(&self, origin: &dyn Origin) -> Instant {
        let outcome = origin.read().await;
        let pace = origin.pace();
        let now = Instant::now();
        let mut state = self.state();
        let taken = outcome.and_then(|reading| {
            if state.text.as_ref() != Some(&reading.text) {
                let value = (self.read)(&reading.text)?;
                let number = self.current.load().number + 1;
                self.current.store(Arc::new(Version { value, number }));
                state.text = Some(reading.text);
            }
            Ok(reading.max_age)
        });
        state.reading = false;
        let (next, due) = match taken {
            Ok(max_age) => {
                state.failures = 0;
                let age = max_age.unwrap_or(pace.usual).clamp(pace.least, pace.most);
                (now + pace.asked, now + age)
            }
            Err(problem) => {
                let again = back_off(state.failures, pace);
                if state.failures == 0 {
                    tracing::warn!(problem, "what was read last stays in force");
                }
                state.failures = state.failures.saturating_add(1);
                (now + again, now + again)
            }
        };
        state.next = Some(next);
        drop(state);
        self.readings.send_modify(|count| *count += 1);
        due
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Twice as long after each failure, up to what is usual.
fn back_off(failures: u32, pace: Pace) -> Duration {
    let longest = pace.asked.max(pace.least);
    Duration::from_secs(1 << failures.min(10)).min(longest)
}

async fn keep_fresh<T: Send + Sync + 'static>(source: Weak<Refreshed<T>>, wake: Arc<Notify>) {
    loop {
        let due = {
            let Some(source) = source.upgrade() else { return };
            let Some(origin) = source.origin.as_deref() else { return };
            source.read(origin).await
        };
        tokio::select! {
            () = sleep_until(due) => {}
            () = wake.notified() => {}
        }
        // Calls that come from now on wait for this reading.
        if let Some(source) = source.upgrade() {
            source.state().reading = true;
        }
    }
}

impl<T> Drop for Refreshed<T> {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}

/// A file, looked at again and again.
pub(super) struct File(pub(super) std::path::PathBuf);

impl Origin for File {
    fn read(&self) -> BoxFuture<'_, Result<Reading, String>> {
        let path = self.0.clone();
        Box::pin(async move {
            let shown = path.display().to_string();
            let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await;
            let text = read.map_err(|error| error.to_string())?;
            let text = text.map_err(|error| format!("`{shown}` can't be read: {error}"))?;
            Ok(Reading { text, max_age: None })
        })
    }

    fn pace(&self) -> Pace {
        let second = Duration::from_secs(1);
        Pace { usual: second, least: second, most: second, asked: second }
    }
}
