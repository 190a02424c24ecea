//! Attempts beside another.

use super::site::{Counted, Hold, Site};
use crate::support::within;

const HEDGE: &str = "retry: { hedge: { delay: 20ms } }";

#[tokio::test]
async fn hedge_slow_replica_is_overtaken_and_cancelled() {
    let hold = Hold::new();
    let held = hold.clone();
    let slow = Counted::start(move |_, _, reply| held.clone().answer(reply)).await;
    let quick = Counted::sound().await;
    let site = Site::before(&[slow.address, quick.address], "", HEDGE).await;
    let mut hedged = 0;
    while hedged < 3 {
        let before = slow.calls();
        assert_eq!(site.call().await.status, 200);
        if slow.calls() > before {
            within("the slow replica to be told", hold.cancelled.notified()).await;
            hedged += 1;
        }
    }
}

#[tokio::test]
async fn hedge_replica_that_fails_sends_the_next_without_delay() {
    let failing = Counted::failing(usize::MAX, "14").await;
    let sound = Counted::sound().await;
    let policy = "timeout: 20s, retry: { hedge: { delay: 1h } }";
    let site = Site::before(&[failing.address, sound.address], "", policy).await;
    for _ in 0..6 {
        assert_eq!(site.call().await.status, 200);
    }
}
