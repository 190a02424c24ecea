//! What the log wants to know of an error that has been written downstream.

use crate::error::{Code, Error};

/// The error behind an answer. Whoever writes an error as a response leaves one among the
/// response's extensions, because only there all errors meet: those before the call, the call's
/// own, and those of an answer that could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The gRPC code.
    pub code: Code,
    /// The stable word for metrics and logs.
    pub reason: &'static str,
}

impl Refusal {
    /// The refusal by an error; tells the operator what the caller must not know.
    pub fn by(error: &Error) -> Self {
        let (code, reason) = (error.code(), error.reason());
        if let Some(source) = std::error::Error::source(error) {
            tracing::debug!(%code, reason, source, "{}", error.message());
        }
        Self { code, reason }
    }
}
