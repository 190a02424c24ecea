//! Who may call, who may not, and what those are told.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;

use serde_json::{Value, json};

use crate::{
    error::{Code, Error},
    exchange::{
        Approach, Exchange, MessageStream, Messages, Metadata, Principal, PrincipalKind, Reply,
    },
    schema::Method,
    stage::testing::{answers, build, chain, exchange, message, method},
};

fn principal(kind: PrincipalKind) -> Arc<Principal> {
    let claims = json!({ "tenant": "library", "roles": ["reader", "clerk"], "age": 36,
        "realm": { "roles": ["admin"] } });
    Arc::new(Principal {
        id: "ada".into(),
        issuer: "https://id.example".into(),
        kind,
        scopes: vec!["books.read".into(), "books.list".into()],
        claims: claims.as_object().unwrap().clone(),
    })
}

fn known(kind: PrincipalKind) -> Exchange {
    let mut exchange = exchange(Metadata::new(), None);
    exchange.extensions.insert(principal(kind));
    exchange
}

fn from(address: Option<&str>) -> Exchange {
    let mut exchange = exchange(Metadata::new(), None);
    let client = address.map(|address| address.parse().unwrap());
    exchange.extensions.insert(Arc::new(Approach { client, ..Approach::default() }));
    exchange
}

async fn call(settings: Value, exchange: Exchange) -> Result<(), Error> {
    let stage = build("authorize", Some(settings), &method(false)).unwrap().unwrap();
    let backend = answers(|_| Ok(Reply { metadata: Metadata::new(), messages: Messages::none() }));
    chain(stage, backend).call(exchange).await.map(drop)
}

async fn reason(settings: Value, exchange: Exchange) -> Option<&'static str> {
    call(settings, exchange).await.err().map(|error| error.reason())
}

#[tokio::test]
async fn authorize_scopes_and_claims_all_have_to_hold() {
    for (settings, want) in [
        (json!({}), None),
        (json!({ "scopes": ["books.read", "books.list"] }), None),
        (json!({ "scopes": ["books.read", "books.write"] }), Some("scope_missing")),
        (json!({ "scopes": ["books"] }), Some("scope_missing")),
        (json!({ "any_scope": ["books.write", "books.list"] }), None),
        (json!({ "any_scope": ["books.write"] }), Some("scope_missing")),
        (json!({ "claims": { "tenant": "library" } }), None),
        (json!({ "claims": { "tenant": ["bank", "library"] } }), None),
        (json!({ "claims": { "tenant": "librar" } }), Some("claim_missing")),
        (json!({ "claims": { "roles": "clerk" } }), None),
        (json!({ "claims": { "roles": ["admin", "clerk"] } }), None),
        (json!({ "claims": { "roles": "admin" } }), Some("claim_missing")),
        (json!({ "claims": { "realm.roles": "admin" } }), None),
        (json!({ "claims": { "age": 36 } }), None),
        (json!({ "claims": { "age": "36" } }), Some("claim_missing")),
        (json!({ "claims": { "absent": "x" } }), Some("claim_missing")),
        (json!({ "scopes": ["books.read"], "claims": { "age": 7 } }), Some("claim_missing")),
        (json!({ "deny_all": true, "scopes": ["books.read"] }), Some("denied_to_all")),
    ] {
        let shown = settings.to_string();
        assert_eq!(reason(settings, known(PrincipalKind::Jwt)).await, want, "{shown}");
    }
}

#[tokio::test]
async fn authorize_refusal_is_403_and_names_scopes_to_bearers_alone() {
    let settings = json!({ "scopes": ["books.write", "books.burn"] });
    let error = call(settings.clone(), known(PrincipalKind::Jwt)).await.unwrap_err();
    assert_eq!((error.code(), error.http_status().as_u16()), (Code::PermissionDenied, 403));
    let want = "Bearer error=\"insufficient_scope\", scope=\"books.write books.burn\"";
    assert_eq!(error.headers()["www-authenticate"], want);
    let error = call(settings, known(PrincipalKind::ApiKey)).await.unwrap_err();
    assert!(error.headers().is_empty());
    let error = call(json!({ "claims": { "tenant": "bank" } }), known(PrincipalKind::Jwt)).await;
    let error = error.unwrap_err();
    assert!(error.headers().is_empty() && !error.message().contains("tenant"), "{error}");
}

#[tokio::test]
async fn authorize_nobody_is_asked_who_they_are() {
    let error = call(json!({ "scopes": ["a"] }), from(None)).await.unwrap_err();
    assert_eq!((error.code(), error.http_status().as_u16()), (Code::Unauthenticated, 401));
    assert_eq!(error.headers()["www-authenticate"], "Bearer");
    assert_eq!(
        reason(json!({ "claims": { "a": 1 } }), from(None)).await,
        Some("principal_missing")
    );
}

#[tokio::test]
async fn authorize_addresses_are_those_of_networks() {
    let inside = json!({ "allow_addresses": ["10.0.0.0/8", "2001:db8::1"] });
    let outside = json!({ "deny_addresses": ["192.0.2.0/24"] });
    let both = json!({ "allow_addresses": ["10.0.0.0/8"], "deny_addresses": ["10.1.0.0/16"] });
    let denied = Some("address_denied");
    for (settings, address, want) in [
        (&inside, Some("10.1.2.3"), None),
        (&inside, Some("2001:db8::1"), None),
        (&inside, Some("192.0.2.1"), denied),
        (&inside, None, denied),
        (&outside, Some("192.0.2.1"), denied),
        (&outside, Some("192.0.3.1"), None),
        (&outside, None, None),
        (&both, Some("10.2.0.1"), None),
        (&both, Some("10.1.0.1"), denied),
    ] {
        assert_eq!(reason(settings.clone(), from(address)).await, want, "{settings} {address:?}");
    }
}

/// A method that takes messages with a shelf.
fn shelved(client_streaming: bool) -> Method {
    let source = "syntax = \"proto3\"; package t; message R { string shelf = 1; }";
    Method { input: message(source, "t.R"), client_streaming, ..method(false) }
}

fn own_shelf() -> Value {
    json!({ "when": [
        { "name": "own", "expression": "request.shelf == principal.claims.tenant" },
    ] })
}

struct Given(Vec<&'static [u8]>);

impl MessageStream for Given {
    fn poll_message(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        let next = (!self.0.is_empty()).then(|| Ok(Bytes::from_static(self.0.remove(0))));
        Poll::Ready(next)
    }
}

const OWN: &[u8] = b"\x0a\x07library";
const OTHER: &[u8] = b"\x0a\x04bank";

/// Calls with these messages, of which the backend takes all; says how far it got.
async fn send(messages: Messages) -> (Option<usize>, Result<(), Error>) {
    let method = shelved(true);
    let stage = build("authorize", Some(own_shelf()), &method).unwrap().unwrap();
    let taken = Arc::new(std::sync::Mutex::new(None::<usize>));
    let seen = taken.clone();
    let backend = answers(move |mut exchange: Exchange| {
        *seen.lock().unwrap() = Some(0);
        let mut context = Context::from_waker(std::task::Waker::noop());
        while let Poll::Ready(Some(message)) = exchange.messages.poll_message(&mut context) {
            message?;
            *seen.lock().unwrap().as_mut().unwrap() += 1;
        }
        Ok(Reply { metadata: Metadata::new(), messages: Messages::none() })
    });
    let mut exchange = known(PrincipalKind::Jwt);
    exchange.messages = messages;
    let outcome = chain(stage, backend).call(exchange).await.map(drop);
    let taken = *taken.lock().unwrap();
    (taken, outcome)
}

#[tokio::test]
async fn authorize_condition_holds_for_each_message() {
    let (taken, outcome) = send(Messages::one(Bytes::from_static(OWN))).await;
    assert!(taken == Some(1) && outcome.is_ok());
    let (taken, outcome) = send(Messages::one(Bytes::from_static(OTHER))).await;
    let error = outcome.unwrap_err();
    assert_eq!(
        (taken, error.code(), error.reason()),
        (None, Code::PermissionDenied, "condition_failed")
    );
    assert!(!error.message().contains("own") && !error.message().contains("shelf"), "{error}");
    let (taken, outcome) = send(Messages::stream(Given(vec![OWN, OWN]))).await;
    assert!(taken == Some(2) && outcome.is_ok());
    // The first message decides before the backend hears of the call, a later one ends it.
    let (taken, outcome) = send(Messages::stream(Given(vec![OTHER, OWN]))).await;
    assert_eq!((taken, outcome.unwrap_err().reason()), (None, "condition_failed"));
    let (taken, outcome) = send(Messages::stream(Given(vec![OWN, OTHER, OWN]))).await;
    assert_eq!((taken, outcome.unwrap_err().reason()), (Some(1), "condition_failed"));
    // Nothing is the empty message.
    let (taken, outcome) = send(Messages::stream(Given(vec![]))).await;
    assert_eq!((taken, outcome.unwrap_err().reason()), (None, "condition_failed"));
}

#[tokio::test]
async fn authorize_condition_asks_nobody_who_they_are() {
    let build = || build("authorize", Some(own_shelf()), &shelved(false)).unwrap().unwrap();
    let backend =
        || answers(|_| Ok(Reply { metadata: Metadata::new(), messages: Messages::none() }));
    let mut nobody = from(None);
    nobody.messages = Messages::one(Bytes::from_static(OWN));
    let error = chain(build(), backend()).call(nobody).await.err().unwrap();
    assert_eq!((error.code(), error.reason()), (Code::Unauthenticated, "principal_missing"));
}

#[test]
fn authorize_condition_that_is_wrong_says_where() {
    let settings = json!({ "when": [
        { "expression": "request.shelf == 'a'" }, { "expression": "request.shelv == 'a'" },
    ] });
    let (path, message) = build("authorize", Some(settings), &shelved(false)).err().unwrap();
    assert_eq!(path, "when[1].expression");
    assert!(
        message.contains("for `test.Service.Call`") && message.contains("did you mean"),
        "{message}"
    );
}

#[test]
fn authorize_settings_that_are_wrong_say_where() {
    for (settings, place) in [
        (json!({ "scopes": ["a b"] }), "scopes[0]"),
        (json!({ "scopes": ["a", "\""] }), "scopes[1]"),
        (json!({ "any_scope": [""] }), "any_scope[0]"),
        (json!({ "claims": { "tenant": null } }), "claims.tenant"),
        (json!({ "claims": { "tenant": [] } }), "claims.tenant"),
        (json!({ "claims": { "tenant": {} } }), "claims.tenant"),
        (json!({ "allow_addresses": ["10.0.0.0/33"] }), "allow_addresses[0]"),
        (json!({ "deny_addresses": ["example.com"] }), "deny_addresses[0]"),
    ] {
        let (path, message) = build("authorize", Some(settings), &method(false)).err().unwrap();
        assert_eq!(path, place, "{message}");
    }
}
