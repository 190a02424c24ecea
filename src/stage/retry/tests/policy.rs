//! Which methods are tried again, and what a policy may not say.

use http::Method as Http;
use serde_json::{Value, json};

use super::idempotent;
use crate::{
    schema::{Body, HttpMethod, HttpRule, Idempotency, Method},
    stage::testing::{build, method},
};

fn bound(methods: &[HttpMethod]) -> Method {
    let rule = |method: &HttpMethod| HttpRule {
        method: method.clone(),
        template: "/v1/things".into(),
        body: Body::None,
        response_body: Box::default(),
        origin: "test.proto".into(),
    };
    Method { rules: methods.iter().map(rule).collect(), ..method(false) }
}

fn is_retried(settings: Value, method: &Method) -> bool {
    build("retry", Some(settings), method).expect("good settings").is_some()
}

#[test]
fn methods_that_may_be_repeated_are_known_by_level_or_binding() {
    let one = HttpMethod::One;
    for (method, expected) in [
        (idempotent(), true),
        (Method { idempotency: Idempotency::NoSideEffects, ..method(false) }, true),
        (method(false), false),
        (bound(&[one(Http::GET)]), true),
        (bound(&[one(Http::PUT), one(Http::DELETE)]), true),
        (bound(&[one(Http::GET), one(Http::POST)]), false),
        (bound(&[one(Http::PATCH)]), false),
        (bound(&[HttpMethod::Any]), false),
    ] {
        assert_eq!(is_retried(json!({}), &method), expected, "{method:?}");
        assert!(is_retried(json!({ "methods": "all" }), &method), "{method:?}");
    }
}

#[test]
fn streams_from_the_caller_and_single_attempts_have_no_stage() {
    let streaming = Method { client_streaming: true, ..idempotent() };
    assert!(!is_retried(json!({ "methods": "all" }), &streaming));
    assert!(!is_retried(json!({ "attempts": 1 }), &idempotent()));
    assert!(is_retried(
        json!({ "attempts": 1, "hedge": { "delay": "1s", "attempts": 2 } }),
        &idempotent()
    ));
    assert!(build("retry", None, &idempotent()).expect("no settings").is_none());
}

#[test]
fn settings_that_cannot_be_meant_say_where_and_what_to_write() {
    for (settings, at, part) in [
        (json!({ "attempts": 0 }), "attempts", "between 1 and 5"),
        (json!({ "attempts": 6 }), "attempts", "between 1 and 5"),
        (json!({ "codes": ["OK"] }), "codes", "`UNAVAILABLE`"),
        (json!({ "codes": ["unavailable"] }), "codes", "`unavailable` is no code"),
        (json!({ "backoff": { "initial": "0s" } }), "backoff", "above zero"),
        (json!({ "backoff": { "initial": "2s" } }), "backoff", "at least `initial`"),
        (json!({ "backoff": { "initial": 5 } }), "backoff.initial", "with its unit"),
        (json!({ "backoff": { "max": "soon" } }), "backoff.max", "`5s`"),
        (json!({ "backoff": { "multiplier": 0.5 } }), "backoff.multiplier", "between 1 and 100"),
        (json!({ "per_try_timeout": "0s" }), "per_try_timeout", "leave it out"),
        (json!({ "budget": { "tokens": 1001 } }), "budget.tokens", "up to 1000"),
        (json!({ "budget": { "ratio": -1 } }), "budget.ratio", "`0.1`"),
        (json!({ "hedge": {} }), "hedge", "delay"),
        (json!({ "hedge": { "delay": "1s", "attempts": 9 } }), "hedge.attempts", "between"),
        (json!({ "methods": "some" }), "methods", "idempotent"),
    ] {
        let Err((path, message)) = build("retry", Some(settings.clone()), &idempotent()) else {
            panic!("{settings} was taken");
        };
        assert_eq!(path, at, "{settings}: {message}");
        assert!(message.contains(part), "{settings}: {message}");
    }
}

#[test]
fn a_budget_is_kept_while_its_settings_stay_the_same() {
    use crate::{
        callout::Upstreams,
        lasting::Lasting,
        stage::{Blueprint, STAGES},
    };
    let (lasting, method) = (Lasting::new(), idempotent());
    let entry = STAGES.iter().find(|entry| entry.name == "retry").unwrap();
    let make = |settings: &Value, place: &str| {
        let (folder, method) = (std::path::Path::new(""), &method);
        let (lasting, upstreams) = (&lasting, &Upstreams::default());
        let (settings, places) = (Some(settings), &|_: &str| unreachable!());
        let blueprint = Blueprint { settings, method, place, places, folder, lasting, upstreams };
        (entry.build)(&blueprint).unwrap().unwrap()
    };
    let kept = |lasting: &Lasting| format!("{lasting:?}").matches("retry budget").count();
    let (one, other) = (json!({}), json!({ "budget": { "tokens": 10 } }));
    let first = make(&one, "services[a].retry");
    let again = make(&one, "services[a].retry");
    assert_eq!(kept(&lasting), 1);
    let changed = make(&other, "services[a].retry");
    let elsewhere = make(&one, "services[b].retry");
    assert_eq!(kept(&lasting), 3);
    drop((first, again, changed, elsewhere));
}
