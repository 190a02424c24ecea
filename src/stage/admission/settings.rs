//! What a policy's `admission` may say.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{duration::duration, stage::Finding};

/// How many calls may wait for their answers at once, found out by how long answers take.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Admission")]
pub struct Settings {
    /// Which calls are refused first when there are too many; `normal` by default.
    pub priority: Priority,
    /// The limit is never below this; 4 by default.
    pub min_limit: u32,
    /// The limit is never above this; 1000 by default.
    pub max_limit: u32,
    /// The limit before anything was measured; 100 by default.
    pub initial_limit: u32,
    /// How much longer than the least latency answers may take before the limit falls, as a part
    /// of it; 0.5 by default.
    pub tolerance: f64,
    /// How often the limit is set anew; `100ms` by default. Where answers take longer, it is their
    /// latency.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub window: Duration,
    /// How often the least latency is measured anew; `60s` by default, a tenth more or less.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            priority: Priority::default(),
            min_limit: 4,
            max_limit: 1000,
            initial_limit: 100,
            tolerance: 0.5,
            window: Duration::from_millis(100),
            interval: Duration::from_secs(60),
        }
    }
}

/// Which calls are refused first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Priority")]
pub enum Priority {
    /// Last: a quarter above the limit. Health checks always are.
    Critical,
    /// At the limit.
    #[default]
    Normal,
    /// First: at three quarters of the limit.
    Sheddable,
}

impl Priority {
    /// How many of a hundred places of the limit calls of this priority may fill.
    pub(super) fn share(self) -> u64 {
        match self {
            Self::Critical => 125,
            Self::Normal => 100,
            Self::Sheddable => 75,
        }
    }
}

impl Settings {
    /// What a single setting can't say of itself.
    pub(super) fn check(&self) -> Result<(), Finding> {
        let refuse = |path: &str, message: &str| Err((path.to_owned(), message.to_owned()));
        if self.min_limit == 0 {
            return refuse("min_limit", "without any place no call is served; write at least 1");
        }
        if self.max_limit < self.min_limit {
            return refuse("max_limit", "write a number that is not below `min_limit`");
        }
        if !(self.min_limit..=self.max_limit).contains(&self.initial_limit) {
            return refuse(
                "initial_limit",
                "write a number that is not below `min_limit` and not above `max_limit`",
            );
        }
        if !(0.05..=10.0).contains(&self.tolerance) {
            return refuse("tolerance", "write a number between 0.05 and 10, such as `0.5`");
        }
        if self.window < Duration::from_millis(10) {
            return refuse("window", "write at least `10ms`");
        }
        if self.interval < 10 * self.window {
            return refuse("interval", "write at least ten times `window`");
        }
        Ok(())
    }
}
