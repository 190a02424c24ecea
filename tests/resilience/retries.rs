//! Attempts after another.

use std::sync::{Arc, Mutex};

use h2::Reason;

use super::site::{Counted, Hold, Site, fail, succeed};
use crate::support::{
    backend::{Answer, Asked},
    http1, within,
};

const RETRY: &str = "retry: { backoff: { initial: 1ms, max: 5ms } }";

#[tokio::test]
async fn retry_backend_that_fails_twice_then_answers_costs_no_caller_anything() {
    let backend = Counted::failing(2, "14").await;
    let site = Site::before(&[backend.address], "", RETRY).await;
    let response = site.call().await;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(backend.calls(), 3);
}

#[tokio::test]
async fn retry_attempts_used_up_is_the_backends_failure() {
    let backend = Counted::failing(usize::MAX, "14").await;
    let site = Site::before(&[backend.address], "", RETRY).await;
    site.call().await.refusal(503, 14);
    assert_eq!(backend.calls(), 3);
}

#[tokio::test]
async fn retry_method_that_may_not_be_repeated_is_called_once() {
    let backend = Counted::failing(usize::MAX, "14").await;
    let site = Site::before(&[backend.address], "", RETRY).await;
    site.post().await.refusal(503, 14);
    assert_eq!(backend.calls(), 1);
    let policy = "retry: { methods: all, backoff: { initial: 1ms, max: 5ms } }";
    let site = Site::before(&[backend.address], "", policy).await;
    site.post().await.refusal(503, 14);
    assert_eq!(backend.calls(), 4);
}

#[tokio::test]
async fn retry_pushback_that_forbids_is_heeded() {
    let backend = Counted::start(|_, _, reply| async move {
        fail(reply, &[("grpc-status", "14"), ("grpc-retry-pushback-ms", "-1")]).await;
    })
    .await;
    let site = Site::before(&[backend.address], "", RETRY).await;
    site.call().await.refusal(503, 14);
    assert_eq!(backend.calls(), 1);
}

#[tokio::test]
async fn retry_backend_hears_how_often_it_was_tried_and_of_less_time_each_time() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let noted = heads.clone();
    let backend = Counted::start(move |number, asked: Asked, reply: Answer| {
        noted.lock().unwrap().push(asked.headers().clone());
        async move {
            match number {
                2 => succeed(reply).await,
                _ => fail(reply, &[("grpc-status", "14")]).await,
            }
        }
    })
    .await;
    let policy = "timeout: 20s, retry: { backoff: { initial: 20ms } }";
    let site = Site::before(&[backend.address], "", policy).await;
    assert_eq!(site.call().await.status, 200);
    let heads = heads.lock().unwrap();
    let previous: Vec<_> = heads
        .iter()
        .map(|head| head.get("grpc-previous-rpc-attempts").map(|value| value.to_str().unwrap()))
        .collect();
    assert_eq!(previous, [None, Some("1"), Some("2")]);
    let left = |place: usize| -> u64 {
        let text = heads[place]["grpc-timeout"].to_str().unwrap();
        text.strip_suffix('u').expect("microseconds").parse().unwrap()
    };
    assert!(left(0) > left(1) && left(1) > left(2), "{} {} {}", left(0), left(1), left(2));
}

#[tokio::test]
async fn retry_backend_that_resets_each_tenth_call_costs_no_caller_anything() {
    let backend = Counted::start(|number, _, mut reply: Answer| async move {
        if number % 10 == 9 {
            reply.send_reset(Reason::INTERNAL_ERROR)
        } else {
            succeed(reply).await
        }
    })
    .await;
    let policy = "retry: { codes: [UNAVAILABLE, INTERNAL], backoff: { initial: 1ms, max: 5ms } }";
    let site = Site::before(&[backend.address], "", policy).await;
    for _ in 0..100 {
        let response = site.call().await;
        assert_eq!(response.status, 200, "{}", response.text());
    }
    assert_eq!(backend.calls(), 111);
}

#[tokio::test]
async fn retry_backend_that_accepts_and_never_answers_is_left_for_another() {
    let hold = Hold::new();
    let held = hold.clone();
    let silent = Counted::start(move |_, _, reply| held.clone().answer(reply)).await;
    let sound = Counted::sound().await;
    // Attempts enough for a machine that is too busy to answer some of them in time.
    let policy = "retry: { attempts: 5, per_try_timeout: 300ms, backoff: { initial: 1ms } }";
    let site = Site::before(&[silent.address, sound.address], "", policy).await;
    for _ in 0..6 {
        assert_eq!(site.call().await.status, 200);
    }
    assert!(sound.calls() >= 6);
}

#[tokio::test]
async fn retry_caller_that_leaves_cancels_the_attempt_under_way() {
    let hold = Hold::new();
    let held = hold.clone();
    let backend = Counted::start(move |_, _, reply| held.clone().answer(reply)).await;
    let site = Site::before(&[backend.address], "", RETRY).await;
    let mut connection = http1::Connection::open(site.gateway.address).await;
    connection.send(b"DELETE /v1/shelves/a/books/b HTTP/1.1\r\nhost: a\r\n\r\n").await;
    within("the call to arrive", async {
        while backend.calls() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(connection);
    within("the backend to be told", hold.cancelled.notified()).await;
    assert_eq!(backend.calls(), 1);
}
