//! Active health checks by `grpc.health.v1` (gRFC A17).
//!
//! Each endpoint is watched (`Watch`), so that it can say at once that it is about to leave or has
//! come back; where it has no `Watch`, what it says to `Check` stands alone. `Check` is asked in
//! intervals in any case: a watch that tells nothing doesn't prove that anybody lives at its other
//! end. Until the first answer an endpoint counts as healthy; then the first answer decides, and
//! later ones by the thresholds. An endpoint without a health service is healthy while it answers.
//!
//! Checks go over connections of their own, past breaker and balancing: an endpoint that is busy,
//! ejected or unhealthy is asked all the same, and how a check ends counts for no ejection.

mod ask;
mod settings;
mod verdict;

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::time::sleep;

pub use settings::Check;

use self::{
    ask::{Question, Watched, told},
    verdict::{Finding, Verdict},
};
use super::{Cluster, Endpoint, Health};
use crate::exchange::Messages;

/// Asks one endpoint until it or its cluster is dropped.
pub(super) async fn follow(cluster: Weak<Cluster>, endpoint: Weak<Endpoint>, check: Check) {
    let mut follower =
        Follower { cluster, endpoint, check, verdict: Verdict::default(), watch: Watch::Due };
    // Not all endpoints of all gateways at once.
    let spread = follower.check.interval.min(Duration::from_secs(1)) / 10;
    sleep(spread.mul_f64(fastrand::f64())).await;
    while follower.turn().await.is_some() {}
}

struct Follower {
    cluster: Weak<Cluster>,
    endpoint: Weak<Endpoint>,
    check: Check,
    verdict: Verdict,
    watch: Watch,
}

enum Watch {
    /// To be begun with the next check.
    Due,
    /// It is told by.
    Stands(Messages),
    /// The endpoint has none.
    Never,
}

impl Follower {
    /// A check, and then whatever is told until the next one is due. `None` if nobody is left.
    async fn turn(&mut self) -> Option<()> {
        let requests = self.endpoint.upgrade()?.standing().requests();
        let finding = self.ask().await?;
        // A watch is the better witness of what the endpoint says of itself.
        let is_told = matches!(self.watch, Watch::Stands(_));
        if !(is_told && finding == Finding::Refused) {
            self.note(finding)?;
        }
        let pause = self.pause(requests)?;
        let pause = sleep(pause.mul_f64(0.9 + 0.2 * fastrand::f64()));
        tokio::pin!(pause);
        loop {
            let Watch::Stands(messages) = &mut self.watch else {
                pause.await;
                return Some(());
            };
            let heard = tokio::select! {
                heard = told(messages) => heard,
                () = &mut pause => return Some(()),
            };
            match heard {
                Ok(finding) => self.note(finding)?,
                Err(Watched::Unknown) => self.watch = Watch::Never,
                // The next check tells what has happened.
                Err(_) => {
                    self.watch = Watch::Due;
                    // Looked after soon, but not over and over.
                    sleep(self.check.interval / 10).await;
                    return Some(());
                }
            }
        }
    }

    /// Asks, and begins to watch.
    async fn ask(&mut self) -> Option<Finding> {
        let (cluster, endpoint) = (self.cluster.upgrade()?, self.endpoint.upgrade()?);
        let question = Question {
            cluster: &cluster,
            endpoint: &endpoint,
            service: &self.check.service,
            patience: self.check.timeout,
        };
        let finding = question.check().await;
        if matches!(self.watch, Watch::Due) && finding != Finding::Failed {
            self.watch = match question.watch().await {
                Watched::Tells(messages) => Watch::Stands(messages),
                Watched::Unknown => Watch::Never,
                Watched::Failed => Watch::Due,
            };
        }
        Some(finding)
    }

    fn note(&mut self, finding: Finding) -> Option<()> {
        // Who has no cluster any more has no say about the endpoint, which others may check now.
        let (cluster, endpoint) = (self.cluster.upgrade()?, self.endpoint.upgrade()?);
        let before = endpoint.standing().health();
        let after = self.verdict.of(&self.check, before, finding);
        if before != after {
            tracing::info!(
                upstream = cluster.name(),
                endpoint = %endpoint.name(),
                ?finding,
                "endpoint is {}",
                if after == Health::Healthy { "healthy" } else { "unhealthy" },
            );
            endpoint.standing().set_health(after);
        }
        Some(())
    }

    /// How long until the next check.
    fn pause(&self, requests: u64) -> Option<Duration> {
        let endpoint: Arc<Endpoint> = self.endpoint.upgrade()?;
        let standing = endpoint.standing();
        let is_idle = standing.health() == Health::Healthy && standing.requests() == requests;
        Some(if is_idle { self.check.no_traffic_interval } else { self.check.interval })
    }
}
