//! What becomes of a call: it has its place, or hasn't; whoever counts says yes or no; and its answer
//! tells of that.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use futures_util::future::{BoxFuture, ready};
use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

use super::{
    RateLimit,
    bundle::Bundle,
    count::{Answer, Ask, Counted, Verdict, Verdicts},
    hold::{self, Permits},
    key::Asker,
    limit::Limit,
    local::{Now, Permit},
    told::{self, Fields},
};
use crate::{
    error::Error,
    exchange::{Exchange, Reply},
    stage::Next,
};

impl RateLimit {
    /// Looks for a place for the call.
    fn enter(&self, bundle: &Bundle, asker: &Asker<'_>) -> Result<Entered, Error> {
        let mut entered = Entered::default();
        if bundle.in_flight.is_empty() {
            return Ok(entered);
        }
        let now = (self.clock)();
        for limit in &bundle.in_flight {
            let (verdict, permit) = Permit::ask(limit, asker, now);
            entered.permits.extend(permit);
            entered.verdicts.push(verdict);
        }
        self.conclude(bundle, &bundle.in_flight, &entered.verdicts)?;
        Ok(entered)
    }

    /// Asks whoever counts.
    fn ask(&self, bundle: &Bundle, asker: &Asker<'_>) -> Answer<'_> {
        if bundle.counted.is_empty() {
            return Answer::Now(Verdicts::new());
        }
        let ask = |limit| Ask { limit, asker, cost: self.cost };
        let asks = bundle.counted.iter().map(ask);
        self.store.ask(&asks.collect::<SmallVec<[_; 4]>>())
    }

    /// Counts what limits have decided, and refuses the call if one of them does.
    fn conclude(
        &self,
        bundle: &Bundle,
        limits: &[Arc<Limit>],
        verdicts: &[Verdict],
    ) -> Result<(), Error> {
        let judged = || limits.iter().zip(verdicts);
        let refusing = judged().filter(|(limit, verdict)| !verdict.allowed && !limit.shadow);
        // Of several the one that is to be waited for longest.
        let refusing = refusing.max_by_key(|(_, verdict)| verdict.retry_after);
        for (limit, verdict) in judged() {
            match (verdict.allowed, limit.shadow) {
                (true, _) if refusing.is_some() => {}
                (true, _) => limit.counts.allowed.count(),
                (false, false) => limit.counts.limited.count(),
                (false, true) => {
                    limit.counts.shadowed.count();
                    self.tell_of(limit);
                }
            }
        }
        let Some((limit, verdict)) = refusing else { return Ok(()) };
        let error = told::refusal(limit, verdict.retry_after);
        let Some(policy) = &bundle.policy else { return Err(error) };
        let verdicts = judged().map(|(limit, verdict)| (&**limit, *verdict));
        Err(Fields::of(policy, verdicts).lay_on_error(error))
    }

    /// The log hears of a limit in shadow mode, but not more than once in a second.
    fn tell_of(&self, limit: &Limit) {
        let now = Now::read().unix;
        if self.told.swap(now, Relaxed) != now {
            tracing::info!(limit = &*limit.name, "a limit in shadow mode would refuse calls");
        }
    }

    /// What the answer tells of the limits.
    fn fields(&self, bundle: &Bundle, entered: &Entered, counted: &Verdicts) -> Option<Fields> {
        let policy = bundle.policy.as_ref()?;
        let limits = bundle.counted.iter().chain(&bundle.in_flight);
        let verdicts = counted.iter().chain(&entered.verdicts).copied();
        Some(Fields::of(policy, limits.map(|limit| &**limit).zip(verdicts)))
    }

    /// Goes on with a call that has its place.
    fn pass<'a>(
        &self,
        (exchange, next): (Exchange, Next<'a>),
        permits: Permits,
        fields: Option<Fields>,
    ) -> BoxFuture<'a, Result<Reply, Error>> {
        if permits.is_empty() && fields.is_none() {
            return next.call(exchange);
        }
        Box::pin(async move {
            let outcome = next.call(exchange).await;
            finish(outcome, permits, fields)
        })
    }

    /// Lets a call go on, or not.
    pub(super) fn decide<'a>(
        &'a self,
        mut exchange: Exchange,
        message: Option<&[u8]>,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<Reply, Error>> {
        let asker = Asker::of(&exchange, message);
        let bundle = self.bundles.of(&asker);
        let entered = match self.enter(bundle, &asker) {
            Ok(entered) => entered,
            Err(error) => return Box::pin(ready(Err(error))),
        };
        let answer = self.ask(bundle, &asker);
        match answer {
            Answer::Now(verdicts) => match self.conclude(bundle, &bundle.counted, &verdicts) {
                Ok(()) => {
                    let fields = self.fields(bundle, &entered, &verdicts);
                    self.pass((exchange, next), entered.permits, fields)
                }
                Err(error) => Box::pin(ready(Err(error))),
            },
            Answer::Later(counted) => Box::pin(async move {
                let Counted { verdicts, request, response } = counted.await?;
                if let Err(error) = self.conclude(bundle, &bundle.counted, &verdicts) {
                    return Err(bear(error, &response));
                }
                let fields = self.fields(bundle, &entered, &verdicts);
                replace(&mut exchange.metadata, request);
                let outcome = next.call(exchange).await;
                let outcome = outcome.map_err(|error| bear(error, &response));
                let mut reply = finish(outcome, entered.permits, fields)?;
                replace(&mut reply.metadata, response);
                Ok(reply)
            }),
        }
    }
}

/// A call that has a place wherever one is asked for.
#[derive(Default)]
struct Entered {
    permits: Permits,
    verdicts: Verdicts,
}

/// Adds headers to an error.
fn bear(error: Error, headers: &HeaderMap) -> Error {
    let add = |error: Error, (name, value): (&HeaderName, &HeaderValue)| {
        error.with_header(name.clone(), value.clone())
    };
    headers.iter().fold(error, add)
}

/// Puts headers in the place of those of the same names.
fn replace(metadata: &mut HeaderMap, headers: HeaderMap) {
    for name in headers.keys() {
        metadata.remove(name);
    }
    for (name, value) in &headers {
        metadata.append(name.clone(), value.clone());
    }
}

/// Marks the answer, and keeps the call's places for as long as it lasts.
fn finish(
    outcome: Result<Reply, Error>,
    permits: Permits,
    fields: Option<Fields>,
) -> Result<Reply, Error> {
    match (outcome, fields) {
        (Ok(mut reply), fields) => {
            if let Some(fields) = fields {
                fields.lay_on(&mut reply.metadata);
            }
            Ok(Reply { messages: hold::hold(reply.messages, permits), ..reply })
        }
        (Err(error), Some(fields)) => Err(fields.lay_on_error(error)),
        (Err(error), None) => Err(error),
    }
}
