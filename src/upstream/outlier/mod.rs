//! Passive outlier ejection: an endpoint that fails too often is left out for a while (gRFC A50).
//!
//! ```text
//! calls ── Record (a counter each) ──► detect: failures in a row at once, shares once an interval
//!                                        └─► Standing::eject ──► the balancing leaves it out
//! ```
//!
//! What a call costs is one addition. Whatever is more than that is done by one task a cluster,
//! which failures in a row wake and which otherwise sleeps through the interval.

mod detect;
mod record;
mod settings;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Weak};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

pub use settings::{FailurePercentage, Outlier, SuccessRate};

use self::record::Alarm;
pub(super) use self::record::Record;
use super::{Cluster, Standing};

/// Watches a cluster's endpoints until it is dropped.
pub(super) async fn watch(cluster: Weak<Cluster>, settings: Outlier) {
    let streak = match settings.consecutive_errors {
        0 => u32::MAX,
        streak => streak,
    };
    let alarm = Arc::new(Alarm { streak, woken: Notify::new() });
    let mut due = Instant::now() + settings.interval;
    loop {
        let Some(standings) = standings(&cluster) else { return };
        // Those that joined since are armed too.
        standings.iter().for_each(|standing| standing.record().arm(Some(&alarm)));
        let now = Instant::now();
        if now >= due {
            detect::sweep(&settings, &standings, now);
            due = now + settings.interval;
        } else {
            detect::heed_streaks(&settings, &standings, now);
        }
        drop(standings);
        tokio::select! {
            () = sleep_until(due) => {}
            () = alarm.woken.notified() => {}
        }
    }
}

/// Whoever was ejected by a configuration before is taken back where there is no ejection any more.
pub(super) fn forget(standing: &Standing) {
    standing.record().arm(None);
    standing.restore();
}

fn standings(cluster: &Weak<Cluster>) -> Option<Vec<Arc<Standing>>> {
    let set = cluster.upgrade()?.endpoints();
    Some(set.members.iter().map(|member| member.endpoint.standing().clone()).collect())
}
