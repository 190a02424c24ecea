//! grpc.health.v1 for the gateway and the services behind it.
//!
//! The service with the empty name is the gateway: it serves until it drains. Any other is asked
//! for where it is: the backend's own health service tells, and one without such a service is
//! healthy if it can be reached at all.

use std::{collections::HashMap, pin::Pin, sync::Arc, time::Duration};

use futures_util::{Stream, stream};
use prost::Message;
use tokio::time::{Instant, sleep};
use tonic::{Request, Response, Status, async_trait};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_server::{self, HealthServer},
};

use super::{Draining, adapter::Worker};
use crate::{
    coding::Codings,
    error::Code,
    exchange::{Exchange, Limits, Messages, Metadata, Upstream},
    schema::{Method, Schema},
};

/// How long a backend may take to tell of its health.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a watched service is asked.
const INTERVAL: Duration = Duration::from_secs(5);

/// Which upstream answers each service.
type Backends = Arc<HashMap<String, Arc<dyn Upstream>>>;

/// The health service.
#[derive(Clone)]
pub(super) struct Health {
    backends: Backends,
    /// The method by which a backend is asked; none where a source brings a service of that name.
    check: Option<Arc<Method>>,
    draining: Arc<Draining>,
}

impl Health {
    pub(super) fn new(schema: &Schema, backends: Backends, draining: Arc<Draining>) -> Self {
        let check = schema.method_by_path("/grpc.health.v1.Health/Check").cloned();
        Self { backends, check, draining }
    }

    pub(super) fn into_server(self) -> HealthServer<Self> {
        HealthServer::new(self)
    }

    /// The status of a service; none if there is no such service.
    async fn status(&self, service: &str, worker: usize) -> Option<ServingStatus> {
        if !service.is_empty() && !self.backends.contains_key(service) {
            return None;
        }
        // Whoever asks is to look for another gateway, whatever it wants of this one.
        if self.draining.has_begun() {
            return Some(ServingStatus::NotServing);
        }
        let Some(backend) = self.backends.get(service) else {
            return Some(ServingStatus::Serving);
        };
        let Some(check) = &self.check else { return Some(ServingStatus::Unknown) };
        let request = HealthCheckRequest { service: service.to_owned() };
        let reply = backend.call(Exchange {
            method: check.clone(),
            metadata: Metadata::new(),
            messages: Messages::one(request.encode_to_vec().into()),
            deadline: Some(Instant::now() + PATIENCE),
            limits: Limits::default(),
            codings: Codings::NONE,
            worker,
            extensions: http::Extensions::new(),
            journal: None,
        });
        let outcome = match reply.await {
            Ok(mut reply) => reply.messages.next().await,
            Err(error) => Some(Err(error)),
        };
        Some(match outcome {
            Some(Ok(message)) => HealthCheckResponse::decode(message)
                .map_or(ServingStatus::Unknown, |response| response.status()),
            // It answers, if only that it has no health service or doesn't know this name there.
            Some(Err(error)) if matches!(error.code(), Code::Unimplemented | Code::NotFound) => {
                ServingStatus::Serving
            }
            _ => ServingStatus::NotServing,
        })
    }
}

fn worker<T>(request: &Request<T>) -> usize {
    request.extensions().get().map_or(0, |Worker(worker)| *worker)
}

type Statuses = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

#[async_trait]
impl health_server::Health for Health {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let worker = worker(&request);
        let status = self.status(&request.get_ref().service, worker).await;
        let status = status.ok_or_else(|| Status::not_found("the gateway has no such service"))?;
        Ok(Response::new(HealthCheckResponse { status: status.into() }))
    }

    type WatchStream = Statuses;

    /// Tells the status at once and whenever it has changed, and ends when the drain has been told.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Statuses>, Status> {
        let worker = worker(&request);
        let (health, service) = (self.clone(), request.into_inner().service);
        let changes = stream::unfold(None, move |last| {
            let (health, service) = (health.clone(), service.clone());
            async move {
                loop {
                    // Looked at first: what begins after it is looked at again.
                    let drains = health.draining.has_begun();
                    let status = health.status(&service, worker).await;
                    let status = status.unwrap_or(ServingStatus::ServiceUnknown);
                    if last != Some(status) {
                        let response = HealthCheckResponse { status: status.into() };
                        return Some((Ok(response), Some(status)));
                    }
                    if drains {
                        return None;
                    }
                    tokio::select! {
                        () = sleep(INTERVAL) => {}
                        () = health.draining.begun() => {}
                    }
                }
            }
        });
        Ok(Response::new(Box::pin(changes)))
    }
}
