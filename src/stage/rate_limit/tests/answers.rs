//! What callers hear: fields of answers, and refusals.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use prost::Message as _;
use serde_json::json;

use super::{
    super::count::{Answer, Ask, Count, Verdict, Verdicts},
    Bench, call, count, empty, pass_millis, refused, set_unix,
};
use crate::{
    error::{Code, Origin},
    stage::testing::{answers, chain},
};

fn field(headers: &http::HeaderMap, name: &str) -> String {
    let lines = headers.get_all(name).into_iter().map(|value| value.to_str().unwrap());
    lines.collect::<Vec<_>>().join(" | ")
}

#[tokio::test]
async fn answers_say_what_is_left_and_until_when() {
    let limits = json!({ "limits": {
        "a": { "rate": "100/min" },
        "b": { "quota": "10/day" },
        "c": { "concurrency": 3 },
        "quiet": { "rate": "1/h", "shadow": true },
    } });
    let chain = Bench::default().chain(&limits, false);
    set_unix(1_772_323_200 + 23 * 3600);
    let reply = chain.call(call(&[])).await.unwrap();
    let policy = r#""a";q=100;w=60, "b";q=10;w=86400, "c";q=3;qu="concurrent-requests""#;
    assert_eq!(field(&reply.metadata, "ratelimit-policy"), policy);
    let state = r#""a";r=99;t=1, "b";r=9;t=3600, "c";r=2"#;
    assert_eq!(field(&reply.metadata, "ratelimit"), state);
}

#[tokio::test]
async fn answers_say_nothing_where_nobody_wants_it() {
    let limits = json!({ "limits": { "a": { "rate": "1/min" } }, "headers": false });
    let chain = Bench::default().chain(&limits, false);
    let reply = chain.call(call(&[])).await.unwrap();
    assert!(reply.metadata.is_empty());
    let error = refused(&chain, call(&[])).await;
    assert_eq!(field(error.headers(), "ratelimit"), "");
    assert_eq!(field(error.headers(), "retry-after"), "60");
}

#[tokio::test]
async fn errors_of_backends_say_what_is_left_too() {
    let limits = json!({ "limits": { "a": { "rate": "2/min" } } });
    let stage = Bench::default().stage(&limits, false);
    let chain = chain(
        Box::new(stage),
        answers(|_| Err(crate::error::Error::not_found("gone", "there is no such book"))),
    );
    let error = refused(&chain, call(&[])).await;
    assert_eq!(error.code(), Code::NotFound);
    assert_eq!(field(error.headers(), "ratelimit"), r#""a";r=1;t=30"#);
}

#[tokio::test]
async fn refusal_says_why_and_when_to_come_again_and_calls_nobody() {
    let called = Arc::new(AtomicUsize::new(0));
    let counted = called.clone();
    let limits = json!({ "limits": { "calls": { "rate": "4/10s", "burst": 2 } } });
    let chain = chain(
        Box::new(Bench::default().stage(&limits, false)),
        answers(move |_| {
            counted.fetch_add(1, SeqCst);
            Ok(empty())
        }),
    );
    assert_eq!(count(&chain, 2, || call(&[])).await, 2);
    pass_millis(100);
    let error = refused(&chain, call(&[])).await;
    assert_eq!(called.load(SeqCst), 2);
    assert_eq!((error.code(), error.http_status().as_u16()), (Code::ResourceExhausted, 429));
    assert_eq!((error.reason(), error.origin()), ("rate_limited", Origin::Downstream));
    let message = "too many calls: the limit `calls` allows 2 in 5s; try again in 3s";
    assert_eq!(error.message(), message);
    assert_eq!(field(error.headers(), "retry-after"), "3");
    assert_eq!(field(error.headers(), "ratelimit"), r#""calls";r=0;t=5"#);
    let [detail] = error.details() else { panic!("one detail: {error:?}") };
    assert_eq!(detail.type_url, "type.googleapis.com/google.rpc.RetryInfo");
    // 2.4 s: RetryInfo { retry_delay { seconds: 2, nanos: 400000000 } }
    let info = prost_types::Duration::decode(&detail.value[2..]).unwrap();
    assert_eq!((info.seconds, info.nanos), (2, 400_000_000));
    // And then it is so.
    pass_millis(2399);
    refused(&chain, call(&[])).await;
    pass_millis(1);
    assert_eq!(count(&chain, 2, || call(&[])).await, 1);
}

#[tokio::test]
async fn refusal_of_a_quota_lasts_until_midnight() {
    let limits = json!({ "limits": { "daily": { "quota": "1/day" } } });
    let chain = Bench::default().chain(&limits, false);
    assert_eq!(count(&chain, 1, || call(&[])).await, 1);
    let error = refused(&chain, call(&[])).await;
    assert_eq!(
        (error.reason(), &*field(error.headers(), "retry-after")),
        ("quota_exhausted", "86400")
    );
    pass_millis(86_399_000);
    refused(&chain, call(&[])).await;
    pass_millis(1000);
    assert_eq!(count(&chain, 2, || call(&[])).await, 1);
}

#[tokio::test]
async fn of_several_refusals_the_longest_wait_is_told() {
    let limits = json!({ "limits": {
        "slow": { "rate": "1/min" }, "slower": { "rate": "1/h" }, "fast": { "rate": "9/s" },
    } });
    let chain = Bench::default().chain(&limits, false);
    assert_eq!(count(&chain, 1, || call(&[])).await, 1);
    let error = refused(&chain, call(&[])).await;
    assert!(error.message().contains("`slower`"), "{error}");
    assert_eq!(field(error.headers(), "retry-after"), "3600");
}

#[tokio::test]
async fn shadow_counts_and_refuses_nothing() {
    let limits = json!({ "limits": { "a": { "rate": "2/min", "shadow": true } } });
    let bench = Bench::default();
    let chain = bench.chain(&limits, false);
    let [limit] = &bench.limits(&limits)[..] else { panic!("one limit") };
    assert_eq!(count(&chain, 5, || call(&[])).await, 5);
    let counts = &limit.counts;
    assert_eq!((counts.allowed.value(), counts.limited.value()), (2, 0));
    assert_eq!(counts.shadowed.value(), 3);
}

#[tokio::test]
async fn store_that_has_to_be_asked_is_waited_for() {
    struct Far(Verdict);
    impl Count for Far {
        fn ask(&self, asks: &[Ask<'_>]) -> Answer<'_> {
            let verdicts: Verdicts = asks.iter().map(|_| self.0).collect();
            Answer::Later(Box::pin(async move {
                tokio::task::yield_now().await;
                Ok(verdicts.into())
            }))
        }
    }
    let limits = json!({ "limits": { "a": { "rate": "2/min" } } });
    let mut stage = Bench::default().stage(&limits, false);
    stage.store = Box::new(Far(Verdict { remaining: 7, ..Verdict::UNKNOWN }));
    let chain = chain(Box::new(stage), answers(|_| Ok(empty())));
    let reply = chain.call(call(&[])).await.unwrap();
    assert_eq!(field(&reply.metadata, "ratelimit"), r#""a";r=7;t=0"#);
}
