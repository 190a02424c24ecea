//! Which policy a request meets, and what the browser is told of it.

use std::fs;

use http::{HeaderMap, header};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    protocol::{MethodPolicy, Methods, rule},
    transcode::Plans,
};

const PROTO: &str = r#"
    syntax = "proto3";
    package shop;
    import "google/api/annotations.proto";
    message M { string name = 1; string rest = 2; }
    service Till {
      rpc Look(M) returns (M) {
        option idempotency_level = NO_SIDE_EFFECTS;
        option (google.api.http) = { get: "/things/{name}" };
      }
      rpc Buy(M) returns (M) { option (google.api.http) = { post: "/things/{name}" body: "*" }; }
      rpc Burn(M) returns (M) { option (google.api.http) = { delete: "/things/{name}" }; }
      rpc Anything(M) returns (M) { option (google.api.http) = { post: "/{name}/{rest}" body: "*" }; }
      rpc Bare(M) returns (M);
    }
"#;

/// The shop with a policy for some of its methods.
fn cors(policies: &[(&str, Value)]) -> (Cors, Arc<Schema>) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("shop.proto"), PROTO).unwrap();
    let (schema, problems) = Schema::builder().add_proto_folder(folder.path()).build();
    let schema = Arc::new(schema.unwrap_or_else(|| panic!("{problems:#?}")));
    let policy = |method: &Arc<Method>| {
        let cors = policies.iter().find(|(name, _)| *name == method.name());
        let cors = cors.map(|(_, value)| serde_json::from_value(value.clone()).unwrap());
        Arc::new(MethodPolicy { cors, ..MethodPolicy::default() })
    };
    let policies: Arc<[_]> = schema.methods().iter().map(policy).collect();
    let plans = Arc::new(Plans::compile(schema.pool(), schema.features()));
    let rules = rule::compile(&schema, &plans, &policies);
    let rules = Arc::new(rules.unwrap_or_else(|problems| panic!("{problems:#?}")));
    let methods = Arc::new(Methods::new(&schema, &plans, &policies));
    let material = Material { methods: &methods, rules: &rules };
    (Cors::compile(&material), schema)
}

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

fn preflight(cors: &Cors, method: &str, path: &str, more: &[(&str, &str)]) -> Option<HeaderMap> {
    let headers = [("origin", "https://app.example"), ("access-control-request-method", method)];
    match cors.receive(&request("OPTIONS", path, &[&headers, more].concat())) {
        Reception::Visit(_) => None,
        Reception::Preflight(response) => {
            let allowed = response.headers().contains_key("access-control-allow-origin");
            assert_eq!(response.status(), if allowed { 204 } else { 403 });
            Some(response.headers().clone())
        }
    }
}

/// What the answer to a call of this method has besides.
fn marked(cors: &Cors, schema: &Schema, name: &str, request: Request<()>) -> HeaderMap {
    let Reception::Visit(mut visit) = cors.receive(&request) else { panic!("a preflight") };
    let method = schema.methods().iter().find(|method| method.name() == name).unwrap();
    visit.enter(method).unwrap();
    visit.mark(Response::new(ResponseBody::Empty)).headers().clone()
}

fn app() -> Value {
    json!({ "origins": ["https://app.example"] })
}

#[test]
fn preflight_answers_for_the_one_method_that_it_asks_of() {
    let (cors, _) = cors(&[("Look", app()), ("Buy", app())]);
    for (method, path) in [
        ("GET", "/things/1"),
        ("HEAD", "/things/1"),
        ("POST", "/things/1"),
        ("GET", "/shop.Till/Look"),
    ] {
        let headers = preflight(&cors, method, path, &[]).unwrap();
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example");
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_METHODS], *method);
        assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
        assert!(!headers.contains_key(header::ACCESS_CONTROL_MAX_AGE));
        assert_eq!(
            headers[header::VARY],
            "origin, access-control-request-method, access-control-request-headers"
        );
    }
    // No policy, no such route, no such HTTP method: nobody answers for these.
    for (method, path) in [
        ("DELETE", "/things/1"),
        ("POST", "/shop.Till/Bare"),
        ("GET", "/shop.Till/Buy"),
        ("GET", "/nothing"),
        ("get", "/things/1"),
        ("", "/things/1"),
        ("G T", "/things/1"),
    ] {
        assert!(preflight(&cors, method, path, &[]).is_none(), "{method} {path}");
    }
}

#[test]
fn path_of_two_methods_is_believed_only_if_their_policies_are_one() {
    // `POST /{name}/{rest}` matches it too, and which is meant the content type will tell.
    let both = cors(&[("Buy", app()), ("Anything", app())]).0;
    assert!(preflight(&both, "POST", "/shop.Till/Buy", &[]).is_some());
    let one = cors(&[("Buy", app())]).0;
    assert!(preflight(&one, "POST", "/shop.Till/Buy", &[]).is_none());
    let other = json!({ "origins": ["https://app.example"], "headers": ["authorization"] });
    let two = cors(&[("Buy", app()), ("Anything", other)]).0;
    assert!(preflight(&two, "POST", "/shop.Till/Buy", &[]).is_none());
}

#[test]
fn call_meets_the_policy_of_its_method_whatever_the_path_looked_like() {
    let (cors, schema) = cors(&[("Buy", app())]);
    let call = || request("POST", "/shop.Till/Buy", &[("origin", "https://app.example")]);
    assert_eq!(
        marked(&cors, &schema, "Buy", call())[header::ACCESS_CONTROL_ALLOW_ORIGIN],
        "https://app.example"
    );
    assert!(marked(&cors, &schema, "Anything", call()).is_empty());
}

#[test]
fn headers_are_the_protocols_and_the_policys() {
    let policy = json!({
        "origins": ["https://app.example"], "headers": ["authorization", "content-type"],
        "expose": ["x-cost"], "credentials": true, "max_age": "1h",
    });
    let (cors, schema) = cors(&[("Buy", policy)]);
    let headers = preflight(&cors, "POST", "/things/1", &[]).unwrap();
    let list = headers[header::ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap();
    for name in SENT_BY_CLIENTS {
        assert_eq!(list.split(", ").filter(|one| one == name).count(), 1, "{name} in {list}");
    }
    assert_eq!(headers[header::ACCESS_CONTROL_MAX_AGE], "3600");
    assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");

    let call = request("POST", "/things/1", &[("origin", "https://app.example")]);
    let headers = marked(&cors, &schema, "Buy", call);
    let list = headers[header::ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap();
    for name in ["x-cost", "trailer-x-cost", "grpc-status", "grpc-message", "retry-after"] {
        assert_eq!(list.split(", ").filter(|one| *one == name).count(), 1, "{name} in {list}");
    }
}

const SENT_BY_CLIENTS: &[&str] = &[
    "authorization",
    "content-type",
    "x-grpc-web",
    "x-user-agent",
    "grpc-timeout",
    "connect-protocol-version",
    "connect-timeout-ms",
    "x-request-timeout",
];

#[test]
fn any_header_is_those_that_are_asked_for() {
    let policy = json!({ "origins": ["*"], "headers": ["*"], "expose": ["*"] });
    let (cors, schema) = cors(&[("Buy", policy)]);
    let allowed = |asked: &str| {
        let more = [("access-control-request-headers", asked)];
        preflight(&cors, "POST", "/things/1", &more).unwrap()[header::ACCESS_CONTROL_ALLOW_HEADERS]
            .clone()
    };
    assert_eq!(allowed("authorization,x-new"), "authorization,x-new");
    assert!(allowed("x y").to_str().unwrap().starts_with("content-type, "));
    assert!(allowed("x-a,,").to_str().unwrap().starts_with("content-type, "));
    let call = request("POST", "/things/1", &[("origin", "https://any.example")]);
    let headers = marked(&cors, &schema, "Buy", call);
    assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    assert_eq!(headers[header::ACCESS_CONTROL_EXPOSE_HEADERS], "*");
    assert_eq!(headers[header::VARY], "origin");
}

#[test]
fn any_exposed_header_is_named_where_credentials_go_along() {
    let policy =
        json!({ "origins": ["https://app.example"], "expose": ["*"], "credentials": true });
    let (cors, schema) = cors(&[("Buy", policy)]);
    let call = request("POST", "/things/1", &[("origin", "https://app.example")]);
    let Reception::Visit(mut visit) = cors.receive(&call) else { panic!("a preflight") };
    visit.enter(schema.methods().iter().find(|method| method.name() == "Buy").unwrap()).unwrap();
    let mut response = Response::new(ResponseBody::Empty);
    response.headers_mut().insert("trailer-x-cost", "1".parse().unwrap());
    // A backend's own word on it does not count.
    response.headers_mut().insert("access-control-allow-origin", "*".parse().unwrap());
    let headers = visit.mark(response).headers().clone();
    let list = headers[header::ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap();
    assert!(list.ends_with(", trailer-x-cost"), "{list}");
    assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example");
}

#[test]
fn pages_of_other_origins_get_no_header() {
    let (cors, schema) = cors(&[("Buy", app())]);
    for origin in ["https://evil.example", "null", "", "https://app.example.evil.example"] {
        let call = request("POST", "/things/1", &[("origin", origin)]);
        let headers = marked(&cors, &schema, "Buy", call);
        assert_eq!(headers.iter().collect::<Vec<_>>().len(), 1, "{headers:?}");
        assert_eq!(headers[header::VARY], "origin");
    }
    let twice = [("origin", "https://app.example"), ("origin", "https://evil.example")];
    let headers = marked(&cors, &schema, "Buy", request("POST", "/things/1", &twice));
    assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    // Without a page a cache is still told.
    let headers = marked(&cors, &schema, "Buy", request("POST", "/things/1", &[]));
    assert_eq!(headers[header::VARY], "origin");
    assert!(marked(&cors, &schema, "Burn", request("DELETE", "/things/1", &[])).is_empty());
}

#[test]
fn rejecting_policy_refuses_other_origins_but_not_its_own() {
    let policy = json!({ "origins": ["https://app.example"], "other_origins": "reject" });
    let (cors, schema) = cors(&[("Buy", policy)]);
    let method = schema.methods().iter().find(|method| method.name() == "Buy").unwrap();
    let enter = |headers: &[(&str, &str)]| {
        let request = request("POST", "/things/1", headers);
        let Reception::Visit(mut visit) = cors.receive(&request) else { panic!("a preflight") };
        visit.enter(method)
    };
    let error = enter(&[("origin", "https://evil.example"), ("host", "api.example")]).unwrap_err();
    assert_eq!((error.code(), error.reason()), (Code::PermissionDenied, "origin_refused"));
    assert!(enter(&[("origin", "null")]).is_err());
    assert!(enter(&[("origin", "https://app.example"), ("host", "api.example")]).is_ok());
    assert!(enter(&[("origin", "https://api.example"), ("host", "api.example")]).is_ok());
    assert!(enter(&[("origin", "https://x.example"), ("sec-fetch-site", "same-origin")]).is_ok());
    assert!(enter(&[("origin", "https://x.example"), ("sec-fetch-site", "same-site")]).is_err());
    assert!(enter(&[]).is_ok());
}

#[test]
fn page_may_read_that_there_is_nothing_to_call_only_where_one_policy_is_all_it_could_have_met() {
    let refusal = |cors: &Cors, method: &str, path: &str| {
        let request = request(method, path, &[("origin", "https://app.example")]);
        let Reception::Visit(visit) = cors.receive(&request) else { panic!("no visit") };
        let refused = visit.mark(Response::new(ResponseBody::Empty));
        refused.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN)
    };
    // `PUT /things/1` is not allowed, and `/nothing` is nowhere.
    for (names, not_allowed, nowhere) in [
        (&["Look", "Buy", "Burn", "Anything", "Bare"][..], true, true),
        (&["Look", "Buy", "Burn", "Anything"], true, false),
        (&["Look", "Buy"], false, false),
    ] {
        let policies: Vec<_> = names.iter().map(|name| (*name, app())).collect();
        let cors = cors(&policies).0;
        assert_eq!(refusal(&cors, "PUT", "/things/1"), not_allowed, "{names:?}");
        assert_eq!(refusal(&cors, "GET", "/nothing"), nowhere, "{names:?}");
        assert!(preflight(&cors, "PUT", "/things/1", &[]).is_none(), "it could not be called");
    }
}

#[test]
fn nobody_may_call_by_default() {
    let without = Cors::default();
    assert!(preflight(&without, "GET", "/things/1", &[]).is_none());
    let empty = cors(&[("Look", json!({}))]).0;
    assert!(preflight(&empty, "GET", "/things/1", &[]).is_none());
}

#[test]
fn noise_is_never_permitted() {
    let (cors, schema) = cors(&[("Look", app()), ("Buy", app()), ("Anything", app())]);
    let (origin, method, path) = ("[ -~]{0,40}", "[ -~]{0,8}", "/[!-~&&[^#?]]{0,30}");
    proptest!(|(origin in origin, method in method, path in path)| {
        prop_assume!(path.parse::<http::Uri>().is_ok() && origin.trim() != "https://app.example");
        let asked = [("origin", origin.trim()), ("access-control-request-method", method.trim())];
        if let Reception::Preflight(response) = cors.receive(&request("OPTIONS", &path, &asked)) {
            prop_assert_eq!(response.status(), 403);
            prop_assert!(!response.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
        }
        let call = request("POST", &path, &asked[..1]);
        let headers = marked(&cors, &schema, "Buy", call);
        prop_assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    });
}
