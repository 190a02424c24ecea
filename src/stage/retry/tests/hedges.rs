//! Attempts beside each other.

use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::{Code, Duration, Metadata, Script, answers, fails, outcome, pushes_back, retrying};
use crate::stage::testing::exchange;

fn hedging() -> Value {
    json!({ "hedge": { "delay": "50ms", "attempts": 3 } })
}

#[tokio::test(start_paused = true)]
async fn hedge_backend_in_time_is_asked_once() {
    let script = Script::of([answers("first").after(49)]);
    let chain = retrying(hedging(), &script);
    let answer = outcome(chain.call(exchange(Metadata::new(), None)).await).await;
    assert_eq!((answer, script.count()), (Ok(b"first".to_vec()), 1));
}

#[tokio::test(start_paused = true)]
async fn hedge_slow_backend_is_overtaken_and_cancelled() {
    let script = Script::of([answers("slow").after(9000), answers("quick").after(10)]);
    let chain = retrying(hedging(), &script);
    let answer = outcome(chain.call(exchange(Metadata::new(), None)).await).await;
    assert_eq!(answer, Ok(b"quick".to_vec()));
    assert_eq!((script.start.elapsed(), script.times()), (Duration::from_millis(60), vec![0, 50]));
    tokio::time::sleep(Duration::from_secs(60)).await;
    let seen = script.seen.lock().unwrap();
    assert_eq!(seen.iter().map(|seen| seen.finished).collect::<Vec<_>>(), [false, true]);
    assert_eq!(seen[1].previous.as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn hedge_first_may_still_win_behind_the_second() {
    let script = Script::of([answers("first").after(80), answers("second").after(500)]);
    let chain = retrying(hedging(), &script);
    let answer = outcome(chain.call(exchange(Metadata::new(), None)).await).await;
    assert_eq!((answer, script.count()), (Ok(b"first".to_vec()), 2));
}

#[tokio::test(start_paused = true)]
async fn hedge_failure_that_is_not_fatal_sends_the_next_at_once() {
    let script = Script::of([fails(Code::Unavailable).after(10), answers("second").after(1)]);
    let chain = retrying(hedging(), &script);
    let answer = outcome(chain.call(exchange(Metadata::new(), None)).await).await;
    assert_eq!((answer, script.times()), (Ok(b"second".to_vec()), vec![0, 10]));
}

#[tokio::test(start_paused = true)]
async fn hedge_fatal_failure_ends_all() {
    let slow = answers("slow").after(9000);
    let script = Script::of([slow, fails(Code::InvalidArgument).after(1)]);
    let chain = retrying(hedging(), &script);
    let failed = outcome(chain.call(exchange(Metadata::new(), None)).await).await;
    assert_eq!(failed, Err(Code::InvalidArgument));
    assert_eq!(script.start.elapsed(), Duration::from_millis(51));
}

#[tokio::test(start_paused = true)]
async fn hedge_all_failed_is_the_last_failure() {
    let script = Script::of([fails(Code::Unavailable).after(1)]);
    let chain = retrying(hedging(), &script);
    let failed = outcome(chain.call(exchange(Metadata::new(), None)).await).await;
    assert_eq!((failed, script.times()), (Err(Code::Unavailable), vec![0, 1, 2]));
}

#[tokio::test(start_paused = true)]
async fn hedge_pushback_delays_the_next_or_stops_them() {
    let script = Script::of([pushes_back(Code::Unavailable, "300"), answers("late")]);
    let chain = retrying(hedging(), &script);
    assert!(chain.call(exchange(Metadata::new(), None)).await.is_ok());
    assert_eq!(script.times(), [0, 300]);

    // The first is still under way when the second says no; it may answer.
    let slow = answers("slow").after(400);
    let script = Script::of([slow, pushes_back(Code::Unavailable, "-1"), answers("third")]);
    let chain = retrying(hedging(), &script);
    let answer = outcome(chain.call(exchange(Metadata::new(), None)).await).await;
    assert_eq!((answer, script.times()), (Ok(b"slow".to_vec()), vec![0, 50]));
}

#[tokio::test(start_paused = true)]
async fn hedge_without_delay_sends_all_at_once() {
    let script = Script::of([answers("").after(5)]);
    let chain = retrying(json!({ "hedge": { "delay": "0s" } }), &script);
    assert!(chain.call(exchange(Metadata::new(), None)).await.is_ok());
    assert_eq!(script.times(), [0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn hedge_budget_used_up_sends_no_second() {
    let script = Script::of([fails(Code::Unavailable).after(10)]);
    let mut settings = hedging();
    settings["budget"] = json!({ "tokens": 2 });
    let chain = retrying(settings, &script);
    assert!(chain.call(exchange(Metadata::new(), None)).await.is_err());
    assert_eq!(script.count(), 1, "one failure of two tokens leaves half");
}

#[tokio::test(start_paused = true)]
async fn hedge_caller_that_leaves_cancels_every_attempt() {
    let script = Script::of([answers("late").after(9000)]);
    let chain = retrying(hedging(), &script);
    let start = Instant::now();
    let call = chain.call(exchange(Metadata::new(), None));
    assert!(timeout(Duration::from_millis(70), call).await.is_err());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(start.elapsed() > Duration::from_secs(60));
    let seen = script.seen.lock().unwrap();
    assert_eq!(seen.len(), 2, "no third after the caller left");
    assert!(seen.iter().all(|seen| !seen.finished));
}

#[tokio::test(start_paused = true)]
async fn hedge_none_is_sent_after_the_deadline() {
    let script = Script::of([fails(Code::Unavailable).after(30)]);
    let chain = retrying(json!({ "hedge": { "delay": "1s" } }), &script);
    let deadline = script.start + Duration::from_millis(20);
    assert!(chain.call(exchange(Metadata::new(), Some(deadline))).await.is_err());
    assert_eq!(script.count(), 1);
}
