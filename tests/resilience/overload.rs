//! More calls than a backend works on.

use futures_util::{StreamExt, stream::FuturesUnordered};

use super::site::{Counted, Hold, Site};

#[tokio::test]
async fn admission_more_calls_than_the_limit_are_503_with_retry_after() {
    let hold = Hold::new();
    let held = hold.clone();
    let backend = Counted::start(move |_, _, reply| held.clone().answer(reply)).await;
    let policy = "admission: { min_limit: 2, initial_limit: 2 }";
    let site = Site::before(&[backend.address], "", policy).await;
    let mut calls: FuturesUnordered<_> = (0..6).map(|_| site.call()).collect();
    for _ in 0..4 {
        let refused = calls.next().await.unwrap();
        let seconds: u32 = refused.header("retry-after").parse().unwrap();
        assert!((1..=3).contains(&seconds));
        refused.refusal(503, 14);
    }
    hold.open();
    while let Some(response) = calls.next().await {
        assert_eq!(response.status, 200, "{}", response.text());
    }
    assert_eq!(site.call().await.status, 200);
}
