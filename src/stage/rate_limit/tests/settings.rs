//! What is refused of settings, which line of the table a limit belongs to, and reloads.

use serde_json::{Value, json};

use super::{Bench, call, call_of, count, pass_millis};

fn finding(settings: Value) -> (String, String) {
    match Bench::default().try_stage(&settings, false) {
        Err(finding) => finding,
        Ok(_) => panic!("{settings} was taken"),
    }
}

#[test]
fn settings_that_make_no_sense_are_refused_with_their_place() {
    let one = |limit: Value| json!({ "limits": { "a": limit } });
    for (settings, path, said) in [
        (one(json!({})), "limits.a", "add `rate`"),
        (one(json!({ "rate": "1/s", "quota": "1/day" })), "limits.a", "limits of their own"),
        (one(json!({ "rate": "fast" })), "limits.a.rate", "100/min"),
        (one(json!({ "rate": "1/s", "burst": 0 })), "limits.a.burst", "from 1"),
        (one(json!({ "rate": "1/d", "burst": 9999 })), "limits.a.burst", "a year"),
        (one(json!({ "quota": "1/day", "burst": 2 })), "limits.a.burst", "take it away"),
        (one(json!({ "quota": "1/week" })), "limits.a.quota", "`day` or `month`"),
        (one(json!({ "concurrency": 0 })), "limits.a.concurrency", "at least 1"),
        (one(json!({ "rate": "1/s", "key": "nobody" })), "limits.a.key", "nobody"),
        (
            one(json!({ "rate": "1/s", "key": { "header": "a b" } })),
            "limits.a.key",
            "a header's name",
        ),
        (
            one(json!({ "rate": "1/s", "key": ["plan", { "network": { "v4": 33 } }] })),
            "limits.a.key[1]",
            "32 bits",
        ),
        (json!({ "limits": { "a b": { "rate": "1/s" } } }), "limits.a b", "letters"),
        (json!({ "plans": { "a\"": {} } }), "plans.a\"", "letters"),
        (json!({ "default_plan": "x" }), "default_plan", "no plan `x`"),
        (json!({ "cost": 0 }), "cost", "at least 1"),
        (
            json!({ "cost": 3, "limits": { "a": { "rate": "2/s" } } }),
            "cost",
            "never has more than 2",
        ),
        (json!({ "max_keys": 100 }), "max_keys", "256"),
        (json!({ "store": "paper" }), "store", "paper"),
    ] {
        let (at, message) = finding(settings.clone());
        assert_eq!(at, path, "{settings}: {message}");
        assert!(message.contains(said), "{settings}: {message}");
    }
}

#[test]
fn limits_stand_before_auth_unless_they_need_the_caller() {
    let lines = |limit: Value| {
        let settings = json!({ "limits": { "a": limit } });
        let line = |waiting| Bench::default().try_stage(&settings, waiting).unwrap().is_some();
        (line(false), line(true))
    };
    for key in [json!([]), json!("address"), json!({ "header": "x-a" })] {
        assert_eq!(lines(json!({ "rate": "1/s", "key": key })), (true, false), "{key}");
        let admitted = json!({ "rate": "1/s", "key": key, "admitted": true });
        assert_eq!(lines(admitted), (false, true), "{key}");
    }
    for key in [json!("principal"), json!("api_key"), json!("plan"), json!({ "claim": "a" })] {
        assert_eq!(
            lines(json!({ "rate": "1/s", "key": ["address", key] })),
            (false, true),
            "{key}"
        );
    }
    let plan = json!({ "plans": { "free": { "a": { "rate": "1/s", "key": "address" } } } });
    assert!(Bench::default().try_stage(&plan, false).unwrap().is_none());
    assert!(Bench::default().try_stage(&plan, true).unwrap().is_some());
}

#[tokio::test]
async fn counts_outlive_a_reload_that_changes_nothing_or_something_else() {
    let bench = Bench::default();
    let limits = json!({ "limits": { "a": { "rate": "3/h", "key": "principal" } } });
    let before = bench.chain(&limits, true);
    assert_eq!(count(&before, 2, || call_of("ada", &json!({}))).await, 2);
    let mut more = limits.clone();
    more["limits"]["b"] = json!({ "rate": "50/h" });
    let after = bench.chain(&more, true);
    drop(before);
    assert_eq!(count(&after, 9, || call_of("ada", &json!({}))).await, 1);
    assert_eq!(count(&after, 9, || call_of("bob", &json!({}))).await, 3);
}

#[tokio::test]
async fn changed_rate_takes_over_who_has_to_wait_but_not_for_longer_than_its_bucket() {
    let bench = Bench::default();
    let chain = |rate: &str| bench.chain(&json!({ "limits": { "a": { "rate": rate } } }), false);
    let hourly = chain("10/h");
    assert_eq!(count(&hourly, 99, || call(&[])).await, 10);
    // A full bucket was an hour away and would be a second now.
    let secondly = chain("10/s");
    assert_eq!(count(&secondly, 99, || call(&[])).await, 0);
    pass_millis(500);
    assert_eq!(count(&secondly, 99, || call(&[])).await, 5);
    // And back: who had to wait half a second waits no longer than that for a full bucket.
    let hourly = chain("10/h");
    pass_millis(1000);
    assert_eq!(count(&hourly, 99, || call(&[])).await, 10);
}

#[tokio::test]
async fn changed_quota_keeps_what_was_used() {
    let bench = Bench::default();
    let chain = |quota: &str| bench.chain(&json!({ "limits": { "a": { "quota": quota } } }), false);
    let small = chain("10/day");
    assert_eq!(count(&small, 8, || call(&[])).await, 8);
    let large = chain("20/day");
    assert_eq!(count(&large, 99, || call(&[])).await, 12);
    assert_eq!(count(&chain("10/day"), 99, || call(&[])).await, 0);
}
