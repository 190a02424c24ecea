//! `redis`: a Redis or Valkey counts, for all gateways that ask it.
//!
//! ```text
//! limits of a call ── EVALSHA ──► limits.lua ── GET, SET … PX ──► one key a limit and caller
//!                 ◄── verdicts ──
//! ```
//!
//! One round trip for all limits of a call, and one step of the store: no other call sees some of
//! them taken and others not. The time is the store's own. A key ends when its bucket is full again or
//! its window is over, so the store keeps nobody who wouldn't notice. All keys have the same hash tag
//! by default, so that they are on one node of a cluster, which a script asks for.
//!
//! Who was refused a moment ago isn't asked about again (`refusals`).
//!
//! While the store doesn't answer, what `on_failure` says holds (`fallback`). `limits.lua` says what is
//! remembered.

use std::{
    path::Path,
    sync::{Arc, LazyLock},
    time::Duration,
};

use ring::digest::{Context, SHA256};

use super::{
    amount::{Measure, Window},
    count::{Answer, Ask, Count, Verdict, Verdicts},
    fallback::Fallback,
    refusals::{ARGUMENTS, Refusals},
};
use crate::{
    lasting::Lasting,
    stage::Finding,
    store::{Script, Settings, Store},
};

/// What stands before all keys.
const PREFIX: &str = "{transom}:limit:";

/// How long the store may take to answer.
const PATIENCE: Duration = Duration::from_millis(50);

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("limits.lua")));

/// Counts in a store.
pub(super) struct Shared {
    store: Arc<Store>,
    prefix: String,
    patience: Duration,
    fallback: Fallback,
    refusals: Arc<Refusals>,
}

impl Shared {
    /// The store of these settings; relative paths start at `folder`.
    pub(super) fn of(
        settings: &Settings,
        folder: &Path,
        lasting: &Lasting,
        fallback: Fallback,
    ) -> Result<Self, Finding> {
        let store = Store::of(settings, folder, lasting)?;
        let prefix = settings.prefix.clone().unwrap_or_else(|| PREFIX.to_owned());
        let patience = settings.answer_timeout.unwrap_or(PATIENCE);
        let refusals = lasting.keep("rate limit refusals", Refusals::default);
        Ok(Self { store, prefix, patience, fallback, refusals })
    }

    /// Under which key a limit's caller is remembered. It is the same for every gateway whose
    /// configuration has the limit at the same place, and says nothing of the caller to who reads it.
    fn key(&self, ask: &Ask<'_>) -> String {
        let mut digest = Context::new(&SHA256);
        let mut text = |text: &str| {
            digest.update(&(text.len() as u64).to_be_bytes());
            digest.update(text.as_bytes());
        };
        text(&ask.limit.place);
        text(kind(ask.limit.measure).1);
        for (name, value) in ask.limit.key.parts(ask.asker) {
            text(&name);
            match value {
                Some(value) => text(&value),
                // As long as no name is.
                None => text("\0missing"),
            }
        }
        let digest = digest.finish();
        let mut key = format!("{}{}:", self.prefix, ask.limit.name);
        for byte in &digest.as_ref()[..16] {
            key.push_str(&format!("{byte:02x}"));
        }
        key
    }
}

impl Count for Shared {
    fn ask(&self, asks: &[Ask<'_>]) -> Answer<'_> {
        let worker = asks.first().map_or(0, |ask| ask.asker.worker);
        let keys: Vec<_> = asks.iter().map(|ask| self.key(ask)).collect();
        let question = (keys, asks.iter().flat_map(arguments).collect());
        let asked = (self.fallback.clock)().nanos;
        if let Some(verdicts) = self.refusals.recall(&question, asked) {
            return Answer::Now(verdicts);
        }
        let noted = self.fallback.note(asks);
        Answer::Later(Box::pin(async move {
            let (keys, arguments) = &question;
            let answer = self.store.run(worker, &SCRIPT, keys, arguments, self.patience).await;
            match answer.ok().and_then(|numbers| verdicts(&numbers, keys.len())) {
                Some(verdicts) => {
                    self.fallback.follow(&noted, &verdicts);
                    self.refusals.note(question, &verdicts, asked);
                    Ok(verdicts.into())
                }
                None => self.fallback.answer(&noted).map(Into::into),
            }
        }))
    }
}

/// What a measure is called by the script, and by the key.
fn kind(measure: Measure) -> (i64, &'static str) {
    match measure {
        Measure::Rate { .. } => (0, "rate"),
        Measure::Quota(quota) if quota.window == Window::Day => (1, "day"),
        Measure::Quota(_) => (2, "month"),
        // Nobody counts them but this process.
        Measure::Concurrency { .. } => (0, "concurrency"),
    }
}

/// What the script is told of a limit.
fn arguments(ask: &Ask<'_>) -> [i64; ARGUMENTS] {
    let measure = ask.limit.measure;
    let (amount, burst) = match measure {
        Measure::Rate { interval, burst } => (interval, burst),
        Measure::Quota(quota) => (quota.number, 0),
        Measure::Concurrency { most } => (most, 0),
    };
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let (amount, burst, cost) = (number(amount), number(burst), number(ask.cost));
    [kind(measure).0, amount, burst, cost, i64::from(ask.limit.shadow)]
}

/// What the script has answered; none, if that is no answer of it.
fn verdicts(numbers: &[i64], limits: usize) -> Option<Verdicts> {
    let verdict = |one: &[i64]| {
        let [allowed, remaining, reset, retry_after] = *one else { return None };
        let micros = |number: i64| u64::try_from(number).ok().map(Duration::from_micros);
        Some(Verdict {
            allowed: allowed == 1,
            remaining: u64::try_from(remaining).ok()?,
            reset: micros(reset)?,
            retry_after: micros(retry_after)?,
        })
    };
    let verdicts: Verdicts = numbers.chunks(4).map(verdict).collect::<Option<_>>()?;
    (verdicts.len() == limits).then_some(verdicts)
}

#[cfg(test)]
mod tests;
