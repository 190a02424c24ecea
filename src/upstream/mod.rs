//! The way out to backends: clusters of endpoints that speak gRPC over HTTP/2.
//!
//! ```text
//! Cluster ── which endpoint (pool, balance) ──► Lane ── which connection ──► Connection ── a stream ──► backend
//!         ◄── Reply (reply: frames, then status) ────────────────────────────────────────────────
//! ```
//!
//! It speaks HTTP/2 itself ([`http2`]), because a general client pays for what a gateway doesn't
//! need: pools keyed by origin, requests of any form, an event for every frame. Every worker thread
//! has its own lane to every endpoint, so that a call never leaves its thread.

mod balance;
mod breaker;
mod call;
mod cluster;
mod connection;
mod dial;
mod discovery;
mod endpoint;
mod fault;
mod follow;
mod guard;
mod health;
pub mod http2;
mod latency;
mod mold;
mod outlier;
pub mod own;
mod pool;
mod pump;
pub mod reflection;
mod reply;
mod search;
mod settings;
mod socket;
mod split;
mod standing;
mod state;
mod status;
mod tls;

pub use balance::{Balance, Key, Kind, SlowStart, Spread, Yes};
pub use breaker::{BreakerState, CountState, Limits};
pub use cluster::Cluster;
pub use discovery::{Discovery, Dns, Scheme, Srv, WatchedFile};
pub use health::Check;
pub use outlier::{FailurePercentage, Outlier, SuccessRate};
pub use own::{Draining, Own};
pub use pool::{Endpoint, EndpointSet, Member};
pub use settings::{Keepalive, Listed, Settings, Tls};
pub use split::{Among, Destination, Match, Share, Split};
pub use standing::{Blame, Changes, Health, Outcome, Standing};
pub use state::{ClusterState, DrainingState, EndpointState};

#[cfg(test)]
mod tests;
