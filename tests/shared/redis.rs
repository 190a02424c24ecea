//! Three gateways as users run them, and one Redis.

use futures_util::future::join_all;

use super::BOOK;
use crate::support::{
    Response, Rig,
    gateway::run_to_end,
    http1,
    operated::Operated,
    redis::{PASSWORD, Redis},
    within,
};

/// How long gateways wait for the store: a machine that is busy with other tests is no reason to
/// count alone.
const PATIENT: &str = ", answer_timeout: 20s, connect_timeout: 20s";

/// How many of this many calls at each gateway are let through, all in all.
async fn allowed(rigs: &[Rig], calls: usize) -> usize {
    let of = async |rig: &Rig| {
        let mut passed = 0;
        for _ in 0..calls {
            let response = rig.get(BOOK).await;
            match response.status == 200 {
                true => passed += 1,
                false => drop(response.refusal(429, 8)),
            }
        }
        passed
    };
    join_all(rigs.iter().map(of)).await.into_iter().sum()
}

/// Calls at each gateway, one by one, until this many are let through.
async fn allowed_until(rigs: &[Rig], wanted: usize) -> usize {
    let mut passed = 0;
    let calls = async {
        while passed < wanted {
            passed += allowed(rigs, 1).await;
        }
    };
    within("calls to be let through", calls).await;
    passed
}

#[tokio::test]
async fn shared_limit_is_one_for_three_gateways_and_three_without_redis() {
    let mut redis = Redis::start().await;
    let policy = format!(
        "rate_limit: {{ limits: {{ calls: {{ rate: 12/d }} }}, store: {{ redis: {} }} }}",
        redis.settings(PATIENT)
    );
    let rigs = join_all((0..3).map(|_| Rig::with_policy(&policy))).await;
    assert_eq!(allowed(&rigs, 2).await, 6);
    assert_eq!(allowed(&rigs, 8).await, 6);
    redis.kill();
    // What each has let through before counts, once it no longer believes the last refusal.
    assert_eq!(allowed_until(&rigs, 3 * 12 - 12).await, 3 * 12 - 12);
    assert_eq!(allowed(&rigs, 3).await, 0);
    redis.begin().await;
    // It has forgotten: when all have found it again, one limit more.
    assert_eq!(allowed_until(&rigs, 12).await, 12);
    assert_eq!(allowed(&rigs, 3).await, 0);
    for rig in &rigs {
        let log = rig.gateway.log();
        assert!(log.contains("the connection to the store is lost"), "{log}");
        assert!(!log.contains(PASSWORD), "{log}");
    }
}

async fn with_key(rig: &Rig, key: &str) -> Response {
    rig.request("GET", BOOK, &[("x-api-key", key)], b"").await
}

#[tokio::test]
async fn shared_keys_are_made_by_the_command_line_and_end_in_all_gateways() {
    let mut redis = Redis::start().await;
    let policy = format!(
        "auth: {{ any_of: [{{ api_key: {{ redis: {}, cache_for: 1s, cache_unknown_for: 1s }} }}], \
         forward: {{ x-echo-user: id, x-echo-plan: claims.plan }} }}",
        redis.settings(PATIENT)
    );
    let rigs = join_all((0..2).map(|_| Rig::with_policy(&policy))).await;
    let arguments =
        ["keys", "create", "--owner", "a \"c\" me", "--plan", "gold", "--redis-command"];
    let printed = String::from_utf8(run_to_end(&arguments).await.stdout).unwrap();
    let (key, command) = printed.trim().split_once('\n').unwrap();
    with_key(&rigs[0], key).await.refusal(401, 16);
    assert_eq!(redis.command(command).trim(), "OK");
    for rig in &rigs {
        let known = async {
            loop {
                let response = with_key(rig, key).await;
                if response.status == 200 {
                    break response;
                }
            }
        };
        let response = within("a key that was made", known).await;
        assert_eq!(response.header("x-echo-user"), "a \"c\" me");
        assert_eq!(response.header("x-echo-plan"), "gold");
    }
    let id = key.split('_').nth(1).unwrap();
    assert_eq!(redis.command(&format!("DEL transom:key:{id}")).trim(), "1");
    for rig in &rigs {
        let gone = async { while with_key(rig, key).await.status == 200 {} };
        within("the end of a key that was taken out", gone).await;
        with_key(rig, key).await.refusal(401, 16);
    }
    // Nobody is let in for want of an answer.
    redis.kill();
    with_key(&rigs[0], "tk_abc_00000000000000000000000000000000").await.refusal(503, 14);
}

#[tokio::test]
async fn shared_store_s_password_is_shown_nowhere() {
    let more = format!(
        "services:\n  \"bookshelf.v1.*\":\n    rate_limit:\n      limits: {{ calls: {{ rate: 5/d }} \
         }}\n      store: {{ redis: {{ url: \"redis://me:{PASSWORD}@127.0.0.1:1\" }} }}\n"
    );
    let operated = Operated::start_with(|_, text| {
        let begin = text.split_once("services:").map_or(text.as_str(), |(begin, _)| begin);
        format!("{begin}{more}")
    })
    .await;
    let address = operated.gateway.address;
    assert_eq!(http1::request(address, "GET", BOOK, &[], b"").await.status, 200);
    let mut shown = operated.gateway.log();
    for page in ["/config", "/metrics"] {
        let page = http1::request(operated.admin, "GET", page, &[], b"").await;
        assert_eq!(page.status, 200, "{page:?}");
        shown.push_str(page.text());
    }
    assert!(shown.contains("redis://***@127.0.0.1:1"), "{shown}");
    let away = r#"transom_store_calls_total{store="redis://127.0.0.1:1/0",outcome="away"} 1"#;
    assert!(shown.contains(away), "{shown}");
    assert!(!shown.contains(PASSWORD), "{shown}");
}
