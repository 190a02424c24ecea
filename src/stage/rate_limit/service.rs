//! `service`: a rate limit service counts, by the protocol that Envoy has for that.
//!
//! ```text
//! limit `per_caller`, key: [principal, header: x-tenant]
//!   ─► descriptor [generic_key: per_caller, principal: "issuer id", header.x-tenant: acme]
//! ```
//!
//! The service has limits of its own, by its own configuration; ours are names for it, and hold where
//! it gives no answer (`fallback`). All limits of a call are one question. What the service gives
//! for the call and its answer to bear goes along; its body of refusals doesn't, for each protocol has
//! its own.
//!
//! Protocol: `envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit`.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    count::{Answer, Ask, Count, Counted, Verdict, Verdicts},
    fallback::Fallback,
    settings,
};
use crate::{
    callout::{
        self, Callout, Occasion,
        types::envoy::{
            config::core::v3::HeaderValue as Pair,
            extensions::common::ratelimit::v3::{
                RateLimitDescriptor, rate_limit_descriptor::Entry,
            },
            service::ratelimit::v3::{
                RateLimitRequest, RateLimitResponse,
                rate_limit_response::{Code, DescriptorStatus},
            },
        },
    },
    exchange::{Metadata, Upstream},
    stage::{Finding, names::may_be_set},
};

/// The method that is asked.
const METHOD: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";

/// What stands where a caller lacks what a key asks for: a value may not be empty.
const LACKING: &str = "-";

/// How long a refused caller waits where the service doesn't say.
const SOON: Duration = Duration::from_secs(1);

/// Asks a rate limit service.
pub(super) struct Service {
    callout: Callout,
    domain: String,
    timeout: Duration,
    fallback: Fallback,
}

impl Service {
    /// The service behind an upstream.
    pub(super) fn of(
        settings: &settings::Service,
        upstream: Arc<dyn Upstream>,
        fallback: Fallback,
    ) -> Result<Self, Finding> {
        if settings.domain.is_empty() {
            let message = "the service has to know which limits are meant: name a domain of its";
            return Err(("domain".into(), message.into()));
        }
        if settings.answer_timeout.is_zero() {
            let message = "nobody answers in no time: write `50ms`";
            return Err(("answer_timeout".into(), message.into()));
        }
        let method = callout::method(METHOD);
        let method = method.ok_or_else(|| (String::new(), format!("{METHOD} is not bundled")))?;
        Ok(Self {
            callout: Callout::new(method, upstream),
            domain: settings.domain.clone(),
            timeout: settings.answer_timeout,
            fallback,
        })
    }

    fn question(&self, asks: &[Ask<'_>]) -> RateLimitRequest {
        // A call costs the same by all of its limits.
        let cost = asks.first().map_or(1, |ask| ask.cost);
        RateLimitRequest {
            domain: self.domain.clone(),
            descriptors: asks.iter().map(descriptor).collect(),
            hits_addend: u32::try_from(cost).unwrap_or(u32::MAX),
        }
    }
}

impl Count for Service {
    fn ask(&self, asks: &[Ask<'_>]) -> Answer<'_> {
        let question = self.question(asks);
        let noted = self.fallback.note(asks);
        let occasion = Occasion {
            metadata: Metadata::new(),
            timeout: self.timeout,
            deadline: None,
            worker: asks.first().map_or(0, |ask| ask.asker.worker),
        };
        Answer::Later(Box::pin(async move {
            let answer = self.callout.ask::<RateLimitResponse>(&question, occasion).await;
            let problem = match answer {
                Ok(answer) => match verdicts(&answer, noted.len()) {
                    Some(verdicts) => {
                        self.fallback.follow(&noted, &verdicts);
                        return Ok(Counted {
                            verdicts,
                            request: headers(&answer.request_headers_to_add),
                            response: headers(&answer.response_headers_to_add),
                        });
                    }
                    None => "its answer has no code".to_owned(),
                },
                Err(error) => error.to_string(),
            };
            tracing::debug!(problem, "the rate limit service gave no answer");
            self.fallback.answer(&noted).map(Into::into)
        }))
    }
}

fn descriptor(ask: &Ask<'_>) -> RateLimitDescriptor {
    let name = Entry { key: "generic_key".into(), value: ask.limit.name.to_string() };
    let parts = ask.limit.key.parts(ask.asker).map(|(key, value)| {
        let value = value.filter(|value| !value.is_empty());
        let value = value.map_or_else(|| LACKING.to_owned(), |value| value.into_owned());
        Entry { key: key.into_owned(), value }
    });
    RateLimitDescriptor { entries: std::iter::once(name).chain(parts).collect() }
}

/// What the service says of each limit; none, if it says nothing.
fn verdicts(answer: &RateLimitResponse, limits: usize) -> Option<Verdicts> {
    let is_over = match answer.overall_code() {
        Code::Unknown => return None,
        Code::Ok => false,
        Code::OverLimit => true,
    };
    let told = answer.statuses.iter().take(limits);
    // It refuses without saying what for: then it is all of them.
    let by_all = is_over && !told.clone().any(|status| status.code() == Code::OverLimit);
    let all = told.map(|status| verdict(status, by_all));
    let missing = Verdict { allowed: !by_all, ..Verdict::UNKNOWN };
    let missing =
        if by_all { Verdict { remaining: 0, retry_after: SOON, ..missing } } else { missing };
    Some(all.chain(std::iter::repeat(missing)).take(limits).collect())
}

fn verdict(status: &DescriptorStatus, is_over: bool) -> Verdict {
    let reset = status.duration_until_reset.and_then(|reset| Duration::try_from(reset).ok());
    let reset = reset.unwrap_or_default();
    if is_over || status.code() == Code::OverLimit {
        return Verdict { allowed: false, remaining: 0, reset, retry_after: reset.max(SOON) };
    }
    match status.current_limit {
        Some(_) => Verdict {
            allowed: true,
            remaining: status.limit_remaining.into(),
            reset,
            retry_after: Duration::ZERO,
        },
        // It has no limit of that name.
        None => Verdict::UNKNOWN,
    }
}

/// The headers that a service may set.
fn headers(pairs: &[Pair]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for Pair { key, value, raw_value } in pairs {
        let Ok(name) = HeaderName::from_bytes(key.as_bytes()) else {
            continue;
        };
        let value = if raw_value.is_empty() { value.as_bytes() } else { raw_value };
        let Ok(value) = HeaderValue::from_bytes(value) else { continue };
        if may_be_set(name.as_str()) {
            headers.append(name, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests;
