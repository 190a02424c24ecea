//! Tokens that are good, tokens that aren't, and the keys behind them.

mod keys;

use std::{path::Path, sync::Arc};

use base64_simd::URL_SAFE_NO_PAD;
use bytes::Bytes;
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Map, Value, json};

use super::{Jwt, algorithm::VERIFIED};
use crate::{
    exchange::{Identity, Principal},
    lasting::Lasting,
    stage::auth::{
        BEARER,
        denial::Denial,
        scheme::{Scheme, Verdict},
        settings,
    },
};

/// The time in all of these tests, in seconds since 1970.
pub(crate) const NOW: i64 = 1_800_000_000;

pub(crate) const ISSUER: &str = "https://id.example";

/// A key that signs.
pub(crate) struct Signer {
    kid: String,
    pair: EcdsaKeyPair,
}

impl Signer {
    pub(crate) fn new(kid: &str) -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        Self { kid: kid.to_owned(), pair }
    }

    pub(crate) fn jwk(&self) -> Value {
        let (x, y) = self.point().split_at(32);
        let encode = |bytes| URL_SAFE_NO_PAD.encode_to_string(bytes);
        json!({ "kty": "EC", "crv": "P-256", "kid": self.kid, "x": encode(x), "y": encode(y) })
    }

    /// The public key's coordinates.
    fn point(&self) -> &[u8] {
        &self.pair.public_key().as_ref()[1..]
    }

    /// A token with these claims.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_with(&json!({ "alg": "ES256", "kid": self.kid, "typ": "JWT" }), claims)
    }

    /// A token with this header too.
    pub(crate) fn sign_with(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    fn sign_text(&self, header: &str, claims: &str) -> String {
        let message = message(header, claims);
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode_to_string(signature.as_ref()))
    }
}

fn message(header: &str, claims: &str) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode_to_string(text);
    format!("{}.{}", encode(header), encode(claims))
}

pub(crate) fn set(signers: &[&Signer]) -> String {
    json!({ "keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>() }).to_string()
}

/// Claims of a good token, some of them changed; `null` takes one away.
pub(crate) fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "sub": "ada", "aud": ["books", "other"], "scope": "books.read books.write",
        "iat": NOW - 60, "nbf": NOW - 60, "exp": NOW + 600,
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

/// Settings of the issuer, some of them changed.
fn issuer(changes: Value) -> settings::Issuer {
    let mut written = json!({ "issuer": ISSUER, "audiences": ["books"] });
    written.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    serde_json::from_value(written).unwrap()
}

fn jwt(issuers: Vec<settings::Issuer>) -> Jwt {
    try_jwt(issuers).unwrap_or_else(|(path, message)| panic!("{path}: {message}"))
}

fn try_jwt(issuers: Vec<settings::Issuer>) -> Result<Jwt, (String, String)> {
    let written = settings::Jwt { issuers, from: None, max_token: 8192 };
    Jwt::build(&written, BEARER.to_vec(), Path::new(""), &Lasting::new(), || NOW)
}

/// What is made of a token at a time, without waiting for keys.
fn verdict_at(jwt: &Jwt, token: &str, now: i64) -> Result<Arc<Principal>, &'static str> {
    jwt.verifier.verify(token, None, now).map_err(|obstacle| match obstacle {
        super::Obstacle::Denied(denial) => denial.reason,
        super::Obstacle::Key(lack) => lack.reason,
    })
}

fn verdict(jwt: &Jwt, token: &str) -> Result<Arc<Principal>, &'static str> {
    verdict_at(jwt, token, NOW)
}

/// A scheme that takes what a signer signs.
fn simple(changes: Value) -> (Signer, Jwt) {
    let signer = Signer::new("one");
    let mut changes = changes;
    changes["jwks"] = set(&[&signer]).into();
    let jwt = jwt(vec![issuer(changes)]);
    (signer, jwt)
}

#[test]
fn jwt_good_token_names_its_caller() {
    let (signer, jwt) = simple(json!({}));
    let principal = verdict(&jwt, &signer.sign(&claims(json!({ "tenant": "t" })))).unwrap();
    assert_eq!((principal.id.as_str(), principal.issuer.as_str()), ("ada", ISSUER));
    assert_eq!(principal.scopes, ["books.read", "books.write"]);
    assert_eq!(principal.claim("tenant"), Some(&json!("t")));
}

#[test]
fn jwt_claims_that_don_t_hold_are_refused() {
    let (signer, jwt) = simple(json!({ "max_lifetime": "1h" }));
    for (changes, reason) in [
        (json!({ "iss": "https://evil.example" }), "token_issuer"),
        (json!({ "iss": null }), "token_issuer"),
        (json!({ "iss": [ISSUER] }), "token_issuer"),
        (json!({ "aud": "others" }), "token_audience"),
        (json!({ "aud": ["book", "books "] }), "token_audience"),
        (json!({ "aud": "*" }), "token_audience"),
        (json!({ "aud": null }), "token_audience"),
        (json!({ "exp": NOW - 30 }), "token_expired"),
        (json!({ "exp": 0 }), "token_expired"),
        (json!({ "exp": null }), "token_times"),
        (json!({ "exp": (NOW + 60).to_string() }), "token_times"),
        (json!({ "exp": -1 }), "token_times"),
        (json!({ "exp": 1e300 }), "token_times"),
        (json!({ "nbf": "soon" }), "token_times"),
        (json!({ "nbf": NOW + 31 }), "token_not_yet_valid"),
        (json!({ "iat": NOW + 31 }), "token_not_yet_valid"),
        (json!({ "iat": NOW - 3600 }), "token_lifetime"),
        (json!({ "iat": null }), "token_lifetime"),
        (json!({ "sub": null }), "token_subject"),
        (json!({ "sub": "" }), "token_subject"),
        (json!({ "sub": 7 }), "token_subject"),
        (json!({ "cnf": { "jkt": "x" } }), "token_confirmation"),
        (json!({ "cnf": { "x5t#S256": "short" } }), "token_confirmation"),
    ] {
        assert_eq!(verdict(&jwt, &signer.sign(&claims(changes.clone()))), Err(reason), "{changes}");
    }
    for changes in [
        json!({ "exp": NOW - 29 }),
        json!({ "nbf": NOW + 30, "iat": NOW + 30 }),
        json!({ "exp": NOW as f64 + 0.5 }),
        json!({ "aud": "books" }),
    ] {
        assert!(verdict(&jwt, &signer.sign(&claims(changes.clone()))).is_ok(), "{changes}");
    }
}

#[test]
fn jwt_headers_of_attackers_are_refused() {
    let (signer, jwt) = simple(json!({}));
    let own = Signer::new("one");
    let good = claims(json!({}));
    for (header, reason) in [
        (json!({ "alg": "none", "kid": "one" }), "token_algorithm"),
        (json!({ "alg": "None", "kid": "one" }), "token_algorithm"),
        (json!({ "alg": "", "kid": "one" }), "token_algorithm"),
        (json!({ "alg": "HS256", "kid": "one" }), "token_algorithm"),
        (json!({ "alg": "es256", "kid": "one" }), "token_algorithm"),
        (json!({ "alg": "ES384", "kid": "one" }), "token_algorithm"),
        (json!({ "alg": "RS256", "kid": "one" }), "token_key"),
        (json!({ "alg": "EdDSA", "kid": "one" }), "token_key"),
        (json!({ "alg": "ES256", "kid": "../../dev/null" }), "token_key"),
        (json!({ "alg": "ES256", "kid": "one' OR '1'='1" }), "token_key"),
        (json!({ "alg": "ES256", "kid": "" }), "token_key"),
        (json!({ "alg": "ES256", "kid": 1 }), "token_malformed"),
        (json!({ "alg": "ES256", "kid": "one", "crit": ["exp"] }), "token_critical"),
        (json!({ "alg": "ES256", "kid": "one", "crit": [] }), "token_critical"),
        (json!({ "alg": "ES256", "kid": "one", "b64": false, "crit": ["b64"] }), "token_critical"),
        (json!({ "alg": "ES256", "kid": "one", "b64": false }), "token_critical"),
        (json!({ "alg": "ES256", "kid": "one", "typ": "dpop+jwt" }), "token_type"),
        (json!({ "alg": "ES256", "kid": "one", "typ": "secevent+jwt" }), "token_type"),
        (json!({ "kid": "one" }), "token_malformed"),
        (json!([]), "token_malformed"),
        (json!("ES256"), "token_malformed"),
    ] {
        let token = signer.sign_with(&header, &good);
        assert_eq!(verdict(&jwt, &token), Err(reason), "{header}");
    }
    // A key that the token brings along is its writer's own.
    for member in ["jwk", "jku", "x5u", "x5c"] {
        let mut header = json!({ "alg": "ES256", "kid": "one" });
        header[member] = own.jwk();
        assert_eq!(verdict(&jwt, &own.sign_with(&header, &good)), Err("token_signature"));
    }
    for typ in ["jwt", "JWT", "application/at+jwt", "AT+JWT"] {
        let header = json!({ "alg": "ES256", "kid": "one", "typ": typ });
        assert!(verdict(&jwt, &signer.sign_with(&header, &good)).is_ok(), "{typ}");
    }
    assert!(verdict(&jwt, &signer.sign_with(&json!({ "alg": "ES256" }), &good)).is_ok());
}

#[test]
fn jwt_public_key_is_no_secret() {
    let (signer, jwt) = simple(json!({}));
    let good = claims(json!({})).to_string();
    for secret in
        [signer.point().to_vec(), [&[4], signer.point()].concat(), set(&[&signer]).into_bytes()]
    {
        let message = message("{\"alg\":\"HS256\",\"kid\":\"one\"}", &good);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let signature = URL_SAFE_NO_PAD.encode_to_string(hmac::sign(&key, message.as_bytes()));
        assert_eq!(verdict(&jwt, &format!("{message}.{signature}")), Err("token_algorithm"));
    }
    let refused = |changes| try_jwt(vec![issuer(changes)]).err().map(|(path, _)| path);
    let mixed = json!({ "jwks": set(&[&signer]), "algorithms": ["ES256", "HS256"] });
    assert_eq!(refused(mixed).as_deref(), Some("issuers[0].algorithms[1]"));
    let mixed = json!({ "secret": "s".repeat(32), "algorithms": ["RS256"] });
    assert_eq!(refused(mixed).as_deref(), Some("issuers[0].algorithms[0]"));
    let none = json!({ "jwks": set(&[&signer]), "algorithms": ["none"] });
    assert_eq!(refused(none).as_deref(), Some("issuers[0].algorithms[0]"));
    // A symmetric key in a set is no key: the set is public.
    let symmetric = json!({ "keys": [{ "kty": "oct", "k": "AAAA", "kid": "one" }] }).to_string();
    assert_eq!(refused(json!({ "jwks": symmetric })).as_deref(), Some("issuers[0].jwks"));
}

#[test]
fn jwt_tokens_that_are_none_are_refused() {
    let (signer, jwt) = simple(json!({}));
    let good = signer.sign(&claims(json!({})));
    let parts: Vec<&str> = good.split('.').collect();
    for token in [
        "".to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        "a.b.c.d.e".to_owned(),
        format!("{}.{}", parts[0], parts[1]),
        format!("{good}."),
        format!("{}=.{}.{}", parts[0], parts[1], parts[2]),
        format!("{}.{}.{}==", parts[0], parts[1], parts[2]),
        format!("{}.{}.{}+", parts[0], parts[1], parts[2]),
        "é.é.é".to_owned(),
        signer.sign_text("{\"alg\":\"ES256\",\"alg\":\"none\"}", "{}"),
        signer.sign_text("{\"alg\":\"ES256\"}", "[]"),
        signer.sign_text("{\"alg\":\"ES256\"}", "{\"iss\":\"a\",\"iss\":\"https://id.example\"}"),
        signer.sign_text("{\"alg\":\"ES256\"}", &"[".repeat(4000)),
    ] {
        assert_eq!(verdict(&jwt, &token), Err("token_malformed"), "{token}");
    }
    let changed = format!("{}.{}.{}", parts[0], parts[1], "A".repeat(86));
    assert_eq!(verdict(&jwt, &changed), Err("token_signature"));
    assert_eq!(verdict(&jwt, &format!("{}.{}.", parts[0], parts[1])), Err("token_signature"));
    // Another payload under the same signature.
    let other = signer.sign(&claims(json!({ "sub": "root" })));
    let other: Vec<&str> = other.split('.').collect();
    let mixed = format!("{}.{}.{}", parts[0], other[1], parts[2]);
    assert_eq!(verdict(&jwt, &mixed), Err("token_signature"));
}

#[test]
fn jwt_tokens_of_other_implementations_are_verified() {
    let vectors: Value = serde_json::from_str(include_str!("vectors.json")).unwrap();
    let set = vectors["set"].to_string();
    let algorithms: Vec<&str> =
        vectors["tokens"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(algorithms.len(), 8);
    let jwt = jwt(vec![issuer(json!({ "jwks": set, "algorithms": algorithms }))]);
    for (algorithm, token) in vectors["tokens"].as_object().unwrap() {
        let token = token.as_str().unwrap();
        assert_eq!(verdict(&jwt, token).unwrap().id, *algorithm);
        let (message, signature) = token.rsplit_once('.').unwrap();
        let other = if signature.starts_with('A') { "B" } else { "A" };
        let broken = format!("{message}.{other}{}", &signature[1..]);
        assert_eq!(verdict(&jwt, &broken), Err("token_signature"), "{algorithm}");
    }
    for (name, pem) in vectors["pem"].as_object().unwrap() {
        let changes = json!({ "jwks": pem, "algorithms": [name] });
        let jwt = self::jwt(vec![issuer(changes)]);
        assert!(verdict(&jwt, vectors["tokens"][name].as_str().unwrap()).is_ok(), "{name}");
    }
}

#[test]
fn jwt_secret_verifies_what_it_has_signed() {
    let secret = "0123456789abcdef0123456789abcdef";
    let jwt = jwt(vec![issuer(json!({ "secret": secret }))]);
    let message = message("{\"alg\":\"HS256\"}", &claims(json!({})).to_string());
    let sign = |secret: &str| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode_to_string(tag))
    };
    assert!(verdict(&jwt, &sign(secret)).is_ok());
    assert_eq!(verdict(&jwt, &sign("another")), Err("token_signature"));
}

#[test]
fn jwt_issuers_can_t_vouch_for_each_other() {
    let (one, other) = (Signer::new("k"), Signer::new("k"));
    let elsewhere = "https://other.example";
    let jwt = jwt(vec![
        issuer(json!({ "jwks": set(&[&one]) })),
        issuer(json!({ "issuer": elsewhere, "jwks": set(&[&other]) })),
    ]);
    assert!(verdict(&jwt, &one.sign(&claims(json!({})))).is_ok());
    assert!(verdict(&jwt, &other.sign(&claims(json!({ "iss": elsewhere })))).is_ok());
    assert_eq!(verdict(&jwt, &other.sign(&claims(json!({})))), Err("token_signature"));
    let crossed = one.sign(&claims(json!({ "iss": elsewhere })));
    assert_eq!(verdict(&jwt, &crossed), Err("token_signature"));
}

#[test]
fn jwt_cache_of_one_policy_is_nothing_to_another() {
    let signer = Signer::new("one");
    let lasting = Lasting::new();
    let build = |audience: &str| {
        let changes = json!({ "jwks": set(&[&signer]), "audiences": [audience] });
        let issuers = vec![issuer(changes)];
        let written = settings::Jwt { issuers, from: None, max_token: 8192 };
        Jwt::build(&written, BEARER.to_vec(), Path::new(""), &lasting, || NOW)
            .unwrap_or_else(|_| panic!())
    };
    let (books, films, again) = (build("books"), build("films"), build("books"));
    let token = signer.sign(&claims(json!({})));
    assert!(verdict(&books, &token).is_ok());
    assert_eq!(verdict(&films, &token), Err("token_audience"));
    // What is configured alike shares what was verified, over a reload too.
    assert!(Arc::ptr_eq(&verdict(&again, &token).unwrap(), &verdict(&books, &token).unwrap()));
}

#[test]
fn jwt_cache_never_lends_a_token_time() {
    let (signer, jwt) = simple(json!({}));
    let token = signer.sign(&claims(json!({ "exp": NOW + 10 })));
    let first = verdict_at(&jwt, &token, NOW).unwrap();
    let cached = verdict_at(&jwt, &token, NOW + 9).unwrap();
    assert!(Arc::ptr_eq(&first, &cached));
    // Within the skew it is judged anew, and behind it refused.
    let judged = verdict_at(&jwt, &token, NOW + 10).unwrap();
    assert!(!Arc::ptr_eq(&first, &judged));
    assert_eq!(verdict_at(&jwt, &token, NOW + 40), Err("token_expired"));
    // A clock that goes back finds a token that isn't valid yet.
    let token = signer.sign(&claims(json!({})));
    assert!(verdict_at(&jwt, &token, NOW).is_ok());
    assert_eq!(verdict_at(&jwt, &token, NOW - 1000), Err("token_not_yet_valid"));
}

#[test]
fn jwt_cached_token_is_compared_to_its_last_byte() {
    let (signer, jwt) = simple(json!({}));
    let token = signer.sign(&claims(json!({})));
    assert!(verdict(&jwt, &token).is_ok());
    let last = if token.ends_with('A') { "Q" } else { "A" };
    let other = format!("{}{last}", &token[..token.len() - 1]);
    assert!(verdict(&jwt, &other).is_err());
}

#[test]
fn jwt_bound_token_needs_its_certificate() {
    let (signer, jwt) = simple(json!({}));
    let bound = URL_SAFE_NO_PAD.encode_to_string([7; 32]);
    let token = signer.sign(&claims(json!({ "cnf": { "x5t#S256": bound } })));
    let identity = |fingerprint| Identity {
        subject: "CN=ada".into(),
        common_name: None,
        dns_names: Vec::new(),
        uris: Vec::new(),
        emails: Vec::new(),
        certificate: Bytes::new(),
        fingerprint,
    };
    // Twice, so that it is out of the cache too.
    for _ in 0..2 {
        assert!(jwt.verifier.verify(&token, Some(&identity([7; 32])), NOW).is_ok());
        assert!(jwt.verifier.verify(&token, Some(&identity([8; 32])), NOW).is_err());
        assert_eq!(verdict(&jwt, &token), Err("token_certificate"));
    }
}

#[test]
fn jwt_settings_that_are_wrong_say_where() {
    let signer = Signer::new("one");
    let keys = set(&[&signer]);
    for (changes, place) in [
        (json!({ "issuer": "", "jwks": keys }), "issuer"),
        (json!({ "audiences": [], "jwks": keys }), "audiences"),
        (json!({ "skew": "1h", "jwks": keys }), "skew"),
        (json!({ "secret": "short" }), "secret"),
        (json!({ "algorithms": [], "jwks": keys }), "algorithms"),
        (json!({ "jwks": "{}" }), "jwks"),
        (json!({ "jwks": "{\"keys\":[]}" }), "jwks"),
        (json!({ "jwks": "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----" }), "jwks"),
        (json!({ "jwks_file": "/nowhere/at/all" }), "jwks_file"),
        (json!({ "jwks_url": "http://id.example/keys" }), "jwks_url"),
        (json!({ "issuer": "http://id.example" }), "issuer"),
        (json!({ "issuer": "example" }), "issuer"),
        (json!({ "ca": "/nowhere" }), "ca"),
        (json!({ "jwks": keys, "jwks_url": "https://id.example/keys" }), "issuer"),
    ] {
        let (path, message) = try_jwt(vec![issuer(changes.clone())]).err().expect("a finding");
        assert_eq!(path, format!("issuers[0].{place}"), "{changes}: {message}");
    }
    let twice = vec![issuer(json!({ "jwks": keys })), issuer(json!({ "jwks": keys }))];
    assert_eq!(try_jwt(twice).err().unwrap().0, "issuers[1].issuer");
    assert_eq!(try_jwt(Vec::new()).err().unwrap().0, "issuers");
}

async fn check(jwt: &Jwt, token: &str) -> Verdict {
    let mut metadata = crate::exchange::Metadata::new();
    metadata.insert("authorization", format!("Bearer {token}").parse().unwrap());
    jwt.check(&crate::stage::testing::exchange(metadata, None)).await
}

#[tokio::test]
async fn jwt_huge_token_is_refused_unread() {
    let (signer, jwt) = simple(json!({}));
    let token = signer.sign(&claims(json!({ "much": "x".repeat(9000) })));
    assert_eq!(check(&jwt, &token).await.unwrap_err(), Denial::refused("token_too_long"));
}

#[tokio::test]
async fn jwt_token_costs_one_signature_and_a_known_one_none() {
    let (signer, jwt) = simple(json!({}));
    let (stranger, good) = (Signer::new("one"), claims(json!({})));
    let nameless = json!({ "alg": "ES256" });
    let known = signer.sign(&good);
    for (what, token, cost) in [
        ("a good one", known.clone(), 1),
        ("the same", known.clone(), 0),
        ("of a good signature and no time left", signer.sign(&claims(json!({ "exp": 1 }))), 1),
        ("of another signature", stranger.sign(&good), 1),
        // New keys might verify it, but there are none.
        ("of another signature and no key's name", stranger.sign_with(&nameless, &good), 1),
        ("of an unknown key", Signer::new("other").sign(&good), 0),
        ("of an unknown issuer", signer.sign(&claims(json!({ "iss": "https://other" }))), 0),
        ("of an algorithm that isn't taken", signer.sign_with(&json!({ "alg": "none" }), &good), 0),
        ("too long", signer.sign(&claims(json!({ "much": "x".repeat(9000) }))), 0),
        ("none at all", "nonsense".to_owned(), 0),
    ] {
        let before = VERIFIED.get();
        assert_eq!(check(&jwt, &token).await.is_ok(), token == known, "{what}");
        assert_eq!(VERIFIED.get() - before, cost, "{what}");
    }
}

#[test]
fn jwt_keys_for_other_uses_are_left_out() {
    let signer = Signer::new("one");
    for (member, value) in [
        ("use", json!("enc")),
        ("key_ops", json!(["encrypt"])),
        ("crv", json!("P-521")),
        ("kty", json!("oct")),
        ("alg", json!("ES384")),
    ] {
        let mut key: Map<String, Value> = signer.jwk().as_object().unwrap().clone();
        key.insert(member.to_owned(), value);
        let other = Signer::new("other");
        let set = json!({ "keys": [key, other.jwk(), { "kty": "new" }, 7] }).to_string();
        let jwt = jwt(vec![issuer(json!({ "jwks": set }))]);
        assert_eq!(verdict(&jwt, &signer.sign(&claims(json!({})))), Err("token_key"), "{member}");
        assert!(verdict(&jwt, &other.sign(&claims(json!({})))).is_ok(), "{member}");
    }
}
