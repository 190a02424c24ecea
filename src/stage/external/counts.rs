//! How often a service was asked about calls of a method, and what came of it.

use std::sync::Arc;

use crate::{
    meter::{Counter, EXT_AUTHZ_CALLS, Meter},
    stage::Blueprint,
};

/// The counters of one method.
pub(super) struct Counts {
    /// The service let the call pass.
    pub(super) allowed: Arc<Counter>,
    /// The service refused it.
    pub(super) denied: Arc<Counter>,
    /// Nobody decided, so it was refused.
    pub(super) refused: Arc<Counter>,
    /// Nobody decided, and it went on all the same.
    pub(super) let_through: Arc<Counter>,
}

impl Counts {
    /// The counters of a blueprint's method.
    pub(super) fn of(blueprint: &Blueprint<'_>) -> Self {
        // The configuration has made it by now, and knows the protocols.
        let meter = Meter::of(blueprint.lasting, []);
        let Blueprint { method, .. } = blueprint;
        let count = |result: &str| {
            meter.counter(&EXT_AUTHZ_CALLS, &[&method.service, method.name(), result])
        };
        Self {
            allowed: count("allowed"),
            denied: count("denied"),
            refused: count("refused"),
            let_through: count("let_through"),
        }
    }
}
