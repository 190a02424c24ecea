//! The upstreams and how their endpoints fare, for people and for metrics.

use http::StatusCode;
use serde_json::json;

use super::{
    Office,
    port::{Answer, json},
};
use crate::{
    meter::{
        BREAKER_LIMIT, BREAKER_NOW, BREAKER_REFUSED, CLUSTER_PANIC, ENDPOINT_CONNECT_FAILURES,
        ENDPOINT_CONNECTIONS, ENDPOINT_EJECTIONS, ENDPOINT_FAILURES, ENDPOINT_IN_FLIGHT,
        ENDPOINT_IN_USE, ENDPOINT_LATENCY, ENDPOINT_REQUESTS, Page, TRANSPARENT_RETRIES,
    },
    upstream::{BreakerState, ClusterState, EndpointState},
};

/// Every cluster as it stands.
pub(super) fn clusters(office: &Office) -> Answer {
    json(StatusCode::OK, &json!({ "clusters": states(office) }))
}

/// The names of clusters none of whose endpoints may be called.
pub(super) fn without_endpoint(office: &Office) -> Vec<String> {
    let is_without = |state: &ClusterState| {
        state.panic || !state.endpoints.iter().any(|endpoint| endpoint.in_use)
    };
    states(office).into_iter().filter(is_without).map(|state| state.name).collect()
}

fn states(office: &Office) -> Vec<ClusterState> {
    office.gateway.runtime().clusters().iter().map(|cluster| cluster.state()).collect()
}

/// Tells the metrics of all clusters.
pub(super) fn tell(office: &Office, page: &mut Page) {
    for state in states(office) {
        page.gauge(&CLUSTER_PANIC, &[&state.name], f64::from(state.panic));
        page.counter(&TRANSPARENT_RETRIES, &[&state.name], state.sent_again);
        tell_breaker(&state, page);
        for endpoint in &state.endpoints {
            tell_endpoint(&state.name, endpoint, page);
        }
    }
}

fn tell_breaker(state: &ClusterState, page: &mut Page) {
    let BreakerState { connections, pending, requests, retries } = &state.breaker;
    let counts = [
        ("connections", connections),
        ("pending", pending),
        ("requests", requests),
        ("retries", retries),
    ];
    for (resource, count) in counts {
        let labels = &[&*state.name, resource];
        page.gauge(&BREAKER_NOW, labels, f64::from(count.now));
        page.gauge(&BREAKER_LIMIT, labels, f64::from(count.most));
        page.counter(&BREAKER_REFUSED, labels, count.refused);
    }
}

fn tell_endpoint(cluster: &str, endpoint: &EndpointState, page: &mut Page) {
    let labels = &[cluster, &endpoint.address];
    page.counter(&ENDPOINT_REQUESTS, labels, endpoint.requests);
    page.counter(&ENDPOINT_FAILURES, labels, endpoint.failures);
    page.counter(&ENDPOINT_CONNECT_FAILURES, labels, endpoint.connect_failures);
    page.counter(&ENDPOINT_EJECTIONS, labels, endpoint.ejections);
    page.gauge(&ENDPOINT_IN_USE, labels, f64::from(endpoint.in_use));
    page.gauge(&ENDPOINT_IN_FLIGHT, labels, f64::from(endpoint.in_flight));
    page.gauge(&ENDPOINT_CONNECTIONS, labels, endpoint.connections as f64);
    if let Some(milliseconds) = endpoint.latency_ms {
        page.gauge(&ENDPOINT_LATENCY, labels, milliseconds / 1e3);
    }
}
