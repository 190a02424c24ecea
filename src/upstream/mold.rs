//! Endpoints out of addresses: those that are known already stay what they are.
//!
//! An endpoint is kept under a name that says all on which its connections depend, so that neither a
//! change of the set nor a new configuration closes a connection that would be made again the same
//! way.

use std::sync::Arc;

use super::{
    breaker::Breaker,
    endpoint::Target,
    pool::{Endpoint, Member},
    settings::{Address, Settings},
    standing::Changes,
    tls::{self, Identity},
};
use crate::{lasting::Lasting, problem::Problem};

/// What all endpoints of a cluster have in common.
pub(super) struct Mold {
    settings: Settings,
    tls: Option<Arc<rustls::ClientConfig>>,
    workers: usize,
    /// Where the endpoints of the cluster are kept.
    kept: Arc<Lasting>,
    changes: Arc<Changes>,
    breaker: Arc<Breaker>,
    /// What connections depend on beside the address.
    terms: String,
}

impl Mold {
    /// What the settings tell. `is_tls` is whether any endpoint may need TLS; where its files can't
    /// be used, that is a problem, and there are no such endpoints.
    pub(super) fn new(
        settings: &Settings,
        is_tls: bool,
        workers: usize,
        kept: Arc<Lasting>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let own = settings.tls.clone().unwrap_or_default();
        let tls = match is_tls || settings.tls.is_some() {
            true => tls::client_config(&own, problems),
            false => None,
        };
        let changes = kept.keep("changes", Changes::default);
        let breaker = kept.keep("breaker", Breaker::new);
        let terms = format!("{workers} {}", settings.connection_terms());
        Self { settings: settings.clone(), tls, workers, kept, changes, breaker, terms }
    }

    /// What the endpoints' standings count changes with.
    pub(super) fn changes(&self) -> &Arc<Changes> {
        &self.changes
    }

    /// What is counted of the cluster.
    pub(super) fn breaker(&self) -> &Arc<Breaker> {
        &self.breaker
    }

    /// The endpoint at this address: the one that is there, else a new one.
    pub(super) fn endpoint(&self, address: Address) -> Result<Arc<Endpoint>, Vec<Problem>> {
        let tls = match address.is_tls() {
            true => Some(self.identity(&address)?),
            false => None,
        };
        let name = format!("{}://{} {}", address.scheme, address.authority, self.terms);
        Ok(self.kept.keep(&name, || {
            let target = Target {
                name: address.authority.as_str().into(),
                address,
                tls,
                connect_timeout: self.settings.connect_timeout,
                keepalive: self.settings.keepalive.clone(),
                connections: self.settings.connections,
            };
            Endpoint::new(target, self.workers, self.changes.clone(), &self.breaker)
        }))
    }

    fn identity(&self, address: &Address) -> Result<Identity, Vec<Problem>> {
        let own = self.settings.tls.clone().unwrap_or_default();
        let mut problems = Vec::new();
        let server_name = tls::server_name(&own, address, &mut problems);
        match (self.tls.clone(), server_name) {
            (Some(config), Some(server_name)) => Ok(Identity { config, server_name }),
            _ => Err(problems),
        }
    }

    /// A member of a set.
    pub(super) fn member(&self, address: Address, weight: u32) -> Result<Member, Vec<Problem>> {
        Ok(Member { endpoint: self.endpoint(address)?, weight, priority: 0 })
    }
}
