//! Tokens by discovery, by a subprotocol and by introspection.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::issuer::{Issuer, now};
use crate::{
    support::Rig,
    websocket::client::{Over, Session},
};

const BOOK: &str = "/v1/shelves/fiction/books/letters";

async fn get(rig: &Rig, token: &str) -> crate::support::Response {
    let bearer = format!("Bearer {token}");
    rig.request("GET", BOOK, &[("authorization", &bearer)], b"").await
}

fn policy(issuer: &Issuer, more: &str) -> String {
    let name = issuer.name();
    format!(
        "auth: {{ any_of: [{{ jwt: {{ issuers: [{{ issuer: \"{name}\", audiences: [books], \
         allow_http: true }}] }} }}], forward: {{ x-echo-user: id, x-echo-tenant: claims.tenant }} \
         }}{more}"
    )
}

#[tokio::test]
async fn auth_keys_are_found_by_discovery_and_the_backend_hears_who_calls() {
    let issuer = Issuer::start().await;
    let signer = issuer.rotate("one");
    let rig = Rig::with_policy(&policy(&issuer, "")).await;
    let bearer = format!("Bearer {}", signer.sign("ada", json!({ "tenant": "library" })));
    let made_up =
        [("authorization", bearer.as_str()), ("x-echo-user", "root"), ("x-echo-tenant", "bank")];
    for _ in 0..3 {
        let response = rig.request("GET", BOOK, &made_up, b"").await;
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(response.header("x-echo-user"), "ada");
        assert_eq!(response.header("x-echo-tenant"), "library");
    }
    assert_eq!((issuer.asked("/.well-known/"), issuer.asked("/keys")), (1, 1));
    let anonymous = rig.get(BOOK).await;
    assert_eq!(anonymous.refusal(401, 16), "the call lacks credentials that it needs");
    assert_eq!(anonymous.header("www-authenticate"), "Bearer");
    let wrong = get(&rig, &signer.sign("ada", json!({ "aud": "films" }))).await;
    wrong.refusal(401, 16);
    assert_eq!(wrong.header("www-authenticate"), "Bearer error=\"invalid_token\"");
    assert_eq!(rig.bookshelf.begun(), 3);
}

#[tokio::test]
async fn auth_caller_can_t_have_its_principal_taken_away_on_the_way() {
    let issuer = Issuer::start().await;
    let signer = issuer.rotate("one");
    let rig = Rig::with_policy(&policy(&issuer, "")).await;
    let bearer = format!("Bearer {}", signer.sign("ada", json!({ "tenant": "library" })));
    // What a `Connection` header lists is taken away (RFC 9110 §7.6.1): the caller's, not the gateway's.
    let listed = [("authorization", &*bearer), ("connection", "x-echo-user, x-echo-tenant")];
    let response = rig.request("GET", BOOK, &listed, b"").await;
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("x-echo-user"), "ada");
    assert_eq!(response.header("x-echo-tenant"), "library");
}

#[tokio::test]
async fn auth_issuer_that_is_down_at_first_refuses_nobody_for_their_token() {
    let issuer = Issuer::start().await;
    let signer = issuer.rotate("one");
    issuer.is_down(true);
    let rig = Rig::with_policy(&policy(&issuer, "")).await;
    let token = signer.sign("ada", json!({}));
    let response = get(&rig, &token).await;
    response.refusal(503, 14);
    assert_eq!(rig.bookshelf.begun(), 0);
}

#[tokio::test]
async fn auth_websocket_brings_its_token_among_the_subprotocols() {
    let issuer = Issuer::start().await;
    let signer = issuer.rotate("one");
    let rig = Rig::with_policy(&policy(&issuer, ", authorize: { scopes: [books.chat] }")).await;
    let path = "/v1/shelves/science/books/tides:chat";
    for (claims, code) in [
        (Some(json!({ "scope": "books.chat" })), None),
        (Some(json!({ "scope": "books.read" })), Some(4007)),
        (Some(json!({ "exp": now() - 3600 })), Some(4016)),
        (None, Some(4016)),
    ] {
        let token = claims.map(|claims| format!(", bearer.{}", signer.sign("ada", claims)));
        let offered = format!("transom.json{}", token.unwrap_or_default());
        let headers = [("sec-websocket-protocol", offered.as_str())];
        let mut session =
            Session::open_over(Over::Http1, rig.gateway.address, path, &headers).await;
        // The token isn't said back.
        assert_eq!(session.headers["sec-websocket-protocol"], "transom.json");
        let Some(code) = code else {
            session.send("{\"text\":\"hello\"}").await;
            assert_eq!(session.json().await["text"], "hello");
            continue;
        };
        let close = loop {
            if let Message::Close(close) = session.next().await {
                break close.unwrap();
            }
        };
        assert_eq!(u16::from(close.code), code);
    }
}

fn introspection(issuer: &Issuer) -> String {
    let name = issuer.name();
    format!(
        "auth: {{ any_of: [{{ introspection: {{ url: \"{name}/introspect\", client_id: \"gate way\", \
         client_secret: \"s:1\", allow_http: true, audiences: [books], cache_for: 1h, \
         cache_inactive_for: 1h }} }}] }}"
    )
}

#[tokio::test]
async fn auth_issuer_is_asked_about_a_token_once() {
    let issuer = Issuer::start().await;
    let rig = Rig::with_policy(&introspection(&issuer)).await;
    let active = |changes: serde_json::Value| {
        let mut answer = json!({ "active": true, "sub": "ada", "aud": ["books"] });
        answer.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        answer
    };
    issuer.says("good", active(json!({})));
    issuer.says("expired", active(json!({ "exp": now() - 1 })));
    issuer.says("others", active(json!({ "aud": "films" })));
    issuer.says("nobody", json!({ "active": true, "aud": "books" }));
    for (token, status) in
        [("good", 200), ("expired", 401), ("others", 401), ("nobody", 401), ("unknown", 401)]
    {
        let before = issuer.asked("/introspect");
        for _ in 0..3 {
            assert_eq!(get(&rig, token).await.status, status, "{token}");
        }
        assert_eq!(issuer.asked("/introspect"), before + 1, "{token}");
    }
    let (head, body) = issuer.last();
    assert_eq!(body, "token=unknown&token_type_hint=access_token");
    // `gate%20way:s%3A1`
    assert!(head.to_lowercase().contains("authorization: basic "), "{head}");
    assert!(head.contains("Z2F0ZSUyMHdheTpzJTNBMQ=="), "{head}");
    assert_eq!(rig.bookshelf.begun(), 3);
}

#[tokio::test]
async fn auth_issuer_that_can_t_be_asked_lets_nobody_in() {
    let issuer = Issuer::start().await;
    let rig = Rig::with_policy(&introspection(&issuer)).await;
    issuer.says("odd", json!({ "sub": "ada", "aud": "books" }));
    issuer.says("odder", json!({ "active": "true", "sub": "ada", "aud": "books" }));
    for token in ["odd", "odder"] {
        get(&rig, token).await.refusal(503, 14);
    }
    issuer.says("good", json!({ "active": true, "sub": "ada", "aud": "books" }));
    issuer.is_down(true);
    get(&rig, "good").await.refusal(503, 14);
    // That it couldn't be asked is nothing about the token.
    issuer.is_down(false);
    assert_eq!(get(&rig, "good").await.status, 200);
    assert_eq!(rig.bookshelf.begun(), 1);
}
