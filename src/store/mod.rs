//! The store that several gateways share: a Redis or a Valkey, and how it is asked.
//!
//! ```text
//! stage ── Store::read, Store::run ──► Line (one a worker) ══ commands in flight ══► Redis, Valkey
//!                                      └ keeper: connect, watch, PING, back off, connect again
//! ```
//!
//! Nobody waits for long: an answer that isn't there in time is a [`Fault`], and while the store is
//! known to be away there is a fault at once, so that a store that hangs costs one call of a worker
//! its patience and not all of them. What becomes of a call without the store is the stage's to say.
//!
//! A worker has a connection of its own, driven on its own thread: no call crosses threads on its
//! way, and all that a worker asks at a time goes out in one write. The `redis` package speaks the
//! protocol; whom to connect to, when, and how long to wait is ours.

mod address;
mod dial;
mod fault;
mod line;
mod script;
mod settings;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use ::redis::{Cmd, Value, cmd};
use ring::digest;
use tokio::time::Instant;

use self::{dial::Target, line::Line};
pub use self::{
    fault::Fault,
    script::Script,
    settings::{Settings, Url},
};
use crate::{
    lasting::Lasting,
    meter::{Counter, Meter, STORE_CALLS},
};

/// The most connections to one store; workers beyond that share them.
const LINES: usize = 64;

/// The log hears of calls that failed at most this often.
const TELL: Duration = Duration::from_secs(10);

/// What is wrong with settings: the path inside them, and a sentence.
pub type Finding = (String, String);

/// A store at work. All who name it alike share one.
pub struct Store {
    name: String,
    target: Arc<Target>,
    lines: Box<[OnceLock<Arc<Line>>]>,
    counts: Counts,
    /// When the log was told last that a call failed.
    told: Mutex<Option<Instant>>,
}

/// How calls of the store have ended.
struct Counts {
    answered: Arc<Counter>,
    failed: [Arc<Counter>; Fault::NAMES.len()],
    _meter: Arc<Meter>,
}

impl Store {
    /// The store of these settings: the one that is there, else a new one, which connects when it
    /// is asked first. Relative paths start at `folder`.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn of(settings: &Settings, folder: &Path, lasting: &Lasting) -> Result<Arc<Self>, Finding> {
        let target = Target::new(settings, folder)?;
        let terms = digest::digest(&digest::SHA256, target.terms().as_bytes());
        let terms: String = terms.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let name = format!("store {terms}");
        Ok(lasting.keep(&name.clone(), || {
            let meter = Meter::of(lasting, []);
            let shown = target.shown().to_owned();
            let counter = |outcome| meter.counter(&STORE_CALLS, &[&shown, outcome]);
            Self {
                name,
                target: Arc::new(target),
                lines: (0..LINES).map(|_| OnceLock::new()).collect(),
                counts: Counts {
                    answered: counter("answered"),
                    failed: Fault::NAMES.map(counter),
                    _meter: meter.clone(),
                },
                told: Mutex::default(),
            }
        }))
    }

    /// A name that says all that it depends on without showing it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is, without its secrets.
    pub fn shown(&self) -> &str {
        self.target.shown()
    }

    /// Reads the text under a key; `None` where there is none.
    ///
    /// # Errors
    /// There was no answer within `patience`, or none that is a text.
    pub async fn read(
        &self,
        worker: usize,
        key: &str,
        patience: Duration,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let mut command = cmd("GET");
        command.arg(key);
        let answer = match self.line(worker).ask(&command, patience).await {
            Ok(Value::Nil) => Ok(None),
            Ok(Value::BulkString(text)) => Ok(Some(text)),
            Ok(other) => Err(Fault::strange(&other)),
            Err(fault) => Err(fault),
        };
        self.count(answer)
    }

    /// Runs a script on keys, in one round trip where the store has seen it before; the answer is a
    /// list of whole numbers.
    ///
    /// # Errors
    /// There was no answer within `patience`, or none that is such a list.
    pub async fn run(
        &self,
        worker: usize,
        script: &Script,
        keys: &[String],
        arguments: &[i64],
        patience: Duration,
    ) -> Result<Vec<i64>, Fault> {
        let line = self.line(worker);
        let by_name = invocation("EVALSHA", script.name(), keys, arguments);
        let mut answer = line.ask(&by_name, patience).await;
        if matches!(&answer, Err(Fault::Refused(told)) if told.starts_with("NOSCRIPT")) {
            // A store that has begun anew; with this it knows the script.
            let whole = invocation("EVAL", script.text(), keys, arguments);
            answer = line.ask(&whole, patience).await;
        }
        self.count(answer.and_then(numbers))
    }

    fn line(&self, worker: usize) -> &Arc<Line> {
        self.lines[worker % LINES]
            .get_or_init(|| Line::new(self.target.clone(), &self.counts._meter))
    }

    fn count<T>(&self, answer: Result<T, Fault>) -> Result<T, Fault> {
        match &answer {
            Ok(_) => self.counts.answered.count(),
            Err(fault) => {
                self.counts.failed[fault.index()].count();
                self.tell(fault);
            }
        }
        answer
    }

    fn tell(&self, fault: &Fault) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.elapsed() >= TELL) {
            *told = Some(Instant::now());
            tracing::warn!(store = self.shown(), %fault, "a call went on without the store");
        }
    }
}

fn invocation(how: &str, what: &str, keys: &[String], arguments: &[i64]) -> Cmd {
    let mut command = cmd(how);
    command.arg(what).arg(keys.len()).arg(keys).arg(arguments);
    command
}

fn numbers(answer: Value) -> Result<Vec<i64>, Fault> {
    let Value::Array(items) = answer else { return Err(Fault::strange(&answer)) };
    let number = |item| match item {
        Value::Int(number) => Ok(number),
        other => Err(Fault::strange(&other)),
    };
    items.into_iter().map(number).collect()
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("at", &self.shown()).finish_non_exhaustive()
    }
}
