//! Endpoints out of addresses: those that are known already stay what they are.
//!
//! An endpoint is kept under a name that says all on which its connections depend, so that neither a
//! change of the set nor a new configuration closes a connection that would be made again the same
//! way.

use std::sync::{Arc, atomic::AtomicU64};

use super::{
    breaker::Breaker,
    discovery::{Located, Watch},
    endpoint::Target,
    pool::{Endpoint, EndpointSet, Member},
    settings::{Address, Settings},
    standing::Changes,
    tls::{self, Identity, Live},
};
use crate::{lasting::Lasting, problem::Problem};

/// What all endpoints of a cluster have in common.
pub(super) struct Mold {
    settings: Settings,
    tls: Option<Arc<Live>>,
    workers: usize,
    /// Where the endpoints of the cluster are kept.
    kept: Arc<Lasting>,
    changes: Arc<Changes>,
    breaker: Arc<Breaker>,
    sent_again: Arc<AtomicU64>,
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
            true => Live::load(&own, problems).map(|live| {
                let live = kept.keep(&format!("tls {own:?}"), || live);
                live.refresh();
                live
            }),
            false => None,
        };
        let changes = kept.keep("changes", Changes::default);
        let breaker = kept.keep("breaker", Breaker::new);
        let sent_again = kept.keep("sent again", AtomicU64::default);
        // New certificates in the old files make new connections, too.
        let files = tls::digest(&own);
        let terms = format!("{workers} {} {files:x}", settings.connection_terms());
        Self { settings: settings.clone(), tls, workers, kept, changes, breaker, sent_again, terms }
    }

    /// What the endpoints' standings count changes with.
    pub(super) fn changes(&self) -> &Arc<Changes> {
        &self.changes
    }

    /// What is counted of the cluster.
    pub(super) fn breaker(&self) -> &Arc<Breaker> {
        &self.breaker
    }

    /// How many calls were sent again because no backend had looked at them.
    pub(super) fn sent_again(&self) -> &AtomicU64 {
        &self.sent_again
    }

    /// The endpoint at this address: the one that is there, else a new one.
    pub(super) fn endpoint(&self, mut address: Address) -> Result<Arc<Endpoint>, Vec<Problem>> {
        let tls = match address.is_tls() {
            true => Some(self.identity(&address)?),
            false => None,
        };
        if let Some(authority) = self.settings.authority.as_ref().and_then(|a| a.parse().ok()) {
            address.authority = authority;
        }
        let Address { scheme, authority, place, host, .. } = &address;
        let name = format!("{scheme} {place} {authority} {host} {}", self.terms);
        Ok(self.kept.keep(&name, || {
            let target = Target {
                name: address.place.to_string().into(),
                address,
                tls,
                connect_timeout: self.settings.connect_timeout,
                keepalive: self.settings.keepalive.clone(),
                connections: self.settings.connections,
                max_age: self.settings.max_connection_age,
            };
            Endpoint::new(target, self.workers, self.changes.clone(), &self.breaker)
        }))
    }

    fn identity(&self, address: &Address) -> Result<Identity, Vec<Problem>> {
        let own = self.settings.tls.clone().unwrap_or_default();
        let mut problems = Vec::new();
        let server_name = tls::server_name(&own, address, &mut problems);
        match (self.tls.clone(), server_name) {
            (Some(live), Some(server_name)) => Ok(Identity { live, server_name }),
            _ => Err(problems),
        }
    }

    /// A member of a set.
    pub(super) fn member(&self, located: Located) -> Result<Member, Vec<Problem>> {
        let Located { address, weight, priority } = located;
        Ok(Member { endpoint: self.endpoint(address)?, weight, priority })
    }

    /// The set of those that were found. Who can't be called is left out, and the log says why.
    pub(super) fn set(&self, located: &[Located]) -> EndpointSet {
        let members = located.iter().filter_map(|located| {
            let told = |problem: &Problem| tracing::warn!(%problem, "an endpoint can't be used");
            let member = self.member(located.clone());
            member.inspect_err(|problems| problems.iter().for_each(told)).ok()
        });
        EndpointSet::new(members)
    }

    /// The watch that finds the endpoints, if they don't stand in the settings: the one that is at
    /// it already, if there is one.
    pub(super) fn watch(&self) -> Option<Arc<Watch>> {
        let discovery = self.settings.discovery.as_ref()?;
        let name = format!("discovery {discovery:?}");
        Some(self.kept.keep(&name, || Watch::start(discovery)))
    }
}
