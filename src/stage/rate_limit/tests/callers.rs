//! Who shares a limit with whom.

use std::sync::Arc;

use serde_json::json;

use super::{Bench, call, call_of, count, pass_millis, refused};
use crate::{
    exchange::{Approach, Exchange},
    stage::rate_limit::key::Asker,
};

fn call_from(address: &str) -> Exchange {
    let mut exchange = call(&[]);
    let client = Some(address.parse().unwrap());
    exchange.extensions.insert(Arc::new(Approach { client, ..Approach::default() }));
    exchange
}

#[tokio::test]
async fn limit_without_a_key_is_shared_by_all() {
    let chain = Bench::default().chain(&json!({ "limits": { "all": { "rate": "2/h" } } }), false);
    assert_eq!(count(&chain, 1, || call_from("192.0.2.1")).await, 1);
    assert_eq!(count(&chain, 5, || call_from("192.0.2.2")).await, 1);
}

#[tokio::test]
async fn addresses_are_told_apart_and_those_of_ipv6_by_their_network() {
    let limits = json!({ "limits": { "one": { "rate": "1/h", "key": "address" } } });
    let chain = Bench::default().chain(&limits, false);
    assert!(Bench::default().stage(&limits, false).bundles.need_address());
    for (address, passes) in [
        ("192.0.2.1", true),
        ("192.0.2.2", true),
        ("192.0.2.1", false),
        ("2001:db8::1", true),
        ("2001:db8::2:ffff", false),
        ("2001:db8:0:1::1", true),
    ] {
        assert_eq!(chain.call(call_from(address)).await.is_ok(), passes, "{address}");
    }
}

#[tokio::test]
async fn networks_have_the_prefix_that_is_written() {
    let key = json!({ "network": { "v4": 24, "v6": 48 } });
    let limits = json!({ "limits": { "one": { "rate": "1/h", "key": key } } });
    let chain = Bench::default().chain(&limits, false);
    for (address, passes) in [
        ("192.0.2.1", true),
        ("192.0.2.200", false),
        ("192.0.3.1", true),
        ("2001:db8::1", true),
        ("2001:db8:0:1::1", false),
        ("2001:db8:1::1", true),
    ] {
        assert_eq!(chain.call(call_from(address)).await.is_ok(), passes, "{address}");
    }
    let everybody = json!({ "network": { "v4": 0, "v6": 0 } });
    let limits = json!({ "limits": { "one": { "rate": "1/h", "key": everybody } } });
    let chain = Bench::default().chain(&limits, false);
    assert_eq!(count(&chain, 1, || call_from("192.0.2.1")).await, 1);
    assert_eq!(count(&chain, 1, || call_from("198.51.100.1")).await, 0);
}

#[tokio::test]
async fn callers_are_told_apart_by_all_parts_of_a_key_together() {
    let key = json!(["principal", { "header": "x-tenant" }]);
    let limits = json!({ "limits": { "one": { "rate": "1/h", "key": key } } });
    let chain = Bench::default().chain(&limits, true);
    let ask = |id: &str, tenant: &'static str| {
        let mut exchange = call_of(id, &json!({}));
        exchange.metadata.insert("x-tenant", http::HeaderValue::from_static(tenant));
        chain.call(exchange)
    };
    assert!(ask("ada", "a").await.is_ok());
    assert!(ask("ada", "b").await.is_ok());
    assert!(ask("bob", "a").await.is_ok());
    assert!(ask("ada", "a").await.is_err());
    // No other way to write the same letters.
    assert!(ask("ad", "aa").await.is_ok());
}

#[tokio::test]
async fn keys_plans_and_claims_tell_callers_apart() {
    for (key, claim) in
        [(json!("api_key"), "key"), (json!("plan"), "plan"), (json!({ "claim": "org.id" }), "org")]
    {
        let limits = json!({ "limits": { "one": { "rate": "1/h", "key": key } } });
        let chain = Bench::default().chain(&limits, true);
        let call = |value: serde_json::Value| {
            let value = if claim == "org" { json!({ "id": value }) } else { value };
            call_of("ada", &json!({ claim: value }))
        };
        assert_eq!(count(&chain, 2, || call(json!("a"))).await, 1, "{claim}");
        assert_eq!(count(&chain, 2, || call(json!("b"))).await, 1, "{claim}");
        assert_eq!(count(&chain, 2, || call(json!(7))).await, 1, "{claim}");
    }
}

#[tokio::test]
async fn callers_that_lack_what_a_key_asks_for_share_one_limit() {
    let key = json!({ "header": "x-tenant" });
    let limits = json!({ "limits": { "one": { "rate": "2/h", "key": key } } });
    let chain = Bench::default().chain(&limits, false);
    assert_eq!(count(&chain, 3, || call(&[])).await, 2);
    // Not the same as an empty one.
    assert_eq!(count(&chain, 3, || call(&[("x-tenant", "")])).await, 2);
    let limits = json!({ "limits": { "one": { "rate": "2/h", "key": "principal" } } });
    let chain = Bench::default().chain(&limits, true);
    assert_eq!(count(&chain, 3, || call(&[])).await, 2);
    assert_eq!(count(&chain, 3, || call_of("ada", &json!({}))).await, 2);
}

#[tokio::test]
async fn plans_give_their_callers_limits_of_their_own() {
    let limits = json!({
        "limits": { "all": { "rate": "100/h", "key": "principal" } },
        "plans": {
            "free": { "daily": { "quota": "2/day" } },
            "gold": { "daily": { "quota": "5/day" }, "burst": { "rate": "4/h" } },
        },
        "default_plan": "free",
    });
    let chain = Bench::default().chain(&limits, true);
    let gold = || call_of("ada", &json!({ "plan": "gold" }));
    assert_eq!(count(&chain, 9, gold).await, 4);
    pass_millis(3_600_000);
    assert_eq!(count(&chain, 9, gold).await, 1, "the quota's last");
    let error = refused(&chain, gold()).await;
    assert!(error.message().contains("`gold.daily` allows 5 a day"), "{error}");
    assert_eq!(count(&chain, 9, || call_of("bob", &json!({ "plan": "free" }))).await, 2);
    // Who has no plan, or one that nobody knows, has the default one.
    assert_eq!(count(&chain, 9, || call_of("eve", &json!({}))).await, 2);
    assert_eq!(count(&chain, 9, || call_of("joe", &json!({ "plan": "lead" }))).await, 2);
    assert_eq!(count(&chain, 9, || call(&[])).await, 2);
}

#[tokio::test]
async fn callers_without_a_plan_have_the_common_limits_alone() {
    let limits = json!({
        "limits": { "all": { "rate": "3/h", "key": "principal" } },
        "plans": { "free": { "daily": { "quota": "1/day" } } },
    });
    let chain = Bench::default().chain(&limits, true);
    assert_eq!(count(&chain, 9, || call_of("eve", &json!({}))).await, 3);
}

#[tokio::test]
async fn costs_are_what_the_method_says() {
    let limits = json!({ "limits": { "all": { "rate": "10/h" } }, "cost": 4 });
    let bench = Bench::default();
    let dear = bench.chain(&limits, false);
    let cheap = bench.chain(&json!({ "limits": { "all": { "rate": "10/h" } } }), false);
    assert_eq!(count(&dear, 9, || call(&[])).await, 2);
    assert_eq!(count(&cheap, 9, || call(&[])).await, 2, "they share the limit");
}

#[test]
fn parts_of_a_key_are_told_as_texts() {
    let key = json!([
        { "network": { "v4": 24 } }, "principal", "api_key", "plan", { "claim": "org.id" },
        { "header": "X-Tenant" },
    ]);
    let limits = json!({ "limits": { "one": { "rate": "1/h", "key": key } } });
    let limit = Bench::default().limits(&limits).remove(0);
    let mut exchange = call_of("ada", &json!({ "key": "3f9c", "org": { "id": 7 } }));
    exchange.metadata.append("x-tenant", http::HeaderValue::from_static("a"));
    exchange.metadata.append("x-tenant", http::HeaderValue::from_static("b"));
    let client = Some("192.0.2.77".parse().unwrap());
    exchange.extensions.insert(Arc::new(Approach { client, ..Approach::default() }));
    let asker = Asker::of(&exchange, None);
    let texts: Vec<_> = limit.key.parts(&asker).collect();
    let texts: Vec<_> = texts.iter().map(|(name, text)| (&**name, text.as_deref())).collect();
    assert_eq!(
        texts,
        [
            ("address", Some("192.0.2.0")),
            ("principal", Some("api_key ada")),
            ("api_key", Some("3f9c")),
            ("plan", None),
            ("claim.org.id", Some("7")),
            ("header.x-tenant", Some("a, b")),
        ]
    );
}
