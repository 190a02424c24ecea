//! How long a call is in flight.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use futures_util::FutureExt as _;
use serde_json::json;

use super::{Bench, call, count, empty, refused};
use crate::{
    error::{Code, Error},
    exchange::{Messages, Metadata, Reply},
    stage::testing::{Slow, Ticks, answers, chain},
};

const TWO: &str = r#"{ "limits": { "calls": { "concurrency": 2 } } }"#;

fn two() -> serde_json::Value {
    serde_json::from_str(TWO).unwrap()
}

fn ticks() -> Result<Reply, Error> {
    let ticks = Ticks::new(Duration::from_millis(5), Some(2), Arc::new(AtomicBool::new(false)));
    Ok(Reply { metadata: Metadata::new(), messages: Messages::stream(ticks) })
}

#[tokio::test(start_paused = true)]
async fn call_is_in_flight_until_it_is_answered_or_given_up() {
    let slow = Slow { after: Duration::from_secs(1), finished: Arc::default() };
    let chain = chain(Box::new(Bench::default().stage(&two(), false)), slow);
    let mut first = chain.call(call(&[]));
    let mut second = chain.call(call(&[]));
    assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
    let error = refused(&chain, call(&[])).await;
    assert_eq!((error.code(), error.reason()), (Code::ResourceExhausted, "too_many_at_once"));
    assert_eq!(error.headers()["retry-after"], "1");
    drop(first);
    let mut third = chain.call(call(&[]));
    assert!((&mut third).now_or_never().is_none());
    refused(&chain, call(&[])).await;
    assert!(second.await.is_ok() && third.await.is_ok());
    assert_eq!(count(&chain, 3, || call(&[])).await, 3, "one after the other");
}

#[tokio::test(start_paused = true)]
async fn stream_is_in_flight_until_its_end() {
    let chain = chain(Box::new(Bench::default().stage(&two(), false)), answers(|_| ticks()));
    let mut first = chain.call(call(&[])).await.unwrap();
    let second = chain.call(call(&[])).await.unwrap();
    refused(&chain, call(&[])).await;
    while let Some(message) = first.messages.next().await {
        refused(&chain, call(&[])).await;
        message.unwrap();
    }
    assert_eq!(first.messages.take_trailers()["ticked"], "yes");
    // It has ended, though the reply is still there.
    let third = chain.call(call(&[])).await.unwrap();
    refused(&chain, call(&[])).await;
    drop((second, third));
    assert_eq!(count(&chain, 9, || call(&[])).await, 9, "given up before they were read");
}

#[tokio::test]
async fn refused_and_failed_calls_keep_no_place() {
    let limits = json!({ "limits": {
        "calls": { "concurrency": 1 }, "rate": { "rate": "1/h", "key": { "header": "x-who" } },
    } });
    let chain = chain(
        Box::new(Bench::default().stage(&limits, false)),
        answers(|exchange| match exchange.metadata.contains_key("x-fail") {
            true => Err(Error::unavailable("gone", "nobody is there")),
            false => Ok(empty()),
        }),
    );
    assert_eq!(count(&chain, 5, || call(&[("x-who", "a")])).await, 1);
    assert_eq!(refused(&chain, call(&[("x-who", "a")])).await.reason(), "rate_limited");
    let fails = call(&[("x-who", "b"), ("x-fail", "yes")]);
    assert_eq!(refused(&chain, fails).await.reason(), "gone");
    assert_eq!(count(&chain, 1, || call(&[("x-who", "c")])).await, 1);
}

#[tokio::test(start_paused = true)]
async fn shadow_of_a_place_lets_everybody_in() {
    let limits = json!({ "limits": { "calls": { "concurrency": 1, "shadow": true } } });
    let stage = Bench::default().stage(&limits, false);
    let chain = chain(Box::new(stage), answers(|_| ticks()));
    let first = chain.call(call(&[])).await.unwrap();
    let second = chain.call(call(&[])).await.unwrap();
    assert!(first.metadata.is_empty() && second.metadata.is_empty());
}
