//! Keys in a Redis that changes, is killed, and begins anew.

use std::{
    path::Path,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    super::key::{self, Key},
    NOW, check, made, reason,
};
use crate::{
    lasting::Lasting,
    stage::auth::scheme::Verdict,
    store::{Script, Settings, Store, testing::Server},
};

/// Far above what an answer takes on a busy machine.
const PATIENT: &str = "20s";
const PATIENCE: Duration = Duration::from_secs(20);

/// Puts something under a key's id.
async fn put(settings: &Settings, id: &str, value: Option<&str>) {
    let store = Store::of(settings, Path::new(""), &Lasting::new()).unwrap();
    // Texts are no arguments of a script, but keys may be any text.
    let script = Script::new(
        "if KEYS[2] then redis.call('SET', KEYS[1], KEYS[2]) else redis.call('DEL', KEYS[1]) end \
         return {1}",
    );
    let keys = std::iter::once(format!("transom:key:{id}")).chain(value.map(str::to_owned));
    let keys: Vec<_> = keys.collect();
    store.run(0, &script, &keys, &[], PATIENCE).await.unwrap();
}

fn entry(key: &str, more: Value) -> String {
    let key = Key::read(key).unwrap();
    let mut entry = json!({ "id": key.id, "hashes": [key.hash().to_string()] });
    entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    entry.to_string()
}

fn id(key: &str) -> &str {
    Key::read(key).unwrap().id
}

/// The keys of that server, with time enough for a busy machine.
fn settings(server: &Server) -> Value {
    let url = server.settings().url.0;
    json!({ "redis": { "url": url, "answer_timeout": PATIENT, "connect_timeout": PATIENT } })
}

#[tokio::test]
async fn api_key_in_a_store_is_known_and_its_end_is_heard_of() {
    static CLOCK: AtomicI64 = AtomicI64::new(NOW);
    let server = Server::start(&[]).await;
    let scheme = made(settings(&server), || CLOCK.load(Ordering::Relaxed)).ok().unwrap();
    let (good, past, none) = (key::make().unwrap(), key::make().unwrap(), key::make().unwrap());
    let place = server.settings();
    let gold = entry(&good, json!({ "owner": "acme", "plan": "gold", "scopes": ["books.read"] }));
    put(&place, id(&good), Some(&gold)).await;
    put(&place, id(&past), Some(&entry(&past, json!({ "expires": "2027-01-01T00:00:00Z" })))).await;
    for _ in 0..2 {
        let principal = check(&scheme, &[&good]).await.unwrap().unwrap();
        assert_eq!(
            (principal.id.as_str(), &principal.scopes[..]),
            ("acme", &["books.read".into()][..])
        );
        assert_eq!(principal.claim("plan"), Some(&json!("gold")));
        assert_eq!(reason(check(&scheme, &[&past]).await), "key_expired");
        assert_eq!(reason(check(&scheme, &[&none]).await), "key_unknown");
    }
    // Somebody else's secret to a good id.
    let stolen = format!("tk_{}_{}", id(&good), none.rsplit_once('_').unwrap().1);
    assert_eq!(reason(check(&scheme, &[&stolen]).await), "key_secret");
    // A key that is revoked is good for ten seconds; one that is made is known within five.
    put(&place, id(&good), None).await;
    put(&place, id(&none), Some(&entry(&none, json!({})))).await;
    CLOCK.store(NOW + 4, Ordering::Relaxed);
    assert_eq!(reason(check(&scheme, &[&none]).await), "key_unknown");
    CLOCK.store(NOW + 5, Ordering::Relaxed);
    assert!(check(&scheme, &[&none]).await.is_ok());
    CLOCK.store(NOW + 9, Ordering::Relaxed);
    assert!(check(&scheme, &[&good]).await.is_ok());
    CLOCK.store(NOW + 10, Ordering::Relaxed);
    assert_eq!(reason(check(&scheme, &[&good]).await), "key_unknown");
    // A clock that goes back lends nobody time.
    CLOCK.store(NOW - 100, Ordering::Relaxed);
    assert_eq!(reason(check(&scheme, &[&good]).await), "key_unknown");
}

/// Checks until the verdict is no longer for want of a store.
async fn settled(scheme: &super::ApiKey, key: &str) -> Verdict {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let verdict = check(scheme, &[key]).await;
        match &verdict {
            Err(denial) if denial.reason == "keys_unavailable" && Instant::now() < deadline => {}
            _ => return verdict,
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn api_key_store_that_is_gone_lets_in_whom_it_knew_for_a_while() {
    static CLOCK: AtomicI64 = AtomicI64::new(NOW);
    let mut server = Server::start(&[]).await;
    let scheme = made(settings(&server), || CLOCK.load(Ordering::Relaxed)).ok().unwrap();
    let (known, other) = (key::make().unwrap(), key::make().unwrap());
    for key in [&known, &other] {
        put(&server.settings(), id(key), Some(&entry(key, json!({})))).await;
    }
    assert!(check(&scheme, &[&known]).await.is_ok());
    server.kill();
    assert_eq!(reason(check(&scheme, &[&other]).await), "keys_unavailable");
    for later in [0, 10, 299] {
        CLOCK.store(NOW + later, Ordering::Relaxed);
        assert!(check(&scheme, &[&known]).await.is_ok(), "{later}");
    }
    CLOCK.store(NOW + 300, Ordering::Relaxed);
    assert_eq!(reason(check(&scheme, &[&known]).await), "keys_unavailable");
    server.begin().await;
    // It begins empty, and says so.
    assert_eq!(reason(settled(&scheme, &known).await), "key_unknown");
}

#[tokio::test]
async fn api_key_in_a_store_that_can_t_be_read_lets_nobody_in() {
    let server = Server::start(&[]).await;
    let scheme = made(settings(&server), || NOW).ok().unwrap();
    let (one, other) = (key::make().unwrap(), key::make().unwrap());
    let elsewhere = entry(&other, json!({}));
    for text in ["", "{", "[]", r#"{"id":"a"}"#, &elsewhere] {
        put(&server.settings(), id(&one), Some(text)).await;
        assert_eq!(reason(check(&scheme, &[&one]).await), "keys_unavailable", "{text}");
    }
    let long = format!("tk_{}_{}", "a".repeat(65), "0".repeat(64));
    assert_eq!(reason(check(&scheme, &[&long]).await), "key_unknown");
}

#[test]
fn api_key_settings_name_one_place_of_keys() {
    for (written, path) in [
        (json!({}), "file"),
        (json!({ "file": "a", "redis": { "url": "redis://a" } }), "redis"),
        (json!({ "redis": { "url": "http://a" } }), "redis.url"),
        (
            json!({ "redis": { "url": "redis://a", "answer_timeout": "0s" } }),
            "redis.answer_timeout",
        ),
    ] {
        let (found, message) = made(written.clone(), || NOW).err().unwrap();
        assert_eq!(found, path, "{written}: {message}");
    }
}
