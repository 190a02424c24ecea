//! What an upstream's `outlier` may say.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{duration::duration, problem::Problem};

/// When an endpoint is left out for what its calls came to (gRFC A50, Envoy's outlier detection).
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Outlier")]
pub struct Outlier {
    /// So many failures in a row eject an endpoint at once; 0 for never, 5 by default.
    pub consecutive_errors: u32,
    /// How many of a hundred ejections for failures in a row are carried out; 100 by default. With
    /// fewer the others are passed over, by chance.
    pub enforcing_consecutive_errors: u32,
    /// How often the shares of failures are looked at; `10s` by default.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub interval: Duration,
    /// How long an endpoint is ejected for the first time; `30s` by default. Each time soon after
    /// another is longer by as much.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub base_ejection_time: Duration,
    /// The longest ejection; `5m` by default.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub max_ejection_time: Duration,
    /// While so many of a hundred endpoints are ejected, no other is; 10 by default. One always may
    /// be, unless it is 0.
    pub max_ejection_percent: u32,
    /// Ejects endpoints that succeed far less often than the others.
    pub success_rate: Option<SuccessRate>,
    /// Ejects endpoints that fail more often than this.
    pub failure_percentage: Option<FailurePercentage>,
}

impl Default for Outlier {
    fn default() -> Self {
        Self {
            consecutive_errors: 5,
            enforcing_consecutive_errors: 100,
            interval: Duration::from_secs(10),
            base_ejection_time: Duration::from_secs(30),
            max_ejection_time: Duration::from_secs(300),
            max_ejection_percent: 10,
            success_rate: None,
            failure_percentage: None,
        }
    }
}

/// Ejects endpoints whose share of successes lies below what is usual among them.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "SuccessRate")]
pub struct SuccessRate {
    /// By how many standard deviations below the mean; 1.9 by default.
    pub stdev_factor: f64,
    /// Only if so many endpoints had calls enough; 5 by default.
    pub minimum_hosts: u32,
    /// How many calls in an interval are enough; 100 by default.
    pub request_volume: u32,
    /// How many of a hundred such ejections are carried out; 100 by default.
    pub enforcement_percentage: u32,
}

impl Default for SuccessRate {
    fn default() -> Self {
        Self {
            stdev_factor: 1.9,
            minimum_hosts: 5,
            request_volume: 100,
            enforcement_percentage: 100,
        }
    }
}

/// Ejects endpoints with too many failures, whatever the others do.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "FailurePercentage")]
pub struct FailurePercentage {
    /// More failures of a hundred calls than this; 85 by default.
    pub threshold: u32,
    /// Only if so many endpoints had calls enough; 5 by default.
    pub minimum_hosts: u32,
    /// How many calls in an interval are enough; 50 by default.
    pub request_volume: u32,
    /// How many of a hundred such ejections are carried out; 100 by default.
    pub enforcement_percentage: u32,
}

impl Default for FailurePercentage {
    fn default() -> Self {
        Self { threshold: 85, minimum_hosts: 5, request_volume: 50, enforcement_percentage: 100 }
    }
}

impl Outlier {
    /// What a single setting can't say of itself.
    pub(in crate::upstream) fn check(&self, problems: &mut Vec<Problem>) {
        let mut refuse = |path: &str, message: &str, mend: &str| {
            problems.push(Problem::error(format!("outlier.{path}"), message).mend(mend));
        };
        if self.interval.is_zero() {
            refuse("interval", "the time must not be zero", "write a duration like `10s`");
        }
        if self.base_ejection_time.is_zero() {
            refuse("base_ejection_time", "the time must not be zero", "write one like `30s`");
        }
        let (rate, percentage) = (self.success_rate.as_ref(), self.failure_percentage.as_ref());
        for (path, percent) in [
            ("max_ejection_percent", Some(self.max_ejection_percent)),
            ("enforcing_consecutive_errors", Some(self.enforcing_consecutive_errors)),
            ("success_rate.enforcement_percentage", rate.map(|one| one.enforcement_percentage)),
            ("failure_percentage.threshold", percentage.map(|one| one.threshold)),
            (
                "failure_percentage.enforcement_percentage",
                percentage.map(|one| one.enforcement_percentage),
            ),
        ] {
            if percent.is_some_and(|percent| percent > 100) {
                refuse(path, "there are no more than all", "write 0 to 100");
            }
        }
        if rate.is_some_and(|rate| rate.stdev_factor.is_nan() || rate.stdev_factor < 0.0) {
            refuse(
                "success_rate.stdev_factor",
                "it must not be below zero",
                "write 1.9 for example",
            );
        }
    }
}
