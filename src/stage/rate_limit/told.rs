//! What callers are told of the limits: the fields of an answer, and the error of a refusal.
//!
//! ```text
//! RateLimit-Policy: "per_caller";q=100;w=60, "calls";q=5;qu="concurrent-requests"
//! RateLimit: "per_caller";r=99;t=1, "calls";r=4
//! Retry-After: 1
//! ```
//!
//! The fields are structured (RFC 9651) and those of draft-ietf-httpapi-ratelimit-headers-10. `q` of
//! a rate is what a full bucket holds and `w` how long an empty one takes to fill; `r` is what is left
//! and `t` the seconds until all of it is there again. Limits in shadow mode aren't told.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header::RETRY_AFTER};
use prost::Message;

use super::{
    amount::Measure,
    count::Verdict,
    limit::{Limit, whole_seconds},
};
use crate::error::{Code, Detail, Error, Origin};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The fields of an answer.
pub(super) struct Fields {
    policy: HeaderValue,
    state: HeaderValue,
}

impl Fields {
    /// What the verdicts come to.
    pub(super) fn of<'a>(
        policy: &HeaderValue,
        verdicts: impl Iterator<Item = (&'a Limit, Verdict)>,
    ) -> Self {
        let mut text = Vec::with_capacity(64);
        for (limit, verdict) in verdicts {
            // Whoever could not be asked has said nothing.
            if !limit.shadow && verdict != Verdict::UNKNOWN {
                write(&mut text, limit, verdict);
            }
        }
        let state = HeaderValue::from_maybe_shared(bytes::Bytes::from(text));
        // Nothing but names that were checked, digits and punctuation.
        Self { policy: policy.clone(), state: state.unwrap_or(HeaderValue::from_static("")) }
    }

    /// Adds them to the head of an answer. A stage before this one may have had limits too.
    pub(super) fn lay_on(self, headers: &mut HeaderMap) {
        headers.append(RATE_LIMIT_POLICY, self.policy);
        if !self.state.is_empty() {
            headers.append(RATE_LIMIT, self.state);
        }
    }

    /// Adds them to an error.
    pub(super) fn lay_on_error(self, error: Error) -> Error {
        let error = error.with_header(RATE_LIMIT_POLICY, self.policy);
        if self.state.is_empty() { error } else { error.with_header(RATE_LIMIT, self.state) }
    }
}

fn write(text: &mut Vec<u8>, limit: &Limit, verdict: Verdict) {
    let mut digits = itoa::Buffer::new();
    if !text.is_empty() {
        text.extend_from_slice(b", ");
    }
    text.push(b'"');
    text.extend_from_slice(limit.name.as_bytes());
    text.extend_from_slice(b"\";r=");
    text.extend_from_slice(digits.format(verdict.remaining).as_bytes());
    if !matches!(limit.measure, Measure::Concurrency { .. }) {
        text.extend_from_slice(b";t=");
        text.extend_from_slice(digits.format(whole_seconds(verdict.reset)).as_bytes());
    }
}

/// google.rpc.RetryInfo.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<prost_types::Duration>,
}

/// The error of a call that a limit refuses. It may be tried again after `wait`.
pub(super) fn refusal(limit: &Limit, wait: Duration) -> Error {
    let (reason, what) = match limit.measure {
        Measure::Rate { .. } => ("rate_limited", "too many calls"),
        Measure::Quota(_) => ("quota_exhausted", "the quota is used up"),
        Measure::Concurrency { .. } => ("too_many_at_once", "too many calls at once"),
    };
    let seconds = whole_seconds(wait).max(1);
    let message = format!(
        "{what}: the limit `{}` allows {}; try again in {}",
        limit.name,
        limit.in_words(),
        humantime::format_duration(Duration::from_secs(seconds)),
    );
    // A u64 of nanoseconds has fewer seconds than an i64 takes.
    let delay =
        prost_types::Duration { seconds: wait.as_secs() as i64, nanos: wait.subsec_nanos() as i32 };
    let info = RetryInfo { retry_delay: Some(delay) };
    Error::new(Code::ResourceExhausted, reason, message)
        .with_origin(Origin::Downstream)
        .with_header(RETRY_AFTER, seconds.into())
        .with_detail(Detail {
            type_url: "type.googleapis.com/google.rpc.RetryInfo".into(),
            value: info.encode_to_vec().into(),
        })
}
