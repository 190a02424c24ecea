//! `timeout`: how long a call may take.
//!
//! ```yaml
//! services:
//!   "bookshelf.v1.*": { timeout: 5s }
//!   "bookshelf.v1.Bookshelf.Archive": { timeout: none }
//!   "bookshelf.v1.Bookshelf.Watch": { timeout: { first: 2s, idle: 1m } }
//! ```
//!
//! The deadline is the least of what the caller asked for and what the policy allows. It is set on
//! the exchange, so that the backend hears of it, and kept here: for the reply and, if the
//! reply is a stream, for its last message. When it passes, the call is dropped, which cancels it
//! upstream.
//!
//! Two parts of a call may have limits of their own (`pace`): until the answer begins, and between
//! the messages of a stream. What comes before a call is the listener's (a head, a handshake, an idle
//! connection) and a connection's making the upstream's.

mod deadline;
mod pace;
mod settings;

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

pub use settings::{Limit, Settings};

use self::pace::Pace;

use super::{Blueprint, Built, Entry, Next, Stage, read_settings};
use crate::{
    error::Error,
    exchange::{Exchange, Reply},
};

/// How long a unary call may take if neither policy nor caller says: 15 seconds.
pub const DEFAULT: Duration = Duration::from_secs(15);

/// The stage's line in the table.
pub(super) const ENTRY: Entry = Entry {
    name: "timeout",
    summary: "Ends a call that takes longer than this: a duration such as `5s`, or `none`. \
              The default is 15s for unary calls and none for streams.",
    json_schema: |generator| generator.subschema_for::<Settings>(),
    build,
};

/// Every method has the stage: a caller may bring a deadline where the policy has none.
fn build(blueprint: &Blueprint<'_>) -> Built {
    let Blueprint { settings, method, .. } = *blueprint;
    let settings = settings.map(read_settings::<Settings>).transpose()?.unwrap_or_default();
    let limit = match settings.whole {
        Some(Limit(limit)) => limit,
        None => method.is_unary().then_some(DEFAULT),
    };
    Ok(Some(Box::new(Timeout {
        limit,
        pace: Pace::of(settings.first, settings.idle).map(Box::new),
    })))
}

/// The stage at work.
struct Timeout {
    limit: Option<Duration>,
    /// How the parts are paced, if they are. A box, for every method has a stage and few a pace.
    pace: Option<Box<Pace>>,
}

impl Timeout {
    /// The least of the caller's deadline and the policy's.
    fn deadline(&self, asked: Option<Instant>) -> Option<Instant> {
        let Some(limit) = self.limit else { return asked };
        let allowed = Instant::now() + limit;
        Some(asked.map_or(allowed, |asked| asked.min(allowed)))
    }
}

impl Stage for Timeout {
    fn call<'a>(
        &'a self,
        mut exchange: Exchange,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<Reply, Error>> {
        exchange.deadline = self.deadline(exchange.deadline);
        match (exchange.deadline, self.pace.as_deref().copied()) {
            (None, None) => next.call(exchange),
            (None, Some(pace)) => Box::pin(pace.keep(exchange, next)),
            (Some(deadline), None) => {
                Box::pin(deadline::keep(deadline, exchange, move |exchange| next.call(exchange)))
            }
            (Some(deadline), Some(pace)) => {
                Box::pin(deadline::keep(deadline, exchange, move |exchange| {
                    pace.keep(exchange, next)
                }))
            }
        }
    }
}

#[cfg(test)]
mod tests;
