//! Endpoints that are left out for what their calls came to.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use super::site::{Counted, Site, fail, succeed};

#[tokio::test]
async fn outlier_backend_that_fails_in_a_row_is_left_out() {
    let bad = Counted::failing(usize::MAX, "14").await;
    let (good, other) = (Counted::sound().await, Counted::sound().await);
    let upstream = "outlier: { consecutive_errors: 3, base_ejection_time: 1h }";
    let site = Site::before(&[bad.address, good.address, other.address], upstream, "").await;
    site.avoids(&bad).await;
    assert!(bad.calls() >= 3);
}

#[tokio::test]
async fn outlier_backend_that_is_well_again_comes_back() {
    let is_well = Arc::new(AtomicBool::new(false));
    let state = is_well.clone();
    let sick = Counted::start(move |_, _, reply| {
        let is_well = state.load(SeqCst);
        async move {
            if is_well { succeed(reply).await } else { fail(reply, &[("grpc-status", "14")]).await }
        }
    })
    .await;
    let good = Counted::sound().await;
    // Each ejection is longer by as much, so one of them is long enough to be seen.
    let upstream = "outlier: { consecutive_errors: 3, base_ejection_time: 500ms }";
    let site = Site::before(&[sick.address, good.address], upstream, "").await;
    site.avoids(&sick).await;
    is_well.store(true, SeqCst);
    site.reaches(&sick).await;
}

#[tokio::test]
async fn outlier_callers_mistakes_leave_the_backend_alone() {
    let picky = Counted::failing(usize::MAX, "3").await;
    let upstream =
        "outlier: { consecutive_errors: 1, base_ejection_time: 1h }, balance: round_robin";
    let good = Counted::sound().await;
    let site = Site::before(&[picky.address, good.address], upstream, "").await;
    for _ in 0..20 {
        site.call().await;
    }
    assert!(picky.calls() >= 8, "{} of 20 calls", picky.calls());
}
