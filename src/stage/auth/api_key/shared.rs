//! Keys that gateways share: a Redis or Valkey has them, one under each id.
//!
//! ```text
//! transom:key:3f9c0d12ab45e678 ─► {"id": "3f9c0d12ab45e678", "hashes": ["sha256:…"], "plan": "gold"}
//! ```
//!
//! What the store said of an id is believed for `cache_for`, so a revoked key is good that long at
//! most; that it has no such key is believed for `cache_unknown_for`, and kept apart, so that made-up
//! ids push no good one out. While the store gives no answer, what it said last holds until it is
//! `stale_for` old, and whoever isn't known by then gets UNAVAILABLE: nobody is let in for want of an
//! answer.

use std::{path::Path, sync::Arc, time::Duration};

use super::book::{Entry, Line};
use crate::{
    lasting::Lasting,
    stage::{
        Finding,
        auth::{self, cache::Cache, denial::Denial, settings},
    },
    store::{self, Store},
};

/// How much keys may take, and ids that nobody has, in bytes.
const CACHES: (usize, usize) = (32 << 20, 8 << 20);

/// What stands before ids.
const PREFIX: &str = "transom:key:";

/// How long the store may take to answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// The longest id that the store is asked for.
const LONGEST: usize = 64;

/// The keys of a store.
pub(super) struct Shared {
    store: Arc<Store>,
    prefix: String,
    patience: Duration,
    /// For how long what the store said is believed, in seconds.
    believed: i64,
    /// For how long that it has no such key is.
    unknown_for: i64,
    /// How old it may be when the store says nothing.
    oldest: i64,
    known: Cache<Known>,
    /// When the store said that it has no such key.
    unknown: Cache<i64>,
}

/// What the store said of an id.
#[derive(Clone)]
struct Known {
    line: Arc<Line>,
    /// In seconds since 1970.
    since: i64,
}

/// What is known of an id; no key, where there is none.
pub(super) type Found = Option<Arc<Line>>;

impl Shared {
    /// The keys of these settings' store; relative paths start at `folder`.
    pub(super) fn of(
        written: &settings::ApiKey,
        redis: &store::Settings,
        folder: &Path,
        lasting: &Lasting,
    ) -> Result<Arc<Self>, Finding> {
        let store = Store::of(redis, folder, lasting)
            .map_err(|(path, message)| (format!("redis.{path}"), message))?;
        // All but where the key stands in a call.
        let terms = settings::ApiKey { from: None, ..written.clone() };
        let name = auth::name("shared api keys", &format!("{terms:?} {}", store.name()));
        Ok(lasting.keep(&name, || Self {
            store,
            prefix: redis.prefix.clone().unwrap_or_else(|| PREFIX.to_owned()),
            patience: redis.answer_timeout.unwrap_or(PATIENCE),
            believed: seconds(written.cache_for),
            unknown_for: seconds(written.cache_unknown_for),
            oldest: seconds(written.stale_for.max(written.cache_for)),
            known: Cache::new(CACHES.0),
            unknown: Cache::new(CACHES.1),
        }))
    }

    /// What is known of an id without asking.
    pub(super) fn recall(&self, id: &str, now: i64) -> Option<Found> {
        if id.len() > LONGEST {
            return Some(None);
        }
        if let Some(known) = self.last(id, now).filter(|known| now < known.since + self.believed) {
            return Some(Some(known.line));
        }
        let good = |since: &i64| (*since..*since + self.unknown_for).contains(&now);
        self.unknown.find(id.as_bytes(), good).map(|_| None)
    }

    /// Asks the store for the key of an id.
    pub(super) async fn ask(
        &self,
        worker: usize,
        id: &str,
        clock: fn() -> i64,
    ) -> Result<Found, Denial> {
        let answer = self.store.read(worker, &format!("{}{id}", self.prefix), self.patience).await;
        let now = clock();
        let read = match answer {
            Ok(Some(text)) => read(id, &text).map(Some),
            Ok(None) => Ok(None),
            // The store has told the log.
            Err(_) => return self.without(id, now),
        };
        match read {
            Ok(Some(line)) => {
                let line = Arc::new(line);
                let known = Known { line: line.clone(), since: now };
                self.known.keep(id.as_bytes(), known, line.weight());
                Ok(Some(line))
            }
            Ok(None) => {
                // It may have been good until now.
                self.known.find(id.as_bytes(), |_| false);
                self.unknown.keep(id.as_bytes(), now, 0);
                Ok(None)
            }
            Err(problem) => {
                let store = self.store.shown();
                tracing::warn!(store, key = id, problem, "an API key in the store can't be read");
                self.without(id, now)
            }
        }
    }

    /// What holds where the store has nothing to say.
    fn without(&self, id: &str, now: i64) -> Result<Found, Denial> {
        let last = self.last(id, now).ok_or(Denial::unavailable("keys_unavailable"))?;
        Ok(Some(last.line))
    }

    /// What the store said last of an id, if that isn't too old to go by.
    fn last(&self, id: &str, now: i64) -> Option<Known> {
        let good = |known: &Known| (known.since..known.since + self.oldest).contains(&now);
        self.known.find(id.as_bytes(), good)
    }
}

/// Reads what stands under an id.
fn read(id: &str, text: &[u8]) -> Result<Line, String> {
    let entry: Entry = serde_json::from_slice(text).map_err(|error| {
        format!("it is no key: {error}; `transom keys create --redis-command` shows one")
    })?;
    match entry.id == id {
        true => Line::of(entry),
        false => Err("it stands under another id than its own".into()),
    }
}

fn seconds(duration: Duration) -> i64 {
    // Far enough from the end to be added to a time.
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX).min(i64::MAX / 4)
}
