//! Attempts one after another.

use serde_json::json;
use tokio::time::{Instant, timeout};

use super::{
    Act, Code, Duration, Messages, Metadata, Reply, Script, answers, fails, idempotent, outcome,
    pushes_back, retrying,
};
use crate::stage::testing::{Ticks, build, chain, exchange};

/// Pauses without chance would hide nothing; a seed makes each run the same.
fn seed() {
    fastrand::seed(3);
}

#[tokio::test(start_paused = true)]
async fn retry_backend_fails_twice_then_answers_is_an_answer() {
    seed();
    let script =
        Script::of([fails(Code::Unavailable), fails(Code::Unavailable), answers("at last")]);
    let chain = retrying(json!({ "backoff": { "initial": "100ms" } }), &script);
    let mut call = exchange(Metadata::new(), None);
    call.messages = Messages::one("asked".into());
    call.metadata.insert("grpc-previous-rpc-attempts", "7".parse().unwrap());
    assert_eq!(outcome(chain.call(call).await).await, Ok(b"at last".to_vec()));
    let seen = script.seen.lock().unwrap();
    let numbers: Vec<_> = seen.iter().map(|seen| seen.number).collect();
    assert_eq!(numbers, [0, 1, 2]);
    let previous: Vec<_> = seen.iter().map(|seen| seen.previous.as_deref()).collect();
    assert_eq!(previous, [None, Some("1"), Some("2")], "the caller's own count is not passed on");
    assert!(seen.iter().all(|seen| seen.message == b"asked"));
    // 100 ms, then 200 ms, each a fifth more or less.
    assert!((80..=121).contains(&seen[1].at), "{seen:?}");
    assert!((160..=241).contains(&(seen[2].at - seen[1].at)), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn retry_attempts_used_up_is_the_last_failure() {
    let acts = [Code::Unavailable, Code::Unavailable, Code::Aborted].map(fails);
    let script = Script::of(acts);
    let chain = retrying(json!({ "codes": ["UNAVAILABLE", "ABORTED"] }), &script);
    let failed = outcome(chain.call(exchange(Metadata::new(), None)).await).await;
    assert_eq!((failed, script.count()), (Err(Code::Aborted), 3));
}

#[tokio::test(start_paused = true)]
async fn retry_another_code_is_final() {
    let script = Script::of([fails(Code::NotFound)]);
    let chain = retrying(json!({}), &script);
    let failed = outcome(chain.call(exchange(Metadata::new(), None)).await).await;
    assert_eq!((failed, script.count()), (Err(Code::NotFound), 1));
}

#[tokio::test(start_paused = true)]
async fn retry_pushback_sets_the_pause_or_forbids() {
    let script = Script::of([pushes_back(Code::Unavailable, "1234"), answers("")]);
    let chain = retrying(json!({}), &script);
    assert!(chain.call(exchange(Metadata::new(), None)).await.is_ok());
    assert_eq!(script.times()[1], 1234);
    for never in ["-1", "later"] {
        let script = Script::of([pushes_back(Code::Unavailable, never)]);
        let chain = retrying(json!({}), &script);
        assert!(chain.call(exchange(Metadata::new(), None)).await.is_err());
        assert_eq!(script.count(), 1, "{never}");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_deadline_nearer_than_the_pause_fails_at_once() {
    seed();
    let script = Script::of([fails(Code::Unavailable)]);
    let chain = retrying(json!({ "backoff": { "initial": "1s" } }), &script);
    let deadline = script.start + Duration::from_millis(700);
    let failed = outcome(chain.call(exchange(Metadata::new(), Some(deadline))).await).await;
    assert_eq!((failed, script.count()), (Err(Code::Unavailable), 1));
    assert_eq!(script.start.elapsed(), Duration::ZERO, "nobody waits for nothing");
}

#[tokio::test(start_paused = true)]
async fn retry_every_attempt_hears_of_the_same_deadline() {
    let script = Script::of([fails(Code::Unavailable), answers("")]);
    let chain = retrying(json!({}), &script);
    let deadline = script.start + Duration::from_secs(9);
    assert!(chain.call(exchange(Metadata::new(), Some(deadline))).await.is_ok());
    let deadlines: Vec<_> = script.seen.lock().unwrap().iter().map(|s| s.deadline).collect();
    assert_eq!(deadlines, [Some(9000), Some(9000)]);
}

#[tokio::test(start_paused = true)]
async fn retry_attempt_too_slow_is_cancelled_and_made_anew() {
    seed();
    let slow = answers("late").after(60_000);
    let script = Script::of([slow, answers("in time").after(10)]);
    let chain = retrying(json!({ "per_try_timeout": "1s" }), &script);
    let deadline = script.start + Duration::from_secs(9);
    let answer = chain.call(exchange(Metadata::new(), Some(deadline))).await;
    assert_eq!(outcome(answer).await, Ok(b"in time".to_vec()));
    let seen = script.seen.lock().unwrap();
    assert_eq!(seen.iter().map(|seen| seen.finished).collect::<Vec<_>>(), [false, true]);
    assert_eq!(seen[0].deadline, Some(1000), "the backend hears of the time for its attempt");
    assert_eq!(seen[1].deadline, Some(seen[1].at + 1000));
}

#[tokio::test(start_paused = true)]
async fn retry_all_attempts_too_slow_is_deadline_exceeded() {
    let script = Script::of([answers("late").after(60_000)]);
    let chain = retrying(json!({ "per_try_timeout": "1s", "attempts": 2 }), &script);
    let error = chain.call(exchange(Metadata::new(), None)).await.err().expect("a failure");
    assert_eq!((error.code(), error.reason()), (Code::DeadlineExceeded, "per_try_timeout"));
    assert_eq!(script.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn retry_backend_that_keeps_the_time_of_an_attempt_itself_is_asked_again() {
    let script = Script::of([fails(Code::DeadlineExceeded).after(999), answers("")]);
    let chain = retrying(json!({ "per_try_timeout": "1s" }), &script);
    assert!(chain.call(exchange(Metadata::new(), None)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn retry_stream_that_has_begun_is_committed() {
    let method = crate::schema::Method { server_streaming: true, ..idempotent() };
    let stage = build("retry", Some(json!({ "per_try_timeout": "1s" })), &method);
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let upstream = crate::stage::testing::answers(move |exchange| {
        assert_eq!(calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0, "called twice");
        assert_eq!(exchange.deadline, None, "a stream outlives the time for its beginning");
        let ticks = Ticks::new(Duration::from_secs(2), Some(3), std::sync::Arc::default());
        Ok(Reply { metadata: Metadata::new(), messages: Messages::stream(ticks) })
    });
    let chain = chain(stage.unwrap().unwrap(), upstream);
    let mut call = exchange(Metadata::new(), None);
    call.method = std::sync::Arc::new(method);
    let mut reply = chain.call(call).await.unwrap();
    let mut messages = 0;
    while let Some(message) = reply.messages.next().await {
        message.unwrap();
        messages += 1;
    }
    assert_eq!(messages, 3);
}

#[tokio::test(start_paused = true)]
async fn retry_budget_used_up_leaves_first_attempts_alone() {
    seed();
    let script = Script::of([fails(Code::Unavailable)]);
    let settings = json!({ "budget": { "tokens": 10, "ratio": 0.1 }, "attempts": 5 });
    let chain = retrying(settings, &script);
    assert!(chain.call(exchange(Metadata::new(), None)).await.is_err());
    assert_eq!(script.count(), 5, "the fifth failure leaves half, and there is no sixth attempt");
    for _ in 0..3 {
        assert!(chain.call(exchange(Metadata::new(), None)).await.is_err());
    }
    assert_eq!(script.count(), 8);
}

#[tokio::test(start_paused = true)]
async fn retry_caller_that_leaves_ends_attempt_and_pause() {
    seed();
    // While an attempt is under way …
    let script = Script::of([answers("late").after(60_000)]);
    let chain = retrying(json!({}), &script);
    let call = chain.call(exchange(Metadata::new(), None));
    assert!(timeout(Duration::from_secs(1), call).await.is_err());
    assert!(!script.seen.lock().unwrap()[0].finished);
    // … and in the pause after one.
    let script = Script::of([fails(Code::Unavailable)]);
    let chain = retrying(json!({ "backoff": { "initial": "1s" } }), &script);
    let call = chain.call(exchange(Metadata::new(), None));
    assert!(timeout(Duration::from_millis(500), call).await.is_err());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(script.count(), 1, "an attempt was made for nobody");
}

#[tokio::test(start_paused = true)]
async fn retry_message_that_arrives_over_time_is_kept_for_every_attempt() {
    let script = Script::of([fails(Code::Unavailable), answers("")]);
    let chain = retrying(json!({}), &script);
    let mut call = exchange(Metadata::new(), None);
    let ticks = Ticks::new(Duration::from_millis(5), Some(1), std::sync::Arc::default());
    call.messages = Messages::stream(ticks);
    assert!(chain.call(call).await.is_ok());
    let seen = script.seen.lock().unwrap();
    assert!(seen.iter().all(|seen| seen.message == b"tick"));
    assert_eq!(seen.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn retry_first_attempt_that_succeeds_takes_no_time() {
    let script = Script::of([Act { after: 0, outcome: Ok(b"") }]);
    let chain = retrying(json!({ "per_try_timeout": "1s" }), &script);
    let start = Instant::now();
    assert!(chain.call(exchange(Metadata::new(), None)).await.is_ok());
    assert_eq!((start.elapsed(), script.count()), (Duration::from_millis(0), 1));
}
