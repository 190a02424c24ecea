//! What an upstream's `health` may say.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{duration::duration, problem::Problem};

/// Asks every endpoint for its health by `grpc.health.v1`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "HealthCheck")]
pub struct Check {
    /// The name of the service that is asked after; empty, which is the default, for the server as
    /// a whole.
    pub service: String,
    /// How often; `10s` by default, a tenth more or less.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub interval: Duration,
    /// How long an answer may take; `1s` by default.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// How often in a row an endpoint has to be found well until it is called again; 2 by default.
    pub healthy_threshold: u32,
    /// How often in a row it has to fail the check until it is not; 3 by default.
    pub unhealthy_threshold: u32,
    /// How often endpoints are asked that had no call since the last time; `60s` by default.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub no_traffic_interval: Duration,
}

impl Default for Check {
    fn default() -> Self {
        Self {
            service: String::new(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(1),
            healthy_threshold: 2,
            unhealthy_threshold: 3,
            no_traffic_interval: Duration::from_secs(60),
        }
    }
}

impl Check {
    /// What a single setting can't say of itself.
    pub(in crate::upstream) fn check(&self, problems: &mut Vec<Problem>) {
        for (path, time) in [
            ("health.interval", self.interval),
            ("health.timeout", self.timeout),
            ("health.no_traffic_interval", self.no_traffic_interval),
        ] {
            if time.is_zero() {
                let problem = Problem::error(path, "the time must not be zero");
                problems.push(problem.mend("write a duration like `10s`"));
            }
        }
        for (path, times) in [
            ("health.healthy_threshold", self.healthy_threshold),
            ("health.unhealthy_threshold", self.unhealthy_threshold),
        ] {
            if times == 0 {
                let problem = Problem::error(path, "no check at all decides nothing");
                problems.push(problem.mend("write at least 1"));
            }
        }
    }
}
