//! Bounds of what an upstream takes up.

use futures_util::{StreamExt, stream::FuturesUnordered};

use super::site::{Counted, Hold, Site, endpoints};

/// A backend that answers nobody until it is let.
async fn held() -> (Counted, Hold) {
    let hold = Hold::new();
    let held = hold.clone();
    (Counted::start(move |_, _, reply| held.clone().answer(reply)).await, hold)
}

#[tokio::test]
async fn breaker_calls_above_the_limit_are_refused_once_and_at_once() {
    let (backend, hold) = held().await;
    let policy = "retry: { backoff: { initial: 1ms } }";
    let site = Site::before(&[backend.address], "breaker: { max_requests: 2 }", policy).await;
    let mut calls: FuturesUnordered<_> = (0..5).map(|_| site.call()).collect();
    for _ in 0..3 {
        calls.next().await.unwrap().refusal(503, 14);
    }
    hold.open();
    while let Some(response) = calls.next().await {
        assert_eq!(response.status, 200, "{}", response.text());
    }
    assert_eq!(backend.calls(), 2, "what the breaker refuses is not tried again");
    assert_eq!(site.call().await.status, 200, "places come back");
}

#[tokio::test]
async fn breaker_retries_above_the_limit_end_with_the_first_failure() {
    let backend = Counted::failing(usize::MAX, "14").await;
    let policy = "retry: { backoff: { initial: 1ms } }";
    let site = Site::before(&[backend.address], "breaker: { max_retries: 0 }", policy).await;
    site.call().await.refusal(503, 14);
    assert_eq!(backend.calls(), 1);
}

#[tokio::test]
async fn breaker_upstream_that_hangs_takes_none_of_another() {
    let (slow, hold) = held().await;
    let sound = Counted::sound().await;
    let upstreams = format!(
        "slow: {{ {}, breaker: {{ max_requests: 3 }} }}\nsound: {{ {} }}",
        endpoints(&[slow.address]),
        endpoints(&[sound.address]),
    );
    let services =
        "\"*\": { upstream: sound }\n\"bookshelf.v1.Bookshelf.DeleteBook\": { upstream: slow }";
    let site = Site::with(&upstreams, services).await;
    let mut stuck: FuturesUnordered<_> = (0..20).map(|_| site.call()).collect();
    for _ in 0..17 {
        stuck.next().await.unwrap().refusal(503, 14);
    }
    for _ in 0..20 {
        assert_eq!(site.post().await.status, 200);
    }
    hold.open();
    while let Some(response) = stuck.next().await {
        assert_eq!(response.status, 200);
    }
}
