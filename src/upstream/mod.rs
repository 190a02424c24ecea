//! The way out to backends: clusters of endpoints that speak gRPC over HTTP/2.
//!
//! ```text
//! Cluster ── which endpoint (balance) ──► Lane ── which connection ──► Connection ── a stream ──► backend
//!         ◄── Reply (reply: frames, then status) ────────────────────────────────────────────────
//! ```
//!
//! It speaks HTTP/2 itself ([`http2`]), because a general client pays for what a gateway doesn't
//! need: pools keyed by origin, requests of any form, an event for every frame. Every worker thread
//! has its own lane to every endpoint, so that a call never leaves its thread.

mod balance;
mod call;
mod cluster;
mod connection;
mod endpoint;
mod fault;
pub mod http2;
pub mod own;
mod pump;
pub mod reflection;
mod reply;
mod settings;
mod socket;
mod status;
mod tls;

pub use cluster::Cluster;
pub use own::Own;
pub use settings::{Keepalive, Settings, Tls};

#[cfg(test)]
mod tests;
