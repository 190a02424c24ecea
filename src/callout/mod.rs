//! What the gateway asks others on its own account, on the way of a call or beside it.
//!
//! ```text
//! stage ── question ──► Callout ── Exchange ──► an upstream of the configuration (gRPC)
//!                       http::Client ─────────► a URL (issuers of tokens, forward-auth)
//! ```
//!
//! A gRPC service is asked by way of a configured upstream, so that balancing, TLS, health and
//! breakers are those of every other call. Which service, what it takes and gives is bundled
//! ([`method`]): no source of the schema has to tell, and no caller gets to see it.

pub mod http;
mod upstreams;

#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use ::http::Extensions;
use prost::Message;
use tokio::time::{Instant, timeout_at};

pub use self::upstreams::Upstreams;
use crate::{
    coding::Codings,
    error::{Code, Error},
    exchange::{Exchange, Limits, Messages, Metadata, Reply, Upstream},
    schema::{Method, Schema},
};

/// The messages of `proto/` here, generated, and their services for those who answer in tests.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    rustdoc::all,
    reason = "generated from proto/ here, which has the comments"
)]
pub mod types {
    include!(concat!(env!("OUT_DIR"), "/callouts/types.rs"));
}

/// The descriptors of `proto/` here.
const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/callouts.binpb"));

/// The largest answer, in bytes.
const LARGEST: usize = 1 << 20;

static SCHEMA: LazyLock<Option<Schema>> =
    LazyLock::new(|| Schema::builder().add_descriptor_set("callouts", DESCRIPTORS).build().0);

/// The bundled method of a gRPC path, `/envoy.service.auth.v3.Authorization/Check` for example.
pub fn method(path: &str) -> Option<Arc<Method>> {
    SCHEMA.as_ref()?.method_by_path(path).cloned()
}

/// One unary method of one upstream, to be asked again and again.
#[derive(Clone)]
pub struct Callout {
    method: Arc<Method>,
    upstream: Arc<dyn Upstream>,
}

/// On which occasion somebody is asked.
#[derive(Clone, Debug)]
pub struct Occasion {
    /// What goes along as request headers.
    pub metadata: Metadata,
    /// How long the answer may take.
    pub timeout: Duration,
    /// When the caller has given up on the call that is the occasion, if ever.
    pub deadline: Option<Instant>,
    /// The worker thread, whose connections are used.
    pub worker: usize,
}

impl Occasion {
    /// A call that is under way; the answer may take this long, and not longer than the call may.
    pub fn of(exchange: &Exchange, timeout: Duration) -> Self {
        let Exchange { deadline, worker, .. } = *exchange;
        Self { metadata: Metadata::new(), timeout, deadline, worker }
    }
}

impl Callout {
    /// Asks `upstream` by `method`, which is one of the bundled ones mostly.
    pub fn new(method: Arc<Method>, upstream: Arc<dyn Upstream>) -> Self {
        Self { method, upstream }
    }

    /// Asks once. Dropping the future cancels the call.
    ///
    /// # Errors
    /// As every call of the upstream; DEADLINE_EXCEEDED after the time-out; INTERNAL for an answer
    /// that is none. They are for the log: callers have no business with who else is asked.
    pub async fn ask<A: Message + Default>(
        &self,
        question: &impl Message,
        occasion: Occasion,
    ) -> Result<A, Error> {
        let Occasion { metadata, timeout, deadline, worker } = occasion;
        let until = Instant::now() + timeout;
        let until = deadline.map_or(until, |deadline| deadline.min(until));
        let exchange = Exchange {
            method: self.method.clone(),
            metadata,
            messages: Messages::one(question.encode_to_vec().into()),
            deadline: Some(until),
            limits: Limits { request_message: usize::MAX, response_message: LARGEST },
            codings: Codings::NONE,
            worker,
            extensions: Extensions::new(),
            journal: None,
        };
        let answer = async { only(self.upstream.call(exchange).await?).await };
        let answer = timeout_at(until, answer).await.map_err(|_| Error::deadline_exceeded())??;
        A::decode(answer).map_err(|error| broken("the answer can't be read").with_source(error))
    }
}

/// The one message of a reply, once the status behind it has come too.
async fn only(mut reply: Reply) -> Result<bytes::Bytes, Error> {
    let first = reply.messages.next().await.transpose()?;
    let first = first.ok_or_else(|| broken("there is no answer"))?;
    match reply.messages.next().await {
        None => Ok(first),
        Some(Ok(_)) => Err(broken("there are two answers")),
        Some(Err(error)) => Err(error),
    }
}

fn broken(message: &'static str) -> Error {
    Error::new(Code::Internal, "callout_broken", message)
}
