//! Backends that can't be reached, or that break calls off.

use h2::Reason;

use super::{RETRY, among, endure};
use crate::{
    resilience::site::{Counted, Site, succeed},
    support::backend::{self, Answer},
};

#[tokio::test]
async fn bad_day_connections_refused_fail_no_call() {
    let (nobody, _port) = backend::nobody();
    let sound = [Counted::sound().await.address, Counted::sound().await.address];
    let site = Site::before(&among(nobody, sound), "outlier: {}", RETRY).await;
    endure("one of three refuses connections", &site).await;
}

#[tokio::test]
async fn bad_day_each_tenth_call_reset_fails_no_call() {
    let flaky = Counted::start(|number, _, mut reply: Answer| async move {
        if number % 10 == 9 {
            reply.send_reset(Reason::INTERNAL_ERROR)
        } else {
            succeed(reply).await
        }
    })
    .await;
    let sound = [Counted::sound().await.address, Counted::sound().await.address];
    let policy = "retry: { codes: [UNAVAILABLE, INTERNAL], backoff: { initial: 5ms } }";
    let site = Site::before(&among(flaky.address, sound), "balance: round_robin", policy).await;
    endure("one of three resets each tenth call", &site).await;
    assert!(flaky.calls() >= 50, "{} calls", flaky.calls());
}
