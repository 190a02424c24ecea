//! What a failure says about another attempt.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::settings::Codes;
use crate::error::{Error, Origin};

/// How a backend tells when to come back (gRFC A6).
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// The reason of an attempt that took too long.
pub(super) const TRY_TIMEOUT: &str = "per_try_timeout";

/// What becomes of a call whose attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The failure is the call's, and says nothing about the backend's health.
    Final,
    /// The backend asks not to be asked again.
    Forbidden,
    /// Another attempt is worth it, after this time if the backend gave one.
    Again(Option<Duration>),
}

impl Verdict {
    /// Judges a failure.
    ///
    /// What the gateway itself refused is final: it protects a backend, or would refuse again.
    pub(super) fn of(error: &Error, codes: Codes) -> Self {
        if error.reason() == TRY_TIMEOUT {
            return Self::Again(None);
        }
        if error.origin() != Origin::Upstream {
            return Self::Final;
        }
        let pushback = error.metadata().get(PUSHBACK).map(read_pushback);
        match pushback {
            Some(None) => Self::Forbidden,
            _ if !codes.contain(error.code()) => Self::Final,
            pushback => Self::Again(pushback.flatten()),
        }
    }
}

/// The time to wait; `None` if it is negative or no number, which both mean: never.
fn read_pushback(value: &HeaderValue) -> Option<Duration> {
    let milliseconds: u32 = value.to_str().ok()?.parse().ok()?;
    Some(Duration::from_millis(milliseconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn verdict(code: Code, pushback: Option<&str>) -> Verdict {
        let mut error = Error::new(code, "upstream_status", "").with_origin(Origin::Upstream);
        if let Some(pushback) = pushback {
            error.lead_mut().insert(PUSHBACK, pushback.parse().unwrap());
        }
        Verdict::of(&error, Codes::of(&[Code::Unavailable]))
    }

    #[test]
    fn codes_decide() {
        assert_eq!(verdict(Code::Unavailable, None), Verdict::Again(None));
        assert_eq!(verdict(Code::NotFound, None), Verdict::Final);
    }

    #[test]
    fn pushback_names_the_time_or_forbids() {
        let after = Verdict::Again(Some(Duration::from_millis(40)));
        assert_eq!(verdict(Code::Unavailable, Some("40")), after);
        assert_eq!(verdict(Code::NotFound, Some("40")), Verdict::Final);
        for never in ["-1", "soon", "", "1.5", "99999999999"] {
            assert_eq!(verdict(Code::Unavailable, Some(never)), Verdict::Forbidden, "{never}");
        }
    }

    #[test]
    fn what_the_gateway_refused_is_final() {
        let error = Error::new(Code::Unavailable, "upstream_overflow", "");
        assert_eq!(Verdict::of(&error, Codes::of(&[Code::Unavailable])), Verdict::Final);
    }
}
