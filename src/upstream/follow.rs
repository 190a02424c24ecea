//! A cluster that follows its discovery: what is found becomes its set.

use std::sync::Arc;

use super::{
    Cluster,
    discovery::{Finding, background},
};
use crate::error::Error;

impl Cluster {
    /// Takes over what is found, now and as long as the cluster is there.
    pub(super) fn follow(self: &Arc<Self>) {
        let Some(watch) = &self.watch else { return };
        let mut findings = watch.findings();
        self.take(&findings.borrow_and_update());
        let cluster = Arc::downgrade(self);
        let follow = async move {
            while findings.changed().await.is_ok() {
                let Some(cluster) = cluster.upgrade() else { return };
                cluster.take(&findings.borrow_and_update());
            }
        };
        if let Some(runtime) = background() {
            runtime.spawn(follow);
        }
    }

    /// Makes those that were found the set. Where nobody was, the last set stays.
    fn take(&self, finding: &Finding) {
        if !finding.located.is_empty() {
            self.pool.replace(self.mold.set(&finding.located));
        }
    }

    /// Waits until discovery has looked once, for a cluster that knows of nobody.
    pub(super) async fn first_look(&self) -> Result<(), Error> {
        let Some(watch) = &self.watch else { return Ok(()) };
        let mut findings = watch.findings();
        let finding = match findings.wait_for(|finding| finding.looked).await {
            Ok(finding) => finding.clone(),
            Err(_ended) => return Ok(()),
        };
        self.take(&finding);
        match finding.failure {
            Some(failure) if finding.located.is_empty() => Err(Error::unavailable(
                "upstream_unresolved",
                "the upstream's endpoints could not be found out yet",
            )
            .with_source(format!("{}: {failure}", self.name()))),
            _ => Ok(()),
        }
    }

    /// Why discovery found nobody when it last looked, if it did not.
    pub(super) fn discovery_failure(&self) -> Option<String> {
        let finding = self.watch.as_ref()?.findings().borrow().clone();
        finding.failure.map(|failure| failure.to_string())
    }
}
