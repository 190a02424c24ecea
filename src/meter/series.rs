//! Every series there is: names, kinds, labels and what they mean, in one table.
//!
//! The page of metrics, its tests and the README's table come from it. Names follow
//! <https://prometheus.io/docs/practices/naming/>: base units, `_total` behind what only grows.

/// How a series behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, and begins anew with the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How many values fell below each of some bounds, with their sum and number.
    Histogram,
}

impl Kind {
    /// The word of the text format.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A family of series: one name, the same labels.
#[derive(Debug, PartialEq, Eq)]
pub struct Series {
    /// The name on the page.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// The names of its labels, in the order in which their values are given.
    pub labels: &'static [&'static str],
    /// What it tells, a sentence without a full stop.
    pub help: &'static str,
}

impl Series {
    const fn new(
        name: &'static str,
        kind: Kind,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, kind, labels, help }
    }
}

/// Requests by what they called and how they ended.
pub static REQUESTS: Series = Series::new(
    "transom_requests_total",
    Kind::Counter,
    &["service", "method", "protocol", "code"],
    "Requests that have ended, by gRPC code whatever the protocol; streams count at their end, and \
     what reached no method is `unknown`",
);

/// How long requests took.
pub static DURATION: Series = Series::new(
    "transom_request_duration_seconds",
    Kind::Histogram,
    &["service", "method"],
    "From a request's head to its answer's end",
);

/// Requests that are being served.
pub static IN_FLIGHT: Series = Series::new(
    "transom_requests_in_flight",
    Kind::Gauge,
    &["service", "method"],
    "Requests that are being served, streams and sessions among them",
);

/// Connections from downstream that are open.
pub static CONNECTIONS: Series = Series::new(
    "transom_downstream_connections",
    Kind::Gauge,
    &["listener"],
    "Connections from downstream that are open",
);

/// Connections from downstream that were taken.
pub static CONNECTIONS_OPENED: Series = Series::new(
    "transom_downstream_connections_total",
    Kind::Counter,
    &["listener"],
    "Connections from downstream that have been taken",
);

/// Attempts to take a configuration.
pub static RELOADS: Series = Series::new(
    "transom_reloads_total",
    Kind::Counter,
    &["result"],
    "Attempts to take a configuration that may have changed, by what came of them: `taken`, \
     `unchanged`, `refused` for what it breaks, `failed`",
);

/// Since when the configuration is in force.
pub static SNAPSHOT_TIME: Series = Series::new(
    "transom_snapshot_timestamp_seconds",
    Kind::Gauge,
    &[],
    "When the configuration in force was taken, in seconds since 1970",
);

/// Whether so few endpoints may be called that all are (1) or not (0).
pub static CLUSTER_PANIC: Series = Series::new(
    "transom_cluster_panic",
    Kind::Gauge,
    &["cluster"],
    "Whether so few endpoints may be called that all are (1) or not (0)",
);

/// Calls to an endpoint that have ended, each attempt of a call.
pub static ENDPOINT_REQUESTS: Series = Series::new(
    "transom_endpoint_requests_total",
    Kind::Counter,
    &["cluster", "endpoint"],
    "Calls to an endpoint that have ended, each attempt of a call",
);

/// Those of the calls that are held against the endpoint.
pub static ENDPOINT_FAILURES: Series = Series::new(
    "transom_endpoint_failures_total",
    Kind::Counter,
    &["cluster", "endpoint"],
    "Those of the calls that are held against the endpoint",
);

/// Connections to an endpoint that could not be made.
pub static ENDPOINT_CONNECT_FAILURES: Series = Series::new(
    "transom_endpoint_connect_failures_total",
    Kind::Counter,
    &["cluster", "endpoint"],
    "Connections to an endpoint that could not be made",
);

/// How often an endpoint was ejected for its failures.
pub static ENDPOINT_EJECTIONS: Series = Series::new(
    "transom_endpoint_ejections_total",
    Kind::Counter,
    &["cluster", "endpoint"],
    "How often an endpoint was ejected for its failures",
);

/// Whether an endpoint takes calls (1) or is unhealthy, ejected or in reserve (0).
pub static ENDPOINT_IN_USE: Series = Series::new(
    "transom_endpoint_in_use",
    Kind::Gauge,
    &["cluster", "endpoint"],
    "Whether an endpoint takes calls (1) or is unhealthy, ejected or in reserve (0)",
);

/// Calls to an endpoint that are under way.
pub static ENDPOINT_IN_FLIGHT: Series = Series::new(
    "transom_endpoint_in_flight",
    Kind::Gauge,
    &["cluster", "endpoint"],
    "Calls to an endpoint that are under way",
);

/// Connections to an endpoint, of all workers.
pub static ENDPOINT_CONNECTIONS: Series = Series::new(
    "transom_endpoint_connections",
    Kind::Gauge,
    &["cluster", "endpoint"],
    "Connections to an endpoint, of all workers",
);

/// The average of an endpoint's latencies lately, as balancing sees it.
pub static ENDPOINT_LATENCY: Series = Series::new(
    "transom_endpoint_latency_seconds",
    Kind::Gauge,
    &["cluster", "endpoint"],
    "The average of an endpoint's latencies lately, as balancing sees it",
);

/// Further attempts of calls, by the policies `retry` and `retry.hedge`.
pub static RETRIES: Series = Series::new(
    "transom_retries_total",
    Kind::Counter,
    &["service", "method"],
    "Further attempts of calls, by the policies `retry` and `retry.hedge`",
);

/// Calls that were sent again because no backend had looked at them.
pub static TRANSPARENT_RETRIES: Series = Series::new(
    "transom_transparent_retries_total",
    Kind::Counter,
    &["cluster"],
    "Calls that were sent again because no backend had looked at them, whatever the policy",
);

/// Calls refused by the policy `admission`.
pub static ADMISSION_REFUSED: Series = Series::new(
    "transom_admission_refused_total",
    Kind::Counter,
    &["service", "method"],
    "Calls refused by the policy `admission`",
);

/// Calls that a limit of the policy `rate_limit` has judged.
pub static RATE_LIMITED: Series = Series::new(
    "transom_rate_limit_calls_total",
    Kind::Counter,
    &["limit", "result"],
    "Calls that a limit of the policy `rate_limit` has judged, by what came of it: `allowed`, \
     `limited`, or `shadowed`, which would have been limited",
);

/// Calls counted together with others', for there is no room for more keys.
pub static RATE_LIMIT_CROWDED: Series = Series::new(
    "transom_rate_limit_crowded_total",
    Kind::Counter,
    &["limit"],
    "Calls that a limit of the policy `rate_limit` has counted together with those of other callers, \
     for there were more than `max_keys`",
);

/// Questions to a service of the policy `ext_authz`.
pub static EXT_AUTHZ_CALLS: Series = Series::new(
    "transom_ext_authz_calls_total",
    Kind::Counter,
    &["service", "method", "result"],
    "Calls that a service of the policy `ext_authz` was asked about, by what came of it: `allowed`, \
     `denied`, or without an answer `refused` or `let_through`, as `on_failure` says",
);

/// What a cluster's breaker counts now: `connections`, `pending`, `requests`, `retries`.
pub static BREAKER_NOW: Series = Series::new(
    "transom_breaker_in_use",
    Kind::Gauge,
    &["cluster", "resource"],
    "What a cluster's breaker counts now: `connections`, `pending`, `requests`, `retries`",
);

/// How many of them there may be.
pub static BREAKER_LIMIT: Series = Series::new(
    "transom_breaker_limit",
    Kind::Gauge,
    &["cluster", "resource"],
    "How many of them there may be",
);

/// How many of them were refused.
pub static BREAKER_REFUSED: Series = Series::new(
    "transom_breaker_refused_total",
    Kind::Counter,
    &["cluster", "resource"],
    "How many of them were refused",
);

/// Questions to a store that gateways share, by how they ended.
pub static STORE_CALLS: Series = Series::new(
    "transom_store_calls_total",
    Kind::Counter,
    &["store", "outcome"],
    "Questions to a Redis or Valkey by how they ended: `answered`, `away`, `late`, `busy`, `refused`",
);

/// Connections to a store that are up.
pub static STORE_CONNECTIONS: Series = Series::new(
    "transom_store_connections",
    Kind::Gauge,
    &["store"],
    "Connections to a Redis or Valkey that are up, of all workers",
);

/// Every series, in the order of the page.
pub static SERIES: &[&Series] = &[
    &REQUESTS,
    &DURATION,
    &IN_FLIGHT,
    &CONNECTIONS,
    &CONNECTIONS_OPENED,
    &RETRIES,
    &TRANSPARENT_RETRIES,
    &ADMISSION_REFUSED,
    &RATE_LIMITED,
    &RATE_LIMIT_CROWDED,
    &EXT_AUTHZ_CALLS,
    &BREAKER_NOW,
    &BREAKER_LIMIT,
    &BREAKER_REFUSED,
    &CLUSTER_PANIC,
    &ENDPOINT_REQUESTS,
    &ENDPOINT_FAILURES,
    &ENDPOINT_CONNECT_FAILURES,
    &ENDPOINT_EJECTIONS,
    &ENDPOINT_IN_USE,
    &ENDPOINT_IN_FLIGHT,
    &ENDPOINT_CONNECTIONS,
    &ENDPOINT_LATENCY,
    &STORE_CALLS,
    &STORE_CONNECTIONS,
    &RELOADS,
    &SNAPSHOT_TIME,
];
