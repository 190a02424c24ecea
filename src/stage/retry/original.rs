//! A call as it came, of which every further attempt is a copy.
//!
//! The first attempt is the call itself. What is kept of it for others is a list of its metadata,
//! which needs no memory of its own unless there is a lot, and shares names, values and the message
//! with it.

use std::sync::Arc;

use http::{Extensions, HeaderName, HeaderValue};
use smallvec::SmallVec;
use tokio::time::Instant;

use crate::{
    coding::Codings,
    error::{Error, Origin},
    exchange::{Attempt, Bound, Exchange, Journal, Limits, Messages, Metadata, Packed},
    schema::Method,
};

/// How a backend learns that it may have seen the call (gRFC A6).
const PREVIOUS: HeaderName = HeaderName::from_static("grpc-previous-rpc-attempts");

/// How many headers a call has that is kept without memory of its own.
const USUAL: usize = 12;

/// A call whose one message is at hand.
pub(super) struct Original {
    method: Arc<Method>,
    metadata: SmallVec<[(HeaderName, HeaderValue); USUAL]>,
    message: Packed,
    deadline: Option<Instant>,
    limits: Limits,
    codings: Codings,
    worker: usize,
    extensions: Extensions,
    journal: Option<Arc<Journal>>,
}

impl Original {
    /// Takes the call's message, waiting for it if need be; gives the call back for its first
    /// attempt.
    pub(super) async fn of(mut exchange: Exchange) -> Result<(Self, Exchange), Error> {
        let limits = exchange.limits;
        let message = match exchange.messages.as_packed_one() {
            Some(message) => message.clone(),
            None => {
                let message = exchange.messages.only().await?;
                exchange.messages = one(message.clone(), limits);
                message
            }
        };
        // A caller's own count would be taken for the gateway's.
        exchange.metadata.remove(PREVIOUS);
        let header = |(name, value): (&HeaderName, &HeaderValue)| (name.clone(), value.clone());
        let original = Self {
            method: exchange.method.clone(),
            metadata: exchange.metadata.iter().map(header).collect(),
            message,
            deadline: exchange.deadline,
            limits,
            codings: exchange.codings,
            worker: exchange.worker,
            extensions: exchange.extensions.clone(),
            journal: exchange.journal.clone(),
        };
        Ok((original, exchange))
    }

    /// When the caller has given up.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The exchange of a further attempt.
    pub(super) fn copy(&self, attempt: &Attempt) -> Exchange {
        let mut metadata = Metadata::with_capacity(self.metadata.len() + 1);
        for (name, value) in &self.metadata {
            metadata.append(name, value.clone());
        }
        metadata.insert(PREVIOUS, HeaderValue::from(attempt.number()));
        let mut extensions = self.extensions.clone();
        extensions.insert(attempt.clone());
        Exchange {
            method: self.method.clone(),
            metadata,
            messages: one(self.message.clone(), self.limits),
            deadline: self.deadline,
            limits: self.limits,
            codings: self.codings,
            worker: self.worker,
            extensions,
            journal: self.journal.clone(),
        }
    }
}

fn one(message: Packed, limits: Limits) -> Messages {
    let bound = Bound { limit: limits.request_message, origin: Origin::Downstream };
    Messages::one_packed(message, bound, Metadata::new())
}
