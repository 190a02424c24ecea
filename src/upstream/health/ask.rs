//! The questions themselves: `Check` and `Watch` of `grpc.health.v1`.

use std::sync::{Arc, LazyLock};

use prost::Message;
use tokio::time::{Duration, Instant, timeout};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
};

use super::verdict::Finding;
use crate::{
    coding::Codings,
    error::{Code, Error},
    exchange::{Exchange, Limits, Messages, Metadata, Reply},
    schema::{Method, Schema},
    upstream::{Cluster, Endpoint},
};

/// An answer is a few bytes.
const LIMITS: Limits = Limits { request_message: 64 << 10, response_message: 64 << 10 };

/// The methods, whatever the schema has.
static METHODS: LazyLock<Option<[Arc<Method>; 2]>> = LazyLock::new(|| {
    let own = Schema::builder().add_own(tonic_health::pb::FILE_DESCRIPTOR_SET);
    let schema = own.build().0?;
    let method = |path| schema.method_by_path(path).cloned();
    Some([method("/grpc.health.v1.Health/Check")?, method("/grpc.health.v1.Health/Watch")?])
});

/// Whom to ask, and after what.
pub(super) struct Question<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) endpoint: &'a Arc<Endpoint>,
    pub(super) service: &'a str,
    /// How long the answer may take.
    pub(super) patience: Duration,
}

/// What came of a `Watch`.
pub(super) enum Watched {
    /// It tells, and goes on telling.
    Tells(Messages),
    /// It has no such method.
    Unknown,
    /// It can't be reached, or broke off.
    Failed,
}

impl Question<'_> {
    /// Asks once.
    pub(super) async fn check(&self) -> Finding {
        let Some([check, _]) = &*METHODS else { return Finding::Well };
        let deadline = Instant::now() + self.patience;
        let call = async {
            let mut reply = self.call(check, Some(deadline)).await?;
            reply.messages.next().await.unwrap_or_else(|| Err(silent()))
        };
        match timeout(self.patience, call).await {
            Ok(Ok(message)) => match status(message) {
                Some(ServingStatus::Serving) => Finding::Well,
                Some(_) => Finding::Refused,
                None => Finding::Failed,
            },
            // It is there and answers, if only that it has no health service (gRFC A17).
            Ok(Err(error)) if error.code() == Code::Unimplemented => Finding::Well,
            // The service is not known there.
            Ok(Err(error)) if error.code() == Code::NotFound => Finding::Refused,
            Ok(Err(_)) | Err(_) => Finding::Failed,
        }
    }

    /// Asks to be told of every change.
    pub(super) async fn watch(&self) -> Watched {
        let Some([_, watch]) = &*METHODS else { return Watched::Unknown };
        match timeout(self.patience, self.call(watch, None)).await {
            Ok(Ok(reply)) => Watched::Tells(reply.messages),
            Ok(Err(error)) if error.code() == Code::Unimplemented => Watched::Unknown,
            Ok(Err(_)) | Err(_) => Watched::Failed,
        }
    }

    async fn call(&self, method: &Arc<Method>, deadline: Option<Instant>) -> Result<Reply, Error> {
        let request = HealthCheckRequest { service: self.service.to_owned() };
        let exchange = Exchange {
            method: method.clone(),
            metadata: Metadata::new(),
            messages: Messages::one(request.encode_to_vec().into()),
            deadline,
            limits: LIMITS,
            codings: Codings::NONE,
            worker: self.endpoint.own_lane(),
            extensions: http::Extensions::new(),
            journal: None,
        };
        self.cluster.call_at(self.endpoint, exchange).await
    }
}

/// The next thing that a watched endpoint tells.
pub(super) async fn told(messages: &mut Messages) -> Result<Finding, Watched> {
    match messages.next().await {
        Some(Ok(message)) => match status(message) {
            Some(ServingStatus::Serving) => Ok(Finding::Recovered),
            Some(_) => Ok(Finding::Refused),
            None => Err(Watched::Failed),
        },
        Some(Err(error)) if error.code() == Code::Unimplemented => Err(Watched::Unknown),
        Some(Err(_)) | None => Err(Watched::Failed),
    }
}

fn status(message: bytes::Bytes) -> Option<ServingStatus> {
    let response = HealthCheckResponse::decode(message).ok()?;
    ServingStatus::try_from(response.status).ok()
}

fn silent() -> Error {
    Error::unavailable("upstream_no_message", "the health service gave no answer")
}
