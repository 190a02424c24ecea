//! `admission`: no more calls at once than a backend can work on, and a quick no to the others.
//!
//! ```yaml
//! services:
//!   "*": { admission: {} }
//!   "bookshelf.v1.Bookshelf.ListBooks": { admission: { priority: sheddable } }
//! ```
//!
//! A backend with more calls than it can work on lets them queue: all of them become slow, their
//! callers give up, and it works for nobody. So the limit is found out by latency (`gradient`),
//! and what is above it is refused at once with UNAVAILABLE, 503 and `Retry-After`. Nothing is set
//! by hand that a new machine or a new version of the backend would make wrong.
//!
//! The methods of a selector share one limit, which outlives a reload. A call counts until its
//! reply begins; failures that say nothing about the backend's work (it could not be reached, the
//! gateway refused) don't count for the latency, but a deadline that passed does.

mod gate;
mod gradient;
mod histogram;
mod settings;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use prost::Message;
use tokio::time::Instant;

pub use settings::{Priority, Settings};

use self::gate::{Gate, Visit};
use super::{Blueprint, Built, Entry, Next, Stage, read_settings};
use crate::{
    error::{Code, Detail, Error, Origin},
    exchange::{Exchange, Reply},
    meter::{ADMISSION_REFUSED, Counter},
};

/// What checks whether a service lives; refusing it would take a busy backend for a dead one.
const HEALTH: &str = "grpc.health.v1.Health";

/// How many seconds a refused caller is asked to wait, at least and at most.
const RETRY_AFTER: std::ops::RangeInclusive<i64> = 1..=3;

/// The stage's line in the table.
pub(super) const ENTRY: Entry = Entry {
    name: "admission",
    summary: "Refuses calls (503, `Retry-After`) while more are under way than the backend \
              answers without queueing; the limit is found out by latency. `admission: {}` takes \
              every default.",
    json_schema: |generator| generator.subschema_for::<Settings>(),
    build,
};

fn build(blueprint: &Blueprint<'_>) -> Built {
    let Some(value) = blueprint.settings else { return Ok(None) };
    let settings = read_settings::<Settings>(value)?;
    settings.check()?;
    // Methods of any priority share the limit of what is otherwise the same.
    let shared = Settings { priority: Priority::Normal, ..settings.clone() };
    let name = format!("admission {} {shared:?}", blueprint.place);
    let gate = blueprint.lasting.keep(&name, || Gate::new(&shared, Instant::now()));
    let is_health = *blueprint.method.service == *HEALTH;
    let priority = if is_health { Priority::Critical } else { settings.priority };
    let refused = blueprint.counter(&ADMISSION_REFUSED);
    Ok(Some(Box::new(Admission { gate, priority, refused })))
}

/// The stage at work.
struct Admission {
    gate: Arc<Gate>,
    priority: Priority,
    refused: Arc<Counter>,
}

impl Stage for Admission {
    fn call<'a>(
        &'a self,
        exchange: Exchange,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<Reply, Error>> {
        Box::pin(async move {
            let Some(visit) = self.gate.enter(self.priority, Instant::now()) else {
                self.refused.count();
                return Err(overloaded());
            };
            let mut watched = Watched { visit, deadline: exchange.deadline, ended: false };
            let outcome = next.call(exchange).await;
            watched.end(&outcome);
            outcome
        })
    }
}

/// A call inside, which may end by being dropped.
struct Watched {
    visit: Visit,
    deadline: Option<Instant>,
    ended: bool,
}

impl Watched {
    fn end(&mut self, outcome: &Result<Reply, Error>) {
        self.ended = true;
        let tells = match outcome {
            Ok(_) => true,
            Err(error) if error.code() == Code::DeadlineExceeded => true,
            Err(error) => error.origin() == Origin::Upstream && error.code() != Code::Unavailable,
        };
        if tells {
            self.visit.answered(Instant::now());
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // A caller that leaves says nothing, but a deadline does: the backend was too slow.
        let now = Instant::now();
        if !self.ended && self.deadline.is_some_and(|deadline| deadline <= now) {
            self.visit.answered(now);
        }
    }
}

/// google.rpc.RetryInfo: gRPC callers read it as it is, REST's get `Retry-After`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<prost_types::Duration>,
}

fn overloaded() -> Error {
    // Not all at once.
    let seconds = fastrand::i64(RETRY_AFTER);
    let info = RetryInfo { retry_delay: Some(prost_types::Duration { seconds, nanos: 0 }) };
    let message = "too many calls of this kind are under way; try again in a moment";
    Error::new(Code::Unavailable, "overloaded", message).with_detail(Detail {
        type_url: "type.googleapis.com/google.rpc.RetryInfo".into(),
        value: info.encode_to_vec().into(),
    })
}

#[cfg(test)]
mod tests;
