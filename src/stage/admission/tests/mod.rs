//! The stage on paused time; how the limit finds its way is in `simulation`.

mod simulation;

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::{Gate, Priority, Settings};
use crate::{
    error::{Code, Error, Origin},
    exchange::Metadata,
    schema::Method,
    stage::testing::{self, Slow, build, chain, exchange, method},
};

fn slow() -> Slow {
    Slow { after: Duration::from_secs(1), finished: Arc::default() }
}

#[tokio::test(start_paused = true)]
async fn admission_more_than_the_limit_is_refused_with_a_time_to_come_back() {
    let settings = json!({ "min_limit": 2, "initial_limit": 2 });
    let stage = build("admission", Some(settings), &method(false)).unwrap().unwrap();
    let chain = chain(stage, slow());
    let mut calls: FuturesUnordered<_> =
        (0..5).map(|_| chain.call(exchange(Metadata::new(), None))).collect();
    for _ in 0..3 {
        let error = calls.next().await.unwrap().err().expect("a refusal");
        assert_eq!((error.code(), error.reason()), (Code::Unavailable, "overloaded"));
        assert_eq!(error.origin(), Origin::Gateway, "so that nobody retries it");
        assert!(error.details()[0].type_url.ends_with("RetryInfo"));
    }
    while let Some(outcome) = calls.next().await {
        assert!(outcome.is_ok());
    }
    assert!(chain.call(exchange(Metadata::new(), None)).await.is_ok(), "places come back");
}

#[tokio::test(start_paused = true)]
async fn admission_caller_that_leaves_gives_its_place_back() {
    let settings = json!({ "min_limit": 1, "initial_limit": 1 });
    let stage = build("admission", Some(settings), &method(false)).unwrap().unwrap();
    let chain = chain(stage, slow());
    for _ in 0..3 {
        let call = chain.call(exchange(Metadata::new(), None));
        assert!(timeout(Duration::from_millis(10), call).await.is_err());
    }
    assert!(chain.call(exchange(Metadata::new(), None)).await.is_ok());
}

#[test]
fn places_are_given_by_priority() {
    let settings = Settings { initial_limit: 100, ..Settings::default() };
    let gate = Arc::new(Gate::new(&settings, Instant::now()));
    let fill = |priority| -> Vec<_> {
        std::iter::from_fn(|| gate.enter(priority, Instant::now())).collect()
    };
    let mut inside = Vec::new();
    for (priority, expected) in
        [(Priority::Sheddable, 75), (Priority::Normal, 100), (Priority::Critical, 125)]
    {
        inside.extend(fill(priority));
        assert_eq!(inside.len(), expected);
        assert!(gate.enter(Priority::Sheddable, Instant::now()).is_none());
    }
    inside.clear();
    assert_eq!(gate.inside(), 0);
}

#[tokio::test(start_paused = true)]
async fn admission_health_checks_are_let_in_when_others_are_not() {
    let settings = json!({ "min_limit": 4, "initial_limit": 4, "priority": "sheddable" });
    let lasting = crate::lasting::Lasting::new();
    let entry = crate::stage::STAGES.iter().find(|entry| entry.name == "admission").unwrap();
    let make = |method: &Method| {
        let blueprint = crate::stage::Blueprint {
            settings: Some(&settings),
            method,
            place: "services[*].admission",
            places: &|_| unreachable!(),
            folder: std::path::Path::new(""),
            lasting: &lasting,
            upstreams: &crate::callout::Upstreams::default(),
        };
        chain((entry.build)(&blueprint).unwrap().unwrap(), slow())
    };
    let others = make(&method(false));
    let health = make(&Method {
        service: "grpc.health.v1.Health".into(),
        full_name: "grpc.health.v1.Health.Check".into(),
        ..method(false)
    });
    let mut calls: FuturesUnordered<_> =
        (0..4).map(|_| others.call(exchange(Metadata::new(), None))).collect();
    assert!(calls.next().await.unwrap().is_err(), "three of four places are theirs");
    assert!(health.call(exchange(Metadata::new(), None)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn admission_backend_out_of_reach_says_nothing_about_latency() {
    let settings = Settings { window: Duration::from_millis(10), ..Settings::default() };
    let gate = Arc::new(Gate::new(&settings, Instant::now()));
    let stage = super::Admission {
        gate: gate.clone(),
        priority: Priority::Normal,
        refused: Arc::default(),
    };
    let chain = chain(
        Box::new(stage),
        testing::answers(|_| Err(Error::unavailable("upstream_refused", "nobody is there"))),
    );
    for _ in 0..100 {
        assert!(chain.call(exchange(Metadata::new(), None)).await.is_err());
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    assert_eq!(gate.limit(), settings.initial_limit);
}

#[test]
fn settings_that_cannot_be_meant_say_where_and_what_to_write() {
    for (settings, at) in [
        (json!({ "min_limit": 0 }), "min_limit"),
        (json!({ "max_limit": 3 }), "max_limit"),
        (json!({ "initial_limit": 2000 }), "initial_limit"),
        (json!({ "tolerance": 0 }), "tolerance"),
        (json!({ "window": "1ms" }), "window"),
        (json!({ "interval": "500ms" }), "interval"),
        (json!({ "window": "soon" }), "window"),
        (json!({ "priority": "vip" }), "priority"),
    ] {
        let Err((path, message)) = build("admission", Some(settings.clone()), &method(false))
        else {
            panic!("{settings} was taken");
        };
        assert_eq!(path, at, "{settings}: {message}");
    }
}
