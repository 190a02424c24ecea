//! What an upstream's `breaker` may say.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::problem::Problem;

/// How much of the gateway an upstream may take up; what is above is refused at once (gRFC A32,
/// Envoy's circuit breaking). Each holds for all workers and endpoints together.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Breaker")]
pub struct Limits {
    /// Connections; 4096 by default. An endpoint for which there is none left is passed over; a
    /// worker that has none at all may make one in any case.
    pub max_connections: u32,
    /// Calls that wait for a place on a connection; 1024 by default.
    pub max_pending: u32,
    /// Calls that were sent and have not ended; 16384 by default.
    pub max_requests: u32,
    /// Further attempts of calls, hedges too, that are under way; 256 by default.
    pub max_retries: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_connections: 4096, max_pending: 1024, max_requests: 16384, max_retries: 256 }
    }
}

impl Limits {
    /// What a single setting can't say of itself.
    pub(in crate::upstream) fn check(&self, problems: &mut Vec<Problem>) {
        for (path, limit) in [
            ("breaker.max_connections", self.max_connections),
            ("breaker.max_pending", self.max_pending),
            ("breaker.max_requests", self.max_requests),
        ] {
            if limit == 0 {
                let problem = Problem::error(path, "with 0 no call can be made");
                problems.push(problem.mend("allow at least 1, or leave it out"));
            }
        }
    }
}
