//! What came of one attempt to take a configuration.

use std::{fmt, time::SystemTime};

use crate::problem::Problem;

/// Why a configuration is read anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The program starts.
    Start,
    /// Files have changed.
    Files,
    /// An upstream tells another schema.
    Reflection,
    /// SIGHUP.
    Signal,
    /// The operator asked for it.
    Operator,
    /// An upstream could not be asked before.
    Retry,
}

impl Reason {
    /// A word for logs and the operator's port.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Files => "files",
            Self::Reflection => "reflection",
            Self::Signal => "signal",
            Self::Operator => "operator",
            Self::Retry => "retry",
        }
    }

    /// Whether somebody waits for what comes of it, so that upstreams are asked for their schema.
    pub(super) fn asks(self) -> bool {
        !matches!(self, Self::Reflection)
    }
}

/// What became of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is in force.
    Taken,
    /// It is the one that is in force.
    Unchanged,
    /// It would break callers, and the policy doesn't take that; the one before serves on.
    Refused,
    /// It can't be served; the one before serves on.
    Failed,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 4] = [Self::Taken, Self::Unchanged, Self::Refused, Self::Failed];

    /// A word for logs, metrics and the operator's port.
    pub fn name(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// Whether what was asked for is in force.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Taken | Self::Unchanged)
    }
}

/// What came of one attempt.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// When it ended.
    pub at: SystemTime,
    /// Why it was made.
    pub reason: Reason,
    /// What became of the configuration.
    pub verdict: Verdict,
    /// What is wrong, or worth knowing.
    pub problems: Vec<Problem>,
}

impl Outcome {
    pub(super) fn new(reason: Reason, verdict: Verdict, problems: Vec<Problem>) -> Self {
        Self { at: SystemTime::now(), reason, verdict, problems }
    }

    /// Tells the log.
    pub(super) fn log(&self) {
        let (reason, result) = (self.reason.name(), self.verdict.name());
        match self.verdict {
            Verdict::Taken => tracing::info!(reason, "the configuration was reloaded"),
            Verdict::Unchanged => tracing::info!(reason, "the configuration has not changed"),
            Verdict::Refused | Verdict::Failed => {
                tracing::error!(reason, result, "the old configuration serves on: {self}");
            }
        }
        for problem in &self.problems {
            if problem.is_error() {
                tracing::error!("{problem}");
            } else {
                tracing::warn!("{problem}");
            }
        }
    }
}

/// `2 problems`, for a line of the log.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = self.problems.iter().filter(|problem| problem.is_error()).count();
        write!(f, "{errors} problem{}", if errors == 1 { "" } else { "s" })
    }
}
