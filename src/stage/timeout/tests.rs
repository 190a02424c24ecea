//! The deadline on paused time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::time::Instant;

use crate::{
    error::{Code, Error},
    exchange::{Exchange, Messages, Metadata, Reply, Upstream},
    stage::testing::{Slow, Ticks, answers, build, chain, exchange, method},
};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn finding(settings: serde_json::Value) -> (String, String) {
    match build("timeout", Some(settings), &method(false)) {
        Err(finding) => finding,
        Ok(_) => panic!("refused"),
    }
}

/// Calls a backend that needs `after`; gives the outcome and how long the caller waited.
async fn call_slow(
    setting: Option<&str>,
    asked: Option<Duration>,
    after: Duration,
) -> (Result<Reply, Error>, Duration, bool) {
    let stage = build("timeout", setting.map(|text| json!(text)), &method(false));
    let finished = Arc::new(AtomicBool::new(false));
    let upstream = Slow { after, finished: finished.clone() };
    let chain = chain(stage.expect("good settings").expect("a stage"), upstream);
    let start = Instant::now();
    let outcome = chain.call(exchange(Metadata::new(), asked.map(|asked| start + asked))).await;
    (outcome, start.elapsed(), finished.load(Ordering::SeqCst))
}

#[tokio::test(start_paused = true)]
async fn timeout_backend_too_slow_is_deadline_exceeded_and_cancelled() {
    let (outcome, waited, finished) = call_slow(Some("2s"), None, seconds(3)).await;
    assert_eq!(outcome.err().map(|error| error.code()), Some(Code::DeadlineExceeded));
    assert_eq!((waited, finished), (seconds(2), false));
}

#[tokio::test(start_paused = true)]
async fn timeout_backend_in_time_answers() {
    let (outcome, waited, finished) = call_slow(Some("2s"), None, seconds(1)).await;
    assert!(outcome.is_ok());
    assert_eq!((waited, finished), (seconds(1), true));
}

#[tokio::test(start_paused = true)]
async fn timeout_caller_asks_for_less_is_heeded() {
    let (outcome, waited, _) = call_slow(Some("10s"), Some(seconds(1)), seconds(3)).await;
    assert!(outcome.is_err());
    assert_eq!(waited, seconds(1));
}

#[tokio::test(start_paused = true)]
async fn timeout_caller_asks_for_more_is_capped() {
    let (outcome, waited, _) = call_slow(Some("2s"), Some(seconds(60)), seconds(30)).await;
    assert!(outcome.is_err());
    assert_eq!(waited, seconds(2));
}

#[tokio::test(start_paused = true)]
async fn timeout_unary_default_is_15_seconds() {
    let (outcome, waited, _) = call_slow(None, None, seconds(60)).await;
    assert!(outcome.is_err());
    assert_eq!(waited, seconds(15));
}

#[tokio::test(start_paused = true)]
async fn timeout_none_waits_for_the_backend() {
    let (outcome, waited, _) = call_slow(Some("none"), None, seconds(3600)).await;
    assert!(outcome.is_ok());
    assert_eq!(waited, seconds(3600));
}

#[tokio::test(start_paused = true)]
async fn timeout_deadline_already_passed_never_reaches_the_backend() {
    let stage = build("timeout", None, &method(false)).unwrap().unwrap();
    let chain = chain(stage, answers(|_| panic!("the backend was called")));
    let outcome = chain.call(exchange(Metadata::new(), Some(Instant::now()))).await;
    assert_eq!(outcome.err().map(|error| error.code()), Some(Code::DeadlineExceeded));
}

#[tokio::test(start_paused = true)]
async fn timeout_is_told_to_the_backend_as_the_exchange_deadline() {
    let stage = build("timeout", Some(json!("3s")), &method(false)).unwrap().unwrap();
    let chain = chain(
        stage,
        answers(|exchange| {
            assert_eq!(exchange.deadline, Some(Instant::now() + seconds(3)));
            Ok(Reply { metadata: Metadata::new(), messages: Messages::one(Bytes::new()) })
        }),
    );
    assert!(chain.call(exchange(Metadata::new(), None)).await.is_ok());
}

/// A backend that says CANCELLED after this time.
struct Cancels(Duration);

impl Upstream for Cancels {
    fn call(&self, _: Exchange) -> BoxFuture<'_, Result<Reply, Error>> {
        Box::pin(async {
            tokio::time::sleep(self.0).await;
            Err(Error::new(Code::Cancelled, "upstream_status", "as asked"))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn timeout_backend_that_cancels_at_the_deadline_kept_it_for_us() {
    for (after, code) in [(1_999, Code::DeadlineExceeded), (1_900, Code::Cancelled)] {
        let stage = build("timeout", Some(json!("2s")), &method(false)).unwrap().unwrap();
        let chain = chain(stage, Cancels(Duration::from_millis(after)));
        let outcome = chain.call(exchange(Metadata::new(), None)).await;
        assert_eq!(outcome.err().map(|error| error.code()), Some(code), "after {after} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn timeout_stream_by_default_has_none() {
    let stage = build("timeout", None, &method(true)).unwrap().unwrap();
    let chain = chain(
        stage,
        answers(|exchange| {
            assert_eq!(exchange.deadline, None);
            Ok(Reply { metadata: Metadata::new(), messages: Messages::none() })
        }),
    );
    assert!(chain.call(exchange(Metadata::new(), None)).await.is_ok());
}

/// A reply of ticks, one a period, under a limit of 5 seconds.
async fn call_ticks(period: Duration, count: Option<usize>) -> (Reply, Arc<AtomicBool>) {
    let stage = build("timeout", Some(json!("5s")), &method(true)).unwrap().unwrap();
    let dropped = Arc::new(AtomicBool::new(false));
    let seen = dropped.clone();
    let chain = chain(
        stage,
        answers(move |_| {
            let messages = Messages::stream(Ticks::new(period, count, dropped.clone()));
            Ok(Reply { metadata: Metadata::new(), messages })
        }),
    );
    (chain.call(exchange(Metadata::new(), None)).await.unwrap(), seen)
}

#[tokio::test(start_paused = true)]
async fn timeout_passes_between_messages_and_drops_the_backend_stream() {
    let (mut reply, dropped) = call_ticks(seconds(2), None).await;
    let start = Instant::now();
    assert!(matches!(reply.messages.next().await, Some(Ok(_))));
    assert!(matches!(reply.messages.next().await, Some(Ok(_))));
    assert!(!dropped.load(Ordering::SeqCst));
    let late = reply.messages.next().await.unwrap().unwrap_err();
    assert_eq!((late.code(), start.elapsed()), (Code::DeadlineExceeded, seconds(5)));
    assert!(dropped.load(Ordering::SeqCst), "the call goes on behind the caller's back");
    assert!(reply.messages.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn timeout_backend_that_is_always_ready_cannot_outrun_it() {
    let (mut reply, _) = call_ticks(Duration::ZERO, None).await;
    tokio::time::advance(seconds(6)).await;
    let mut messages = 0;
    while let Some(Ok(_)) = reply.messages.next().await {
        messages += 1;
        assert!(messages < 1000, "the deadline is never looked at");
    }
}

#[tokio::test(start_paused = true)]
async fn timeout_stream_that_ends_in_time_keeps_its_trailers() {
    let (mut reply, _) = call_ticks(seconds(1), Some(3)).await;
    let mut messages = 0;
    while let Some(message) = reply.messages.next().await {
        message.unwrap();
        messages += 1;
    }
    assert_eq!(messages, 3);
    assert_eq!(reply.messages.take_trailers()["ticked"], "yes");
}

#[test]
fn timeout_settings_that_are_no_duration_say_what_to_write() {
    for (wrong, part) in [
        (json!("5"), "such as `5s`"),
        (json!("soon"), "`soon` is not a duration"),
        (json!(5), "with its unit"),
        (json!("0s"), "`none`"),
        (json!(null), "or `none`"),
    ] {
        let (path, message) = finding(wrong);
        assert_eq!(path, "");
        assert!(message.contains(part), "{message}");
    }
}
