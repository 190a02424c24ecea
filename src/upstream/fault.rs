//! What can go wrong with connections and streams, told twice: for downstream, and for the log.
//!
//! Downstream learns what happened but no internal address; the error's source has the endpoint
//! and the cause.

use std::{fmt, sync::Arc};

use super::{
    breaker::Kind,
    http2::{ErrorCode, Lost},
};
use crate::error::{Code, Error, Origin};

/// Why an endpoint could not be connected.
#[derive(Debug)]
pub(super) struct Fault {
    /// The stable word for metrics.
    pub(super) reason: &'static str,
    /// What downstream may know.
    pub(super) message: &'static str,
    /// What the log should know besides.
    pub(super) detail: String,
    /// Whose doing it is.
    origin: Origin,
}

impl Fault {
    pub(super) fn new(
        reason: &'static str,
        message: &'static str,
        detail: impl fmt::Display,
    ) -> Self {
        Self { reason, message, detail: detail.to_string(), origin: Origin::Upstream }
    }

    /// There may be no further connection, and none that is there leads to this endpoint.
    pub(super) fn too_many() -> Self {
        let (reason, message) = Kind::Connections.overflow();
        Self { origin: Origin::Gateway, ..Self::new(reason, message, "`breaker.max_connections`") }
    }

    /// The connection attempt ended without a result: the runtime is going down.
    pub(super) fn abandoned() -> Self {
        Self::new("upstream_closing", "the gateway is closing its connections", "dial abandoned")
    }

    /// The error of a call that found no connection.
    pub(super) fn to_error(&self, endpoint: &str) -> Error {
        Error::unavailable(self.reason, self.message)
            .with_origin(self.origin)
            .with_source(format!("{endpoint}: {}", self.detail))
    }
}

/// Why an attempt at a call failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The backend surely did not look at the call: it may be tried again.
    Unprocessed(Error),
    /// The call is over.
    Final(Error),
}

impl Failure {
    /// The same, which happened at this endpoint.
    pub(super) fn at(self, endpoint: Arc<str>) -> Self {
        match self {
            Self::Unprocessed(error) => Self::Unprocessed(error.with_endpoint(endpoint)),
            Self::Final(error) => Self::Final(error.with_endpoint(endpoint)),
        }
    }

    /// What downstream is told.
    pub(super) fn error(&self) -> &Error {
        let (Self::Unprocessed(error) | Self::Final(error)) = self;
        error
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Final(error)
    }
}

/// Judges why a stream ended before its time.
///
/// A stream that ends by a GOAWAY of the peer is one above its last stream id, which the peer
/// promises not to have processed (RFC 9113 §6.8); REFUSED_STREAM promises the same (§8.7); and of
/// one that nothing was sent of, no peer knows.
pub(super) fn of_stream(lost: &Lost, endpoint: &Arc<str>) -> Failure {
    let told = match lost {
        Lost::Reset { code, .. } => of_reset(*code),
        Lost::Misbehaved(_, what) => {
            broken(Code::Internal, format!("the backend broke the rules of HTTP/2: it sent {what}"))
        }
        Lost::Broken(..) => {
            broken(Code::Unavailable, "the backend broke the rules of HTTP/2".to_owned())
        }
        Lost::GoingAway { .. } => {
            Error::unavailable("upstream_going_away", "the backend is closing its connection")
        }
        Lost::Cancelled | Lost::Unsent(_) | Lost::Gone(_) => {
            Error::unavailable("upstream_lost", "the connection to the backend was lost")
        }
    };
    let told = told.with_source(format!("{endpoint}: {lost}"));
    if lost.is_unprocessed() { Failure::Unprocessed(told) } else { Failure::Final(told) }
}

/// The same for a stream whose messages have begun: it can't be tried again.
pub(super) fn of_body(lost: &Lost, endpoint: &Arc<str>) -> Error {
    match of_stream(lost, endpoint) {
        Failure::Unprocessed(error) | Failure::Final(error) => error,
    }
}

fn broken(code: Code, message: String) -> Error {
    Error::new(code, "upstream_broken_http2", message).with_origin(Origin::Upstream)
}

/// RST_STREAM codes as gRPC maps them ("Errors" in PROTOCOL-HTTP2.md).
fn of_reset(reset: ErrorCode) -> Error {
    let (code, message) = match reset {
        ErrorCode::REFUSED_STREAM => (Code::Unavailable, "the backend refused the call".to_owned()),
        ErrorCode::CANCEL => (Code::Cancelled, "the backend cancelled the call".to_owned()),
        ErrorCode::ENHANCE_YOUR_CALM => {
            (Code::ResourceExhausted, "the backend asks for fewer calls".to_owned())
        }
        ErrorCode::INADEQUATE_SECURITY => (
            Code::PermissionDenied,
            "the backend finds the connection not secure enough".to_owned(),
        ),
        other => {
            (Code::Internal, format!("the backend reset the call with error code {}", other.0))
        }
    };
    Error::new(code, "upstream_reset", message).with_origin(Origin::Upstream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resets_map_as_grpc_says() {
        for (reason, code) in [
            (ErrorCode::NO_ERROR, Code::Internal),
            (ErrorCode::PROTOCOL_ERROR, Code::Internal),
            (ErrorCode::REFUSED_STREAM, Code::Unavailable),
            (ErrorCode::CANCEL, Code::Cancelled),
            (ErrorCode::ENHANCE_YOUR_CALM, Code::ResourceExhausted),
            (ErrorCode::INADEQUATE_SECURITY, Code::PermissionDenied),
            (ErrorCode(999), Code::Internal),
        ] {
            assert_eq!(of_reset(reason).code(), code, "{reason:?}");
        }
    }

    #[test]
    fn downstream_reads_no_address() {
        let fault = Fault::new("upstream_refused", "the backend refused", "10.0.0.1:80 refused");
        let error = fault.to_error("10.0.0.1:80");
        assert_eq!(error.code(), Code::Unavailable);
        assert!(!error.to_string().contains("10.0"));
        let source = std::error::Error::source(&error).unwrap();
        assert!(source.to_string().contains("10.0.0.1:80"));
    }
}
