//! The stage as a whole: which ways count, what the caller is told, what the backend gets.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    Auth, Making, Settings,
    jwt::tests::{NOW, Signer, claims, set},
};
use crate::{
    error::{Code, Error},
    exchange::{Approach, Exchange, Identity, Journal, Messages, Metadata, Principal, Reply},
    lasting::Lasting,
    stage::testing,
};

/// What a backend got.
struct Got {
    metadata: Metadata,
    principal: Option<Arc<Principal>>,
}

/// Sends a call through the stage.
async fn call(settings: &Value, exchange: Exchange) -> Result<Got, Error> {
    let settings: Settings = serde_json::from_value(settings.clone()).unwrap();
    let lasting = Lasting::new();
    let making = Making { folder: Path::new(""), lasting: &lasting, clock: || NOW };
    let auth =
        Auth::build(&settings, &making).unwrap_or_else(|(path, what)| panic!("{path}: {what}"));
    let got = Arc::new(Mutex::new(None));
    let backend = got.clone();
    let chain = testing::chain(
        Box::new(auth),
        testing::answers(move |exchange| {
            let principal = exchange.extensions.get().cloned();
            *backend.lock().unwrap() = Some(Got { metadata: exchange.metadata, principal });
            Ok(Reply { metadata: Metadata::new(), messages: Messages::none() })
        }),
    );
    let outcome = chain.call(exchange).await;
    let got = got.lock().unwrap().take();
    assert_eq!(outcome.is_ok(), got.is_some(), "who is refused calls no backend");
    outcome.map(|_| got.unwrap())
}

fn with(headers: &[(&'static str, &str)]) -> Exchange {
    let mut metadata = Metadata::new();
    for (name, value) in headers {
        metadata.append(*name, value.parse().unwrap());
    }
    testing::exchange(metadata, None)
}

fn identity(name: &str) -> Arc<Identity> {
    Arc::new(Identity {
        subject: format!("CN={name}"),
        common_name: Some(name.to_owned()),
        dns_names: vec![format!("{name}.example")],
        uris: vec![format!("spiffe://example.org/{name}")],
        emails: Vec::new(),
        certificate: bytes::Bytes::from_static(b"der"),
        fingerprint: [name.len() as u8; 32],
    })
}

fn jwt_way(signer: &Signer, from: Option<Value>) -> Value {
    let issuer = json!({
        "issuer": super::jwt::tests::ISSUER, "audiences": ["books"], "jwks": set(&[signer]),
    });
    let mut way = json!({ "jwt": { "issuers": [issuer] } });
    if let Some(from) = from {
        way["jwt"]["from"] = from;
    }
    way
}

fn challenges(error: &Error) -> Vec<&str> {
    let all = error.headers().get_all("www-authenticate").iter();
    all.map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test]
async fn auth_anonymous_caller_is_told_what_to_bring() {
    let signer = Signer::new("one");
    let settings = json!({ "any_of": [jwt_way(&signer, None), { "mtls": {} }] });
    let error = call(&settings, with(&[])).await.err().unwrap();
    assert_eq!(
        (error.code(), error.http_status()),
        (Code::Unauthenticated, StatusCode::UNAUTHORIZED)
    );
    assert_eq!(error.reason(), "credentials_missing");
    assert_eq!(challenges(&error), ["Bearer", "Certificate"]);
}

#[tokio::test]
async fn auth_bad_token_is_told_no_more_than_that_it_is() {
    let signer = Signer::new("one");
    let settings = json!({ "any_of": [jwt_way(&signer, None)], "optional": true });
    let mut told = Vec::new();
    for (token, reason) in [
        (signer.sign(&claims(json!({ "exp": 1 }))), "token_expired"),
        (Signer::new("one").sign(&claims(json!({}))), "token_signature"),
        ("nonsense".to_owned(), "token_malformed"),
    ] {
        let bearer = format!("Bearer {token}");
        let error = call(&settings, with(&[("authorization", &bearer)])).await.err().unwrap();
        assert_eq!(error.reason(), reason);
        assert_eq!(challenges(&error), ["Bearer error=\"invalid_token\""]);
        told.push((error.code(), error.message().to_owned(), error.details().len()));
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test]
async fn auth_token_in_two_places_is_refused_whatever_they_hold() {
    let signer = Signer::new("one");
    let from = json!(["bearer", { "cookie": "session" }, { "header": "x-token" }, "subprotocol"]);
    let settings = json!({ "any_of": [jwt_way(&signer, Some(from))] });
    let token = signer.sign(&claims(json!({})));
    let (bearer, cookie) = (format!("Bearer {token}"), format!("a=b; session={token}"));
    let offered = |mut exchange: Exchange| {
        let approach = Approach { tokens: vec![token.clone()], ..Approach::default() };
        exchange.extensions.insert(Arc::new(approach));
        exchange
    };
    for exchange in [
        with(&[("authorization", &bearer), ("authorization", &bearer)]),
        with(&[("authorization", &bearer), ("authorization", "bearer other")]),
        with(&[("authorization", &bearer), ("cookie", &cookie)]),
        with(&[("cookie", &cookie), ("cookie", &cookie)]),
        with(&[("cookie", &format!("{cookie}; session=x"))]),
        with(&[("x-token", &token), ("x-token", &token)]),
        offered(with(&[("authorization", &bearer)])),
    ] {
        let error = call(&settings, exchange).await.err().unwrap();
        assert_eq!(
            (error.http_status(), error.reason()),
            (StatusCode::BAD_REQUEST, "credentials_ambiguous")
        );
        assert_eq!(challenges(&error), ["Bearer error=\"invalid_request\""]);
    }
    for exchange in [
        with(&[("authorization", &bearer)]),
        with(&[("authorization", &format!("bEaReR  {token}"))]),
        with(&[("cookie", &cookie)]),
        with(&[("x-token", &token)]),
        offered(with(&[])),
        with(&[("authorization", &bearer), ("authorization", "Basic YTpi")]),
    ] {
        assert_eq!(call(&settings, exchange).await.unwrap().principal.unwrap().id, "ada");
    }
}

#[tokio::test]
async fn auth_query_holds_a_token_only_if_switched_on() {
    let signer = Signer::new("one");
    let token = signer.sign(&claims(json!({})));
    let came = |query: String| {
        let mut exchange = with(&[]);
        let uri = format!("/v1/books?{query}").parse().unwrap();
        exchange.extensions.insert(Arc::new(Approach { uri, ..Approach::default() }));
        exchange
    };
    let off = json!({ "any_of": [jwt_way(&signer, None)] });
    let error = call(&off, came(format!("token={token}"))).await.err().unwrap();
    assert_eq!(error.reason(), "credentials_missing");
    let on = json!({ "any_of": [jwt_way(&signer, Some(json!([{ "query": "token" }])))] });
    assert!(call(&on, came(format!("a=b&token={token}"))).await.is_ok());
    let error = call(&on, came(format!("token={token}&token={token}"))).await.err().unwrap();
    assert_eq!(error.reason(), "credentials_ambiguous");
}

#[tokio::test]
async fn auth_backend_gets_no_credentials_and_no_made_up_principal() {
    let signer = Signer::new("one");
    let way = jwt_way(&signer, Some(json!(["bearer", { "cookie": "session" }])));
    let forward = json!({ "x-user": "id", "x-tenant": "claims.tenant" });
    let mut settings = json!({ "any_of": [way], "optional": true, "forward": forward });
    let token = signer.sign(&claims(json!({})));
    let bearer = format!("Bearer {token}");
    let made_up =
        [("x-user", "root"), ("x-tenant", "bank"), ("x_user", "root"), ("cookie", "a=b; c=d")];
    let with_token = [&made_up[..], &[("authorization", bearer.as_str())]].concat();
    let got = call(&settings, with(&with_token)).await.unwrap();
    let shown: Vec<_> =
        got.metadata.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
    assert_eq!(shown, [("cookie", "a=b; c=d"), ("x-user", "ada")]);
    let got = call(&settings, with(&made_up)).await.unwrap();
    assert!(got.principal.is_none());
    assert_eq!(got.metadata.keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["cookie"]);
    let cookie = format!("a=b; session={token}; c=d");
    let got = call(&settings, with(&[("cookie", &cookie)])).await.unwrap();
    assert_eq!(got.metadata["cookie"], "a=b; c=d");
    settings["keep_credentials"] = true.into();
    let got = call(&settings, with(&with_token)).await.unwrap();
    assert_eq!(got.metadata["authorization"], bearer);
}

#[tokio::test]
async fn auth_certificate_is_taken_if_it_fits() {
    for (settings, is_taken) in [
        (json!({}), true),
        (json!({ "subjects": ["CN=ada"] }), true),
        (json!({ "subjects": ["CN=bob"] }), false),
        (json!({ "names": ["*"] }), true),
        (json!({ "names": ["ada.example"] }), true),
        (json!({ "names": ["example"] }), false),
        (json!({ "spiffe_ids": ["spiffe://example.org/*"] }), true),
        (json!({ "spiffe_ids": ["spiffe://example.org"] }), false),
        (json!({ "spiffe_ids": ["spiffe://other.org/*"], "names": ["ada.example"] }), true),
    ] {
        let mut exchange = with(&[]);
        exchange.extensions.insert(identity("ada"));
        let outcome = call(&json!({ "any_of": [{ "mtls": settings }] }), exchange).await;
        match outcome {
            Ok(got) => assert_eq!(got.principal.unwrap().id, "spiffe://example.org/ada"),
            Err(error) => {
                assert!(!is_taken, "{settings}");
                assert_eq!(error.reason(), "certificate_not_taken");
            }
        }
    }
}

#[tokio::test]
async fn auth_all_of_needs_all_and_names_the_first() {
    let signer = Signer::new("one");
    let bearer = format!("Bearer {}", signer.sign(&claims(json!({}))));
    let both = json!([jwt_way(&signer, None), { "mtls": {} }]);
    for settings in [json!({ "all_of": both }), json!({ "any_of": [{ "all_of": both }] })] {
        let token = || with(&[("authorization", &bearer)]);
        let shown = |mut exchange: Exchange| {
            exchange.extensions.insert(identity("ada"));
            exchange
        };
        assert_eq!(call(&settings, shown(token())).await.unwrap().principal.unwrap().id, "ada");
        for (exchange, reason) in [
            (token(), "credentials_incomplete"),
            (shown(with(&[])), "credentials_incomplete"),
            (with(&[]), "credentials_missing"),
            (shown(with(&[("authorization", "Bearer x")])), "token_malformed"),
        ] {
            assert_eq!(call(&settings, exchange).await.err().unwrap().reason(), reason);
        }
    }
}

#[tokio::test]
async fn auth_any_of_takes_the_one_that_knows_the_caller() {
    let (one, other) = (Signer::new("k"), Signer::new("k"));
    let settings =
        json!({ "any_of": [jwt_way(&one, None), jwt_way(&other, None), { "mtls": {} }] });
    for signer in [&one, &other] {
        let bearer = format!("Bearer {}", signer.sign(&claims(json!({}))));
        assert!(call(&settings, with(&[("authorization", &bearer)])).await.is_ok());
    }
    let mut exchange = with(&[("authorization", "Bearer x")]);
    exchange.extensions.insert(identity("ada"));
    assert_eq!(call(&settings, exchange).await.unwrap().principal.unwrap().kind.name(), "mtls");
}

#[tokio::test]
async fn auth_journal_tells_the_access_log_who_called() {
    let mut exchange = with(&[]);
    let journal = Arc::new(Journal::default());
    exchange.extensions.insert(identity("ada"));
    exchange.journal = Some(journal.clone());
    call(&json!({ "any_of": [{ "mtls": {} }] }), exchange).await.unwrap();
    assert_eq!(journal.principal.get().unwrap().id, "spiffe://example.org/ada");
}

#[test]
fn auth_settings_that_are_wrong_say_where() {
    for (settings, place, part) in [
        (json!({}), "", "any_of"),
        (
            json!({ "any_of": [{ "mtls": {} }], "all_of": [{ "mtls": {} }] }),
            "all_of",
            "side by side",
        ),
        (json!({ "any_of": [{ "all_of": [] }] }), "any_of[0].all_of", "name one"),
        (json!({ "any_of": [{ "jwt": { "issuers": [] } }] }), "any_of[0].jwt.issuers", "name one"),
        (
            json!({ "any_of": [{ "api_key": { "file": "/none", "from": [] } }] }),
            "any_of[0].api_key.from",
            "one place",
        ),
        (
            json!({ "any_of": [{ "api_key": { "file": "/none", "from": [{ "header": "a b" }] } }] }),
            "any_of[0].api_key.from[0].header",
            "no header name",
        ),
        (
            json!({ "any_of": [{ "mtls": {} }], "forward": { "host": "id" } }),
            "forward.host",
            "another",
        ),
        (json!({ "any_of": [{ "magic": {} }] }), "any_of[0]", "magic"),
        (json!({ "any_of": [{ "mtls": { "cn": [] } }] }), "any_of[0].mtls.cn", "unknown field"),
    ] {
        let built = testing::build("auth", Some(settings), &testing::method(false));
        let (path, message) = built.err().expect("a finding");
        assert!(path.starts_with(place), "{path}: {message}");
        assert!(message.contains(part), "{path}: {message}");
    }
}
