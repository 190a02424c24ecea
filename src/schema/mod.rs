//! Descriptors: what the services look like, gathered from any mix of sources into one pool.

mod method;

pub use method::{Body, HttpMethod, HttpRule, Idempotency, Method};
