//! Where keys come from: fetched once, fetched again, and kept while nobody has them.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use serde_json::json;

use super::{
    super::{Issuer, Jwt, KeySet, Refreshed, Rules, Verifier, origin},
    NOW, Signer, check, claims, issuer, set,
};
use crate::stage::auth::{
    BEARER,
    cache::Cache,
    denial::{Denial, Kind},
    fetch::Fetcher,
    refresh::{Origin, Pace, Reading},
    scheme::{Check, Scheme},
};

/// An issuer whose answers a test decides.
#[derive(Clone, Default)]
struct Fake {
    answer: Arc<Mutex<Option<String>>>,
    asked: Arc<AtomicUsize>,
    max_age: Option<Duration>,
    refetch: Option<Duration>,
}

impl Fake {
    fn answers(&self, answer: Option<String>) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Origin for Fake {
    fn read(&self) -> BoxFuture<'_, Result<Reading, String>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let text = self.answer.lock().unwrap().clone();
        let max_age = self.max_age;
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            text.map(|text| Reading { text, max_age }).ok_or("it is down".to_owned())
        })
    }

    fn pace(&self) -> Pace {
        let fetcher = Arc::new(Fetcher::new(None, true, Duration::ZERO).unwrap());
        let refetch = self.refetch.unwrap_or_else(|| issuer(json!({})).refetch);
        origin::Url { fetcher, url: String::new(), refetch }.pace()
    }
}

/// A scheme whose issuer is a fake.
fn remote(fake: &Fake) -> Jwt {
    let rules = Rules::compile(&issuer(json!({}))).unwrap();
    let keys = Refreshed::from(Box::new(fake.clone()), KeySet::read, KeySet::default(), None);
    let issuers = vec![Issuer { rules, keys: Arc::new(keys) }];
    let verifier = Arc::new(Verifier { issuers, cache: Cache::new(1 << 20) });
    Jwt { verifier, places: BEARER.to_vec(), max_token: 8192, clock: || NOW }
}

#[tokio::test(start_paused = true)]
async fn jwt_first_calls_wait_for_one_fetch_of_the_keys() {
    let (signer, fake) = (Signer::new("one"), Fake::default());
    fake.answers(Some(set(&[&signer])));
    let jwt = remote(&fake);
    let tokens: Vec<_> = (0..20).map(|n| signer.sign(&claims(json!({ "jti": n })))).collect();
    let verdicts = futures_util::future::join_all(tokens.iter().map(|token| check(&jwt, token)));
    assert!(verdicts.await.iter().all(|verdict| matches!(verdict, Ok(Some(_)))));
    assert_eq!(fake.asked(), 1);
    // From now on nobody waits.
    let exchange = crate::stage::testing::exchange(crate::exchange::Metadata::new(), None);
    assert!(matches!(jwt.check(&exchange), Check::Now(Ok(None))));
}

#[tokio::test(start_paused = true)]
async fn jwt_unknown_keys_are_asked_for_at_a_limited_rate() {
    for (said, after) in [(None, 30), (Some(2), 2), (Some(300), 300)] {
        let (old, new) = (Signer::new("old"), Signer::new("new"));
        let fake = Fake { refetch: said.map(Duration::from_secs), ..Fake::default() };
        fake.answers(Some(set(&[&old])));
        let jwt = remote(&fake);
        assert!(check(&jwt, &old.sign(&claims(json!({})))).await.is_ok());
        for made_up in 0..100 {
            let signer = Signer::new(&format!("made-up-{made_up}"));
            let denial = check(&jwt, &signer.sign(&claims(json!({})))).await.unwrap_err();
            assert_eq!(denial, Denial::refused("token_key"));
        }
        // The keys are rotated: the first token of the new one has them fetched again, but not yet.
        fake.answers(Some(set(&[&old, &new])));
        let token = new.sign(&claims(json!({})));
        tokio::time::advance(Duration::from_secs(after) - Duration::from_millis(1)).await;
        assert_eq!(check(&jwt, &token).await.unwrap_err(), Denial::refused("token_key"));
        assert_eq!(fake.asked(), 1);
        tokio::time::advance(Duration::from_millis(2)).await;
        assert!(check(&jwt, &token).await.is_ok());
        assert!(check(&jwt, &old.sign(&claims(json!({})))).await.is_ok());
        assert_eq!(fake.asked(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn jwt_keys_are_fetched_again_as_their_issuer_says() {
    for (said, after) in [(None, 900), (Some(5), 60), (Some(300), 300), (Some(1 << 30), 86400)] {
        let signer = Signer::new("one");
        let fake = Fake { max_age: said.map(Duration::from_secs), ..Fake::default() };
        fake.answers(Some(set(&[&signer])));
        let jwt = remote(&fake);
        check(&jwt, &signer.sign(&claims(json!({})))).await.unwrap();
        tokio::time::sleep(Duration::from_secs(after) - Duration::from_secs(1)).await;
        assert_eq!(fake.asked(), 1, "{said:?}");
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(fake.asked(), 2, "{said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn jwt_last_good_keys_stay_while_the_issuer_is_down() {
    let (signer, fake) = (Signer::new("one"), Fake::default());
    let jwt = remote(&fake);
    let token = |n: u32| signer.sign(&claims(json!({ "jti": n })));
    // Without any key nobody can say that a token is bad.
    let denial = check(&jwt, &token(0)).await.unwrap_err();
    assert_eq!(denial.kind, Kind::Unavailable);
    fake.answers(Some(set(&[&signer])));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(check(&jwt, &token(1)).await.is_ok());
    for answer in [None, Some("no JSON".to_owned()), Some("{\"keys\":[]}".to_owned())] {
        fake.answers(answer);
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert!(check(&jwt, &token(2)).await.is_ok());
    }
    assert!(fake.asked() > 3);
}

#[tokio::test(start_paused = true)]
async fn jwt_key_that_its_issuer_has_taken_back_ends_what_it_has_signed() {
    let (old, new, fake) = (Signer::new("old"), Signer::new("new"), Fake::default());
    fake.answers(Some(set(&[&old])));
    let jwt = remote(&fake);
    let token = old.sign(&claims(json!({})));
    assert!(check(&jwt, &token).await.is_ok());
    fake.answers(Some(set(&[&new])));
    tokio::time::sleep(Duration::from_secs(1000)).await;
    assert_eq!(check(&jwt, &token).await.unwrap_err(), Denial::refused("token_key"));
}

#[tokio::test(start_paused = true)]
async fn jwt_refresh_ends_with_its_policy() {
    let (signer, fake) = (Signer::new("one"), Fake::default());
    fake.answers(Some(set(&[&signer])));
    let jwt = remote(&fake);
    check(&jwt, &signer.sign(&claims(json!({})))).await.unwrap();
    drop(jwt);
    tokio::time::sleep(Duration::from_secs(100_000)).await;
    assert_eq!(fake.asked(), 1);
}
