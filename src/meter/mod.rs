//! What is counted while the gateway serves, and the page on which a Prometheus server reads it.
//!
//! ```text
//! request ── Tally ──► Shard (a method on a worker) ─┐
//! listener, reload ──► Counter, Gauge ───────────────┼─ Meter::tell ─► Page ─► text
//! admin ── states of clusters ───────────────────────┘
//! ```
//!
//! Whoever counts holds a handle that was found once, for a method when it was called first: after
//! that there is no map, no lock and nothing to allocate on the way of a request, only additions to
//! memory that one worker alone writes. Only a scrape adds the shards up and thinks of names.
//!
//! Labels are bounded by the configuration and the schema: never a path, an address of a caller or
//! a header. Counts are kept over a reload as long as what they count is still there.

mod book;
mod handle;
mod method;
mod page;
mod series;
#[cfg(test)]
mod tests;

pub use self::{
    book::{Meter, MethodMeters},
    handle::{Counter, Gauge, Held},
    method::{MethodMeter, Shard, Tally},
    page::{CONTENT_TYPE, Page},
    series::{
        ADMISSION_REFUSED, BREAKER_LIMIT, BREAKER_NOW, BREAKER_REFUSED, CLUSTER_PANIC, CONNECTIONS,
        CONNECTIONS_OPENED, DURATION, ENDPOINT_CONNECT_FAILURES, ENDPOINT_CONNECTIONS,
        ENDPOINT_EJECTIONS, ENDPOINT_FAILURES, ENDPOINT_IN_FLIGHT, ENDPOINT_IN_USE,
        ENDPOINT_LATENCY, ENDPOINT_REQUESTS, EXT_AUTHZ_CALLS, IN_FLIGHT, Kind, RATE_LIMIT_CROWDED,
        RATE_LIMITED, RELOADS, REQUESTS, RETRIES, SERIES, SNAPSHOT_TIME, STORE_CALLS,
        STORE_CONNECTIONS, Series, TRANSPARENT_RETRIES,
    },
};

/// What stands in the labels of a request that reached no method.
pub const UNKNOWN: &str = "unknown";
