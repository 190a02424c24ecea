//! Backends that take what they are sent and say nothing.

use std::future::pending;

use super::{among, endure};
use crate::{
    resilience::site::{Counted, Site},
    support::backend,
};

#[tokio::test]
async fn bad_day_backend_that_accepts_and_never_answers_fails_no_call() {
    let silent = Counted::start(|_, _, reply| async move {
        // Dropped, the call would be reset.
        let _reply = reply;
        pending().await
    })
    .await;
    let sound = [Counted::sound().await.address, Counted::sound().await.address];
    let policy = "retry: { attempts: 5, per_try_timeout: 1s, backoff: { initial: 5ms } }";
    let upstream = "outlier: { consecutive_errors: 3 }";
    let site = Site::before(&among(silent.address, sound), upstream, policy).await;
    endure("one of three takes calls and never answers", &site).await;
    assert!(silent.calls() > 0);
}

#[tokio::test]
async fn bad_day_backend_that_accepts_connections_and_says_nothing_fails_no_call() {
    let silent = backend::raw(|stream| async move {
        let _stream = stream;
        pending().await
    })
    .await;
    let sound = [Counted::sound().await.address, Counted::sound().await.address];
    let upstream = "connect_timeout: 1s";
    let site = Site::before(&among(silent, sound), upstream, super::RETRY).await;
    endure("one of three takes connections and says nothing", &site).await;
}
