//! `retry`: another attempt for calls that failed, or that take long (gRFC A6).
//!
//! ```yaml
//! services:
//!   "bookshelf.v1.*": { retry: { attempts: 3, per_try_timeout: 2s } }
//!   "bookshelf.v1.Bookshelf.GetBook": { retry: { hedge: { delay: 50ms } } }
//! ```
//!
//! A call is tried again if its method may be repeated, its failure is of the backend's side and
//! has one of the codes, and budget and deadline allow it. Each attempt turns to an endpoint that
//! was not tried, if there is one. A call is committed when its reply begins: what fails later has
//! been seen by the caller. A reply of one message is held back until it is whole, so it may fail
//! until then. Calls whose caller sends a stream are not tried again: nothing keeps the messages.
//!
//! Calls that the backend never saw are sent again by the cluster itself, whatever the policy.
//!
//! A method that may not be repeated has no such stage. The others pay for a call that succeeds at
//! once with a list of its metadata; no timer is armed but for `per_try_timeout` and `hedge`.

mod backoff;
mod budget;
mod hedge;
mod original;
mod plan;
mod settings;
mod verdict;

use std::time::Duration;

use futures_util::future::BoxFuture;

pub use settings::{Backoff, Budget, Codes, Hedge, Methods, Settings};

use self::{original::Original, plan::Plan};
use super::{Blueprint, Built, Entry, Next, Stage, read_settings};
use crate::{
    error::Error,
    exchange::{Exchange, Reply},
    meter::RETRIES,
    schema::{HttpMethod, Idempotency, Method},
};

/// The stage's line in the table.
pub(super) const ENTRY: Entry = Entry {
    name: "retry",
    summary: "Tries failed calls again, or sends slow ones twice (`hedge`), where the method may \
              be repeated. `retry: {}` takes every default; without it nothing is tried again that \
              a backend may have seen.",
    json_schema: |generator| generator.subschema_for::<Settings>(),
    build,
};

fn build(blueprint: &Blueprint<'_>) -> Built {
    let Some(value) = blueprint.settings else { return Ok(None) };
    let settings = read_settings::<Settings>(value)?;
    settings.check()?;
    let Settings { codes, attempts, methods, backoff, per_try_timeout, budget, hedge } = settings;
    let (attempts, codes) = match &hedge {
        None => (attempts, codes),
        Some(hedge) => (hedge.attempts.unwrap_or(attempts), hedge.codes.unwrap_or(codes)),
    };
    let method = blueprint.method;
    let may = methods == Methods::All || is_idempotent(method);
    if !may || method.client_streaming || attempts < 2 {
        return Ok(None);
    }
    let name = format!("retry budget {} {budget:?}", blueprint.place);
    let budget = blueprint.lasting.keep(&name, || budget::Budget::new(&budget));
    let retries = blueprint.counter(&RETRIES);
    let plan = Plan { attempts, codes, backoff, per_try: per_try_timeout, budget, retries };
    Ok(Some(Box::new(Retry { plan, hedge: hedge.map(|hedge| hedge.delay) })))
}

/// Whether calls of the method may reach the backend twice: its author says so, or binds it to
/// nothing but HTTP methods that RFC 9110, section 9.2.2, calls idempotent.
fn is_idempotent(method: &Method) -> bool {
    let bound_so = |rule: &HttpMethod| match rule {
        HttpMethod::One(method) => method.is_idempotent(),
        HttpMethod::Any => false,
    };
    method.idempotency != Idempotency::Unknown
        || !method.rules.is_empty() && method.rules.iter().all(|rule| bound_so(&rule.method))
}

/// The stage at work.
struct Retry {
    plan: Plan,
    hedge: Option<Duration>,
}

impl Stage for Retry {
    fn call<'a>(
        &'a self,
        exchange: Exchange,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<Reply, Error>> {
        Box::pin(async move {
            let (original, first) = Original::of(exchange).await?;
            match self.hedge {
                None => self.plan.run(original, first, next).await,
                Some(delay) => hedge::run(&self.plan, delay, original, first, next).await,
            }
        })
    }
}

#[cfg(test)]
mod tests;
