//! Looks after the endpoints of a cluster: active checks, ejections. One task a cluster, and one
//! for each endpoint that is checked; all of them end when the cluster is dropped.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{task::JoinHandle, time::sleep};

use super::{Check, Cluster, Endpoint, Health, Outlier, Settings, health, outlier};

/// How often it is looked who has joined and who has left.
const ROUND: Duration = Duration::from_secs(1);

/// A task that ends with its owner.
struct Tied(JoinHandle<()>);

impl Drop for Tied {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What is to be looked after.
pub(super) struct Guard {
    health: Option<Check>,
    outlier: Option<Outlier>,
}

impl Guard {
    /// What the settings ask for.
    pub(super) fn new(settings: &Settings) -> Self {
        Self { health: settings.health.clone(), outlier: settings.outlier.clone() }
    }

    /// Begins to look after the cluster, on the runtime of whoever calls.
    pub(super) fn start(&self, cluster: &Arc<Cluster>) {
        self.forget(cluster);
        let weak = Arc::downgrade(cluster);
        if let Some(outlier) = &self.outlier {
            tokio::spawn(outlier::watch(weak.clone(), outlier.clone()));
        }
        if let Some(check) = &self.health {
            tokio::spawn(keep_checked(weak, check.clone()));
        }
    }

    /// Forgets what a configuration before had found out and nobody looks after now.
    fn forget(&self, cluster: &Cluster) {
        for member in &cluster.endpoints().members {
            let standing = member.endpoint.standing();
            if self.health.is_none() {
                standing.set_health(Health::Unknown);
            }
            if self.outlier.is_none() {
                outlier::forget(standing);
            }
        }
    }
}

/// Has every endpoint checked, whoever comes and goes.
async fn keep_checked(cluster: Weak<Cluster>, check: Check) {
    let mut checked: HashMap<usize, Tied> = HashMap::new();
    loop {
        {
            let Some(set) = cluster.upgrade().map(|cluster| cluster.endpoints()) else { return };
            let place = |endpoint: &Arc<Endpoint>| Arc::as_ptr(endpoint) as usize;
            checked.retain(|known, task| {
                !task.0.is_finished() && set.members.iter().any(|m| place(&m.endpoint) == *known)
            });
            for member in &set.members {
                checked.entry(place(&member.endpoint)).or_insert_with(|| {
                    let endpoint = Arc::downgrade(&member.endpoint);
                    Tied(tokio::spawn(health::follow(cluster.clone(), endpoint, check.clone())))
                });
            }
        }
        sleep(ROUND).await;
    }
}
