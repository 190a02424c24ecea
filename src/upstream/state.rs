//! What a cluster shows of itself to the operator. Addresses stand in it: it is not for callers.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use serde::Serialize;
use tokio::time::Instant;

use super::{
    BreakerState, Cluster, Health,
    pool::{Member, Ready},
};

/// A cluster at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct ClusterState {
    /// The name that the configuration gave it.
    pub name: String,
    /// Whether too few endpoints may be called, so that all are.
    pub panic: bool,
    /// Why discovery found nobody when it last looked; the last endpoints stay meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discovery_failure: Option<String>,
    /// What is counted against its limits.
    pub breaker: BreakerState,
    /// Calls that were sent again because the backend had not looked at them.
    pub sent_again: u64,
    /// Those of the set.
    pub endpoints: Vec<EndpointState>,
    /// Those that were taken out of it and finish their calls.
    pub draining: Vec<DrainingState>,
}

/// An endpoint at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct EndpointState {
    /// Host and port, or the path of its socket.
    pub address: String,
    /// Its share of the calls, in proportion to the others' weights.
    pub weight: u32,
    /// It is called only when no endpoint of a smaller number may be.
    pub priority: u16,
    /// What the active health check says.
    pub health: Health,
    /// For how many more seconds it is ejected, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ejected_for: Option<f64>,
    /// How often it was ejected.
    pub ejections: u64,
    /// Whether it takes calls now.
    pub in_use: bool,
    /// Calls in flight.
    pub in_flight: u32,
    /// Connections, of all workers.
    pub connections: usize,
    /// Calls that have ended.
    pub requests: u64,
    /// Those of them that are held against it.
    pub failures: u64,
    /// Connections that could not be made.
    pub connect_failures: u64,
    /// The average of its latencies lately, in milliseconds, if there were calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
}

/// An endpoint that is no member any more.
#[derive(Clone, Debug, Serialize)]
pub struct DrainingState {
    /// Host and port, or the path of its socket.
    pub address: String,
    /// Calls in flight.
    pub in_flight: u32,
}

impl Cluster {
    /// What the operator is shown.
    pub fn state(&self) -> ClusterState {
        let ready = self.pool.ready();
        let set = self.pool.set();
        let draining = self.pool.leaving().into_iter();
        let draining = draining
            .map(|(name, in_flight)| DrainingState { address: name.to_string(), in_flight });
        ClusterState {
            name: self.name().to_owned(),
            panic: ready.panics,
            discovery_failure: self.discovery_failure(),
            breaker: self.breaker.state(),
            sent_again: self.mold.sent_again().load(Relaxed),
            endpoints: set.members.iter().map(|member| endpoint_state(member, &ready)).collect(),
            draining: draining.collect(),
        }
    }
}

fn endpoint_state(member: &Member, ready: &Ready) -> EndpointState {
    let Member { endpoint, weight, priority } = member;
    let (standing, now) = (endpoint.standing(), Instant::now());
    let left = standing.ejected_until().map(|until| until.saturating_duration_since(now));
    let is_same = |other: &Member| std::sync::Arc::ptr_eq(&other.endpoint, endpoint);
    EndpointState {
        address: endpoint.name().to_string(),
        weight: *weight,
        priority: *priority,
        health: standing.health(),
        ejected_for: left.as_ref().map(Duration::as_secs_f64),
        ejections: standing.ejections(),
        in_use: ready.members.iter().any(is_same),
        in_flight: standing.in_flight(),
        connections: endpoint.connections(),
        requests: standing.requests(),
        failures: standing.failures(),
        connect_failures: standing.connect_failures(),
        latency_ms: standing.latency().average(now).map(|micros| f64::from(micros) / 1e3),
    }
}
