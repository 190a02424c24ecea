//! The stage by a clock that tests turn by hand.

mod answers;
mod callers;
mod in_flight;
mod settings;

use std::{cell::Cell, path::Path, sync::Arc};

use serde_json::Value;

use super::{
    RateLimit, Settings,
    limit::{Limit, Making},
    local::Now,
};
use crate::{
    callout::Upstreams,
    error::Error,
    exchange::{Exchange, Messages, Metadata, Principal, PrincipalKind, Reply},
    lasting::Lasting,
    meter::Meter,
    stage::{
        Blueprint, Chain, Finding,
        testing::{answers, chain, exchange, method},
    },
};

thread_local! {
    /// What time it is for the test on this thread: 2026-03-01T00:00:00Z at first.
    static NOW: Cell<Now> = const { Cell::new(Now { nanos: 0, unix: 1_772_323_200 }) };
}

/// Reads the test's clock.
pub(super) fn clock() -> Now {
    NOW.get()
}

/// Turns the test's clock forward.
pub(super) fn pass_millis(millis: u64) {
    let Now { nanos, unix } = NOW.get();
    NOW.set(Now { nanos: nanos + millis * 1_000_000, unix: unix + millis / 1000 });
}

/// Sets the clock that may be set, the other one stays.
pub(super) fn set_unix(unix: u64) {
    NOW.set(Now { unix, ..NOW.get() });
}

/// What a test makes stages with.
pub(super) struct Bench {
    lasting: Lasting,
    /// The upstreams that stages may ask.
    pub(super) upstreams: Upstreams,
    /// Held, so that what is counted stays.
    _meter: Arc<Meter>,
}

impl Default for Bench {
    fn default() -> Self {
        let lasting = Lasting::new();
        let upstreams = Upstreams::new(["limits".to_owned()]);
        Self { _meter: Meter::of(&lasting, []), lasting, upstreams }
    }
}

impl Bench {
    /// One of the two stages of these settings; the test has to want it.
    pub(super) fn stage(&self, settings: &Value, waiting: bool) -> RateLimit {
        self.try_stage(settings, waiting).unwrap().expect("a limit of this kind")
    }

    pub(super) fn try_stage(
        &self,
        settings: &Value,
        waiting: bool,
    ) -> Result<Option<RateLimit>, Finding> {
        let read: Settings = crate::stage::read_settings(settings)?;
        RateLimit::build(&read, &self.blueprint(&method(false)), waiting, clock)
    }

    /// The limits of these settings that hold for all callers.
    pub(super) fn limits(&self, settings: &Value) -> Vec<Arc<Limit>> {
        let settings: Settings = serde_json::from_value(settings.clone()).unwrap();
        let method = method(false);
        let blueprint = self.blueprint(&method);
        let limits = Making { blueprint: &blueprint, settings: &settings }.limits().unwrap();
        limits.into_iter().map(|(_, limit)| limit).collect()
    }

    /// A stage before a backend that answers with an empty message.
    pub(super) fn chain(&self, settings: &Value, waiting: bool) -> Chain {
        chain(Box::new(self.stage(settings, waiting)), answers(|_| Ok(empty())))
    }

    fn blueprint<'a>(&'a self, method: &'a crate::schema::Method) -> Blueprint<'a> {
        Blueprint {
            settings: None,
            method,
            place: "rate_limit",
            places: &|inside| format!("rate_limit.{inside}"),
            folder: Path::new(""),
            lasting: &self.lasting,
            upstreams: &self.upstreams,
        }
    }
}

/// An answer with one empty message.
pub(super) fn empty() -> Reply {
    Reply { metadata: Metadata::new(), messages: Messages::one(bytes::Bytes::new()) }
}

/// A call with these headers.
pub(super) fn call(headers: &[(&'static str, &str)]) -> Exchange {
    let headers = headers.iter().map(|(name, value)| {
        (http::HeaderName::from_static(name), http::HeaderValue::from_str(value).unwrap())
    });
    exchange(headers.collect(), None)
}

/// A call of somebody whom `auth` knows.
pub(super) fn call_of(id: &str, claims: &Value) -> Exchange {
    let mut exchange = call(&[]);
    exchange.extensions.insert(Arc::new(Principal {
        id: id.to_owned(),
        issuer: "api_key".to_owned(),
        kind: PrincipalKind::ApiKey,
        scopes: Vec::new(),
        claims: claims.as_object().cloned().unwrap_or_default(),
    }));
    exchange
}

/// How many of this many calls are let through.
pub(super) async fn count(chain: &Chain, calls: usize, make: impl Fn() -> Exchange) -> usize {
    let mut passed = 0;
    for _ in 0..calls {
        passed += usize::from(chain.call(make()).await.is_ok());
    }
    passed
}

/// The error of a call that has to be refused.
pub(super) async fn refused(chain: &Chain, exchange: Exchange) -> Error {
    chain.call(exchange).await.err().expect("a refusal")
}
