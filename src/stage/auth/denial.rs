//! Why a caller is not let in: a word for the log, and as little as will do for the caller.
//!
//! Whoever guesses at credentials must not be told how close the guess was. So all that is wrong
//! with a credential is one answer, and the reason stands in the access log.
//!
//! | denial      | HTTP | gRPC             | RFC 6750's error  |
//! |-------------|------|------------------|-------------------|
//! | missing     | 401  | UNAUTHENTICATED  | none (§3.1)       |
//! | refused     | 401  | UNAUTHENTICATED  | `invalid_token`   |
//! | ambiguous   | 400  | INVALID_ARGUMENT | `invalid_request` |
//! | unavailable | 503  | UNAVAILABLE      | none              |

use http::{HeaderValue, header::WWW_AUTHENTICATE};

use crate::error::{Code, Error, Origin};

/// Why a caller is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Denial {
    pub(super) kind: Kind,
    /// The stable word for the log.
    pub(super) reason: &'static str,
}

/// What the caller may know of a denial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The call brings no credentials, or not all that are asked for.
    Missing,
    /// What it brings is not good, whatever is wrong with it.
    Refused,
    /// It brings more than one credential of a kind, so that nobody can say which one counts.
    Ambiguous,
    /// Whoever could tell whether it is good can't be asked.
    Unavailable,
}

impl Denial {
    /// No credentials.
    pub(super) const MISSING: Self = Self { kind: Kind::Missing, reason: "credentials_missing" };
    /// Not all of the credentials that are asked for together.
    pub(super) const INCOMPLETE: Self =
        Self { kind: Kind::Missing, reason: "credentials_incomplete" };
    /// More than one credential of a kind.
    pub(super) const AMBIGUOUS: Self =
        Self { kind: Kind::Ambiguous, reason: "credentials_ambiguous" };

    /// A credential that is not good.
    pub(super) fn refused(reason: &'static str) -> Self {
        Self { kind: Kind::Refused, reason }
    }

    /// A credential that can't be judged now.
    pub(super) fn unavailable(reason: &'static str) -> Self {
        Self { kind: Kind::Unavailable, reason }
    }

    /// The error that the caller gets. `challenges` say what would be taken (RFC 9110 §11.6.1).
    pub(super) fn error(self, challenges: &[&'static str]) -> Error {
        let (code, message) = match self.kind {
            Kind::Missing => (Code::Unauthenticated, "the call lacks credentials that it needs"),
            Kind::Refused => (Code::Unauthenticated, "the call's credentials are not valid"),
            Kind::Ambiguous => (
                Code::InvalidArgument,
                "the call brings more than one credential of a kind; send one, in one place",
            ),
            Kind::Unavailable => (
                Code::Unavailable,
                "the call's credentials can't be checked at the moment; try again later",
            ),
        };
        let mut error = Error::new(code, self.reason, message);
        if self.kind != Kind::Unavailable {
            error = error.with_origin(Origin::Downstream);
            for challenge in challenges {
                error = error.with_header(WWW_AUTHENTICATE, self.challenge(challenge));
            }
        }
        error
    }

    /// A scheme's challenge; RFC 6750's error belongs to bearer tokens alone.
    fn challenge(self, scheme: &'static str) -> HeaderValue {
        HeaderValue::from_static(match (scheme, self.kind) {
            ("Bearer", Kind::Refused) => "Bearer error=\"invalid_token\"",
            ("Bearer", Kind::Ambiguous) => "Bearer error=\"invalid_request\"",
            _ => scheme,
        })
    }
}
