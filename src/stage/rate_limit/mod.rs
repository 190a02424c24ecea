//! `rate_limit`: how often, how much and how many at once.
//!
//! ```yaml
//! services:
//!   "bookshelf.v1.*":
//!     rate_limit:
//!       limits:
//!         per_address: { rate: 300/min, key: address }
//!         per_caller: { rate: 10/s, burst: 50, key: principal }
//!         streams: { concurrency: 5, key: principal }
//!       plans:
//!         free: { daily: { quota: 1000/day } }
//!         gold: { daily: { quota: 100000/day } }
//!       default_plan: free
//!   "bookshelf.v1.Bookshelf.Archive": { rate_limit: { cost: 20 } }
//! ```
//!
//! The stage stands in the table twice. Limits that need no verified caller come before `auth`, so
//! that guessing of credentials is limited and a flood is refused before anything is verified; those
//! that do, and those that say `admitted`, come after `authorize`, so that nobody can use up what is
//! somebody else's. What a call has taken from the former stays taken when the latter refuse it: it
//! was a call. Within either all limits are asked together, and a refused call costs nothing.
//!
//! A limit by a field of the message waits for the call's first message, and a method that it is written
//! for has to have the field.
//!
//! A limit is where it is written: methods that a selector gives it share what is counted, and a more
//! specific selector that changes it has a limit of its own. Counts outlive a reload.
//!
//! | threat                                         | defence                | test                                    |
//! |------------------------------------------------|------------------------|-----------------------------------------|
//! | guessing of credentials                        | the stage's first line | `rate_limit_guesses_…`                  |
//! | ten million names to fill the memory           | `local::table`         | `ten_million_callers_…`                 |
//! | a fresh limit by making the table forget       | `local::table`         | `a_full_table_forgets_nobody_…`         |
//! | callers that look for a place with another     | `key`: keyed digests   | by construction                         |
//! | leaving out what a limit goes by               | `key`: who lacks it shares | `callers_that_lack_…`               |
//! | a made-up address                              | the listener's trusted proxies | `client_is_the_last_that_no_trusted_…` |
//! | a clock that goes back, or far ahead for a while | `local::cell`        | `quota_is_not_given_back_by_a_clock_…`, `redis_whose_clock_goes_back_…` |
//! | bursts at the border of two windows            | rates have no windows  | `rate_conforms_to_a_bucket_…`           |
//! | workers that count at the same time            | `local::table`: a lock | `workers_together_never_exceed_…`       |
//! | streams that are kept open                     | `hold`                 | `stream_is_in_flight_until_…`           |
//! | a door that is less strict than another        | the stage's place      | `matrix_limits_are_alike_at_every_door` |
//! | several gateways, each with a limit of its own | `shared`, `service`    | `three_gateways_allow_what_one_would_…` |
//! | gateways whose clocks differ                   | `shared`: the store's clock | `redis_counts_as_this_process_does_…` |
//! | refused callers that keep the store busy       | `refusals`             | `refused_callers_don_t_keep_…`          |
//! | whoever counts for all is gone, or hangs       | `fallback`             | `redis_that_hangs_…`, `redis_that_is_away_…`, `service_without_an_answer_…` |

mod amount;
mod bundle;
pub mod count;
mod decide;
mod fallback;
mod hold;
pub mod key;
pub mod limit;
mod local;
mod refusals;
mod service;
mod settings;
mod shared;
mod told;

use std::sync::atomic::AtomicU64;

use futures_util::future::BoxFuture;

pub use self::{
    amount::{Measure, Quota, Rate, Window},
    settings::{Limit, Network, OnFailure, Part, Service, Settings, Store},
};
use self::{
    bundle::Bundles,
    count::Count,
    fallback::Fallback,
    limit::Making,
    local::{LEAST, Local, Now},
};
use super::{Blueprint, Built, Entry, Finding, Next, Stage, read_settings};
use crate::{
    error::Error,
    exchange::{Exchange, Reply},
};

/// The stage's line in the table for limits that don't wait for callers to be known.
pub(super) const FIRST: Entry = Entry {
    name: "rate_limit",
    summary: "Refuses calls (429, `Retry-After`) beyond rates, quotas and numbers in flight, for all \
              callers together or for each address, principal, API key, plan, claim, header or field.",
    json_schema: |generator| generator.subschema_for::<Settings>(),
    build: |blueprint| build(blueprint, false),
};

/// The stage's line in the table for the others.
pub(super) const ADMITTED: Entry = Entry { build: |blueprint| build(blueprint, true), ..FIRST };

fn build(blueprint: &Blueprint<'_>, waiting: bool) -> Built {
    let Some(value) = blueprint.settings else { return Ok(None) };
    let settings = read_settings::<Settings>(value)?;
    let stage = RateLimit::build(&settings, blueprint, waiting, Now::read)?;
    Ok(stage.map(|stage| Box::new(stage) as _))
}

/// The stage at work.
struct RateLimit {
    bundles: Bundles,
    needs_message: bool,
    cost: u64,
    store: Box<dyn Count>,
    clock: fn() -> Now,
    /// When the log last told of a limit in shadow mode, in seconds since 1970.
    told: AtomicU64,
}

impl RateLimit {
    fn build(
        settings: &Settings,
        blueprint: &Blueprint<'_>,
        waiting: bool,
        clock: fn() -> Now,
    ) -> Result<Option<Self>, Finding> {
        if settings.max_keys < LEAST {
            return Err(("max_keys".into(), format!("write at least {LEAST}")));
        }
        let bundles = Bundles::compile(&Making { blueprint, settings }, waiting)?;
        let store = store(settings, blueprint, clock)?;
        let told = AtomicU64::new(0);
        let (cost, needs_message) = (settings.cost, bundles.need_message());
        let stage = Self { bundles, needs_message, cost, store, clock, told };
        Ok((!stage.bundles.is_empty()).then_some(stage))
    }
}

/// Whoever counts.
fn store(
    settings: &Settings,
    blueprint: &Blueprint<'_>,
    clock: fn() -> Now,
) -> Result<Box<dyn Count>, Finding> {
    let fallback = Fallback { rule: settings.on_failure, clock };
    let inside = |name: &'static str| {
        move |(path, problem): Finding| (format!("store.{name}.{path}"), problem)
    };
    let Blueprint { folder, lasting, .. } = blueprint;
    Ok(match &settings.store {
        Store::Local => Box::new(Local { clock }),
        Store::Redis(redis) => {
            let made = shared::Shared::of(redis, folder, lasting, fallback);
            Box::new(made.map_err(inside("redis"))?)
        }
        Store::Service(written) => {
            let upstream = blueprint.upstream("store.service.upstream", &written.upstream)?;
            let made = service::Service::of(written, upstream, fallback);
            Box::new(made.map_err(inside("service"))?)
        }
    })
}

impl Stage for RateLimit {
    fn call<'a>(
        &'a self,
        mut exchange: Exchange,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<Reply, Error>> {
        if !self.needs_message {
            return self.decide(exchange, None, next);
        }
        match exchange.messages.as_one().cloned() {
            Some(message) => self.decide(exchange, Some(&message), next),
            None => Box::pin(async move {
                let message = exchange.messages.first().await?;
                self.decide(exchange, message.as_deref(), next).await
            }),
        }
    }

    fn asks_for_approach(&self) -> bool {
        self.bundles.need_address()
    }
}

#[cfg(test)]
mod tests;
