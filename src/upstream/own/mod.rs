//! The services that the gateway answers itself: gRPC reflection of the merged schema, and health.
//!
//! ```text
//! Exchange ── request body: frames ──► tonic service ── response body: frames, trailers ──► Reply
//! ```
//!
//! They stand behind the waist like any backend, so that every protocol reaches them and every
//! policy holds for them.

mod adapter;
mod draining;
mod health;
mod reflection;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use futures_util::future::BoxFuture;
use tonic::service::Routes;

pub use self::draining::Draining;
use self::health::Health;
use crate::{
    error::Error,
    exchange::{Exchange, Reply, Upstream},
    schema::Schema,
};

/// Descriptor sets of the gateway's own services, for the schema.
pub const DESCRIPTORS: [&[u8]; 3] = [
    tonic_health::pb::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
];

/// Answers the gateway's own services.
pub struct Own {
    schema: Arc<Schema>,
    backends: Arc<HashMap<String, Arc<dyn Upstream>>>,
    draining: Arc<Draining>,
    /// Made when the first one asks: reflection takes the whole schema apart.
    routes: OnceLock<Routes>,
}

impl Own {
    /// The services for a schema; `backends` tells who answers each service of it, `draining`
    /// whether the gateway is about to end.
    pub fn new(
        schema: Arc<Schema>,
        backends: HashMap<String, Arc<dyn Upstream>>,
        draining: Arc<Draining>,
    ) -> Self {
        Self { schema, backends: Arc::new(backends), draining, routes: OnceLock::new() }
    }

    fn routes(&self) -> Result<Routes, Error> {
        if let Some(routes) = self.routes.get() {
            return Ok(routes.clone());
        }
        let health = Health::new(&self.schema, self.backends.clone(), self.draining.clone());
        let routes = reflection::add(&self.schema, Routes::new(health.into_server()))?;
        Ok(self.routes.get_or_init(|| routes).clone())
    }
}

impl Upstream for Own {
    fn call(&self, exchange: Exchange) -> BoxFuture<'_, Result<Reply, Error>> {
        Box::pin(async move { adapter::call(self.routes()?, exchange).await })
    }
}
