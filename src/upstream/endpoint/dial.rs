//! A dial, as a task of its own; and the end of connections that have grown old.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use super::{Lane, jitter};
use crate::upstream::{
    breaker::Permit,
    connection::{self, Connection, Driver, Load},
    fault::Fault,
};

/// A dial under way. However it ends, its lane hears of it.
pub(super) struct Dial {
    lane: Arc<Lane>,
    /// The connection's count among the cluster's.
    permit: Option<Permit>,
    ended: bool,
}

impl Dial {
    /// A dial for a lane.
    pub(super) fn of(lane: Arc<Lane>, permit: Permit) -> Self {
        Self { lane, permit: Some(permit), ended: false }
    }

    /// Dials, and tells the lane.
    pub(super) async fn run(mut self) {
        let result = connection::connect(&self.lane.target).await;
        let result = result.map(|(sender, link)| {
            let connection = Arc::new(Connection::new(sender));
            let retire = |age| retire_in(spread(age), &self.lane, &connection.load);
            let aging = self.lane.target.max_age.map(|age| tokio::spawn(retire(age)));
            let (driver, permit) = (Driver::new(link, &connection, &self.lane), self.permit.take());
            tokio::spawn(async move {
                driver.run().await;
                drop(permit);
                // Nobody waits for the age of what has ended.
                if let Some(aging) = aging {
                    aging.abort();
                }
            });
            connection
        });
        self.ended = true;
        self.lane.dialed(result);
    }
}

impl Drop for Dial {
    fn drop(&mut self) {
        if !self.ended {
            self.lane.dialed(Err(Fault::abandoned()));
        }
    }
}

/// Takes a connection out of its lane after a while; calls on it may end.
fn retire_in(
    age: Duration,
    lane: &Arc<Lane>,
    load: &Arc<Load>,
) -> impl Future<Output = ()> + use<> {
    let (lane, load) = (Arc::downgrade(lane), Arc::downgrade(load));
    async move {
        sleep(age).await;
        if let (Some(lane), Some(load)) = (lane.upgrade(), load.upgrade()) {
            lane.remove(&load);
        }
    }
}

/// A tenth more or less, so that connections that were made together don't end together.
fn spread(age: Duration) -> Duration {
    age / 2 + jitter(age / 2)
}
