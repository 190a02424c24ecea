//! A call as it came, of which every attempt is a copy.
//!
//! The copy of the first attempt is what a call costs that succeeds at once: the metadata's table,
//! while names, values and the message share their bytes.

use std::sync::Arc;

use http::{Extensions, HeaderName, HeaderValue};
use tokio::time::Instant;

use crate::{
    coding::Codings,
    error::{Error, Origin},
    exchange::{Attempt, Bound, Exchange, Journal, Limits, Messages, Metadata, Packed},
    schema::Method,
};

/// How a backend learns that it may have seen the call (gRFC A6).
const PREVIOUS: HeaderName = HeaderName::from_static("grpc-previous-rpc-attempts");

/// A call whose one message is at hand.
pub(super) struct Original {
    method: Arc<Method>,
    metadata: Metadata,
    message: Packed,
    deadline: Option<Instant>,
    limits: Limits,
    codings: Codings,
    worker: usize,
    extensions: Extensions,
    journal: Option<Arc<Journal>>,
}

impl Original {
    /// Takes the call's message, waiting for it if need be.
    pub(super) async fn of(exchange: Exchange) -> Result<Self, Error> {
        let Exchange {
            method,
            mut metadata,
            mut messages,
            deadline,
            limits,
            codings,
            worker,
            extensions,
            journal,
        } = exchange;
        let message = match messages.as_packed_one() {
            Some(message) => message.clone(),
            None => messages.only().await?,
        };
        // A caller's own count would be taken for the gateway's.
        metadata.remove(PREVIOUS);
        Ok(Self {
            method,
            metadata,
            message,
            deadline,
            limits,
            codings,
            worker,
            extensions,
            journal,
        })
    }

    /// When the caller has given up.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether the answer is a stream.
    pub(super) fn is_streamed(&self) -> bool {
        self.method.server_streaming
    }

    /// The exchange of one attempt, which is told this deadline.
    pub(super) fn copy(&self, attempt: &Attempt, deadline: Option<Instant>) -> Exchange {
        let bound = Bound { limit: self.limits.request_message, origin: Origin::Downstream };
        let mut metadata = self.metadata.clone();
        if attempt.number() > 0 {
            metadata.insert(PREVIOUS, HeaderValue::from(attempt.number()));
        }
        let mut extensions = self.extensions.clone();
        extensions.insert(attempt.clone());
        Exchange {
            method: self.method.clone(),
            metadata,
            messages: Messages::one_packed(self.message.clone(), bound, Metadata::new()),
            deadline,
            limits: self.limits,
            codings: self.codings,
            worker: self.worker,
            extensions,
            journal: self.journal.clone(),
        }
    }
}
