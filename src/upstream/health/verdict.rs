//! From single answers to whether an endpoint is well.

use super::Check;
use crate::upstream::standing::Health;

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// It said so, or has no health service to say otherwise.
    Well,
    /// It could not be reached, was too slow, or spoke nonsense: that may pass.
    Failed,
    /// It says itself that it doesn't serve: there is nothing to wait for.
    Refused,
    /// It says itself, unasked, that it serves now.
    Recovered,
}

/// What was found in a row.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    well: u32,
    failed: u32,
}

impl Verdict {
    /// Takes in a finding. The first one decides alone: nothing is known that it could be weighed
    /// against.
    pub(super) fn of(&mut self, check: &Check, now: Health, finding: Finding) -> Health {
        match finding {
            Finding::Well | Finding::Recovered => {
                self.failed = 0;
                self.well = self.well.saturating_add(1);
            }
            Finding::Failed | Finding::Refused => {
                self.well = 0;
                self.failed = self.failed.saturating_add(1);
            }
        }
        let is_first = now == Health::Unknown;
        match finding {
            Finding::Recovered => Health::Healthy,
            Finding::Refused => Health::Unhealthy,
            Finding::Well if is_first || self.well >= check.healthy_threshold => Health::Healthy,
            Finding::Failed if is_first || self.failed >= check.unhealthy_threshold => {
                Health::Unhealthy
            }
            Finding::Well | Finding::Failed => now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The states after these findings, from nothing known.
    fn states(findings: &[Finding]) -> Vec<Health> {
        let (check, mut verdict, mut now) = (Check::default(), Verdict::default(), Health::Unknown);
        let take = |finding: &Finding| {
            now = verdict.of(&check, now, *finding);
            now
        };
        findings.iter().map(take).collect()
    }

    #[test]
    fn first_finding_decides_alone() {
        assert_eq!(states(&[Finding::Well]), [Health::Healthy]);
        assert_eq!(states(&[Finding::Failed]), [Health::Unhealthy]);
    }

    #[test]
    fn later_ones_have_to_come_in_a_row() {
        use Finding::{Failed, Well};
        use Health::{Healthy, Unhealthy};
        assert_eq!(
            states(&[Well, Failed, Failed, Well, Failed, Failed, Failed, Well, Failed, Well, Well]),
            [
                Healthy, Healthy, Healthy, Healthy, Healthy, Healthy, Unhealthy, Unhealthy,
                Unhealthy, Unhealthy, Healthy
            ]
        );
    }

    #[test]
    fn what_it_says_of_itself_holds_at_once() {
        use Finding::{Recovered, Refused, Well};
        use Health::{Healthy, Unhealthy};
        assert_eq!(
            states(&[Well, Refused, Well, Recovered]),
            [Healthy, Unhealthy, Unhealthy, Healthy]
        );
    }
}
