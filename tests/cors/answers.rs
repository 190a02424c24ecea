//! Calls by pages: what the browser may show them, of successes and of every refusal.

use super::{APP, EVIL, lists, rig};
use crate::support::{Rig, http2};

const EXPOSED: [&str; 6] = [
    "grpc-status",
    "grpc-message",
    "grpc-status-details-bin",
    "x-cost",
    "trailer-x-cost",
    "retry-after",
];

#[tokio::test]
async fn answer_to_a_page_that_may_call_can_be_read() {
    let rig = rig().await;
    for path in ["/v1/books", "/v1/shelves/science/books:watch"] {
        let response = rig.request("GET", path, &[("origin", APP)], b"").await;
        response.ok();
        assert_eq!(response.header("access-control-allow-origin"), APP);
        assert_eq!(response.header("access-control-allow-credentials"), "true");
        lists(&response, "access-control-expose-headers", &EXPOSED);
        lists(&response, "vary", &["origin"]);
    }
    let response = rig.request("HEAD", "/v1/books", &[("origin", APP)], b"").await;
    assert_eq!(response.header("access-control-allow-origin"), APP);
}

#[tokio::test]
async fn refusal_by_backend_or_gateway_can_be_read_too() {
    let rig = rig().await;
    let json = ("content-type", "application/json");
    for (method, path, header, body, status) in [
        ("GET", "/v1/fail/5", json, "", 404),
        ("GET", "/v1/fail/14", json, "", 503),
        ("GET", "/v1/books?colour=1", json, "", 400),
        ("GET", "/v1/books", ("x-request-timeout", "soon"), "", 400),
        ("GET", "/v1/wait/3600s", ("x-request-timeout", "1ms"), "", 504),
        ("POST", "/v1/fail", json, "{", 400),
        ("POST", "/v1/fail", ("content-type", "text/plain"), "x", 415),
        ("POST", "/v1/fail", ("x-bin", "!"), "", 400),
        // Where there is nothing, all that there could be has the one policy.
        ("GET", "/nothing", json, "", 404),
        ("DELETE", "/v1/books", json, "", 405),
        ("PUT", "/bookshelf.v1.Bookshelf/Ping", json, "{}", 405),
    ] {
        let headers = [("origin", APP), header];
        let response = rig.request(method, path, &headers, body.as_bytes()).await;
        assert_eq!(response.status, status, "{method} {path}: {}", response.text());
        assert_eq!(response.header("access-control-allow-origin"), APP, "{method} {path}");
        lists(&response, "access-control-expose-headers", &EXPOSED);
    }
}

#[tokio::test]
async fn page_of_another_origin_is_served_but_may_not_read() {
    let rig = rig().await;
    let response = rig.request("GET", "/v1/books", &[("origin", EVIL)], b"").await;
    response.ok();
    assert!(!response.headers.keys().any(|name| name.as_str().starts_with("access-control-")));
    lists(&response, "vary", &["origin"]);
    // A cache learns that a page would get another answer.
    let response = rig.get("/v1/books").await;
    lists(&response, "vary", &["origin"]);
}

#[tokio::test]
async fn page_of_another_origin_is_refused_where_the_policy_says_so() {
    let policy = "cors: { origins: [\"https://app.example.com\"], other_origins: reject }";
    let rig = Rig::with_policy(policy).await;
    let response = rig.request("GET", "/v1/books", &[("origin", EVIL)], b"").await;
    assert!(response.refusal(403, 7).contains(EVIL));
    assert_eq!(rig.bookshelf.begun(), 0);
    rig.request("GET", "/v1/books", &[("origin", APP)], b"").await.ok();
    let own = format!("http://{}", rig.gateway.address);
    rig.request("GET", "/v1/books", &[("origin", &own)], b"").await.ok();
    let mut connection = http2::Connection::open(rig.gateway.address).await;
    connection.request("GET", "/v1/books", &[("origin", &own)], b"").await.ok();
    connection.request("GET", "/v1/books", &[("origin", EVIL)], b"").await.refusal(403, 7);
}

#[tokio::test]
async fn every_origin_is_a_star_and_a_more_specific_policy_takes_it_away() {
    let rig = Rig::with_policy(
        "cors: { origins: [\"*\"], expose: [\"*\"], headers: [\"*\"] } }\n  \
         \"bookshelf.v1.Bookshelf.GetBook\": { cors: null",
    )
    .await;
    let response = rig.request("GET", "/v1/books", &[("origin", "null")], b"").await;
    assert_eq!(response.header("access-control-allow-origin"), "*");
    assert_eq!(response.header("access-control-expose-headers"), "*");
    assert!(!response.headers.contains_key("access-control-allow-credentials"));
    let path = "/v1/shelves/fiction/books/letters";
    let response = rig.request("GET", path, &[("origin", APP)], b"").await;
    response.ok();
    assert!(!response.headers.contains_key("access-control-allow-origin"));
    assert!(!response.headers.contains_key("vary"));
}

#[tokio::test]
async fn connect_call_of_a_page_can_be_read_well_or_not() {
    let rig = rig().await;
    let call = async |method: &str, origin: &str, body: &str| {
        let headers = [
            ("origin", origin),
            ("content-type", "application/json"),
            ("connect-protocol-version", "1"),
        ];
        let path = format!("/bookshelf.v1.Bookshelf/{method}");
        rig.request("POST", &path, &headers, body.as_bytes()).await
    };
    for (method, body, status) in
        [("Ping", r#"{"text":"hi"}"#, 200), ("Ping", "{", 400), ("Fail", r#"{"code":5}"#, 404)]
    {
        let response = call(method, APP, body).await;
        assert_eq!(response.status, status, "{}", response.text());
        assert_eq!(response.header("access-control-allow-origin"), APP);
        lists(&response, "access-control-expose-headers", &EXPOSED);
    }
    let response = call("Ping", EVIL, r#"{"text":"hi"}"#).await;
    assert_eq!(response.status, 200);
    assert!(!response.headers.contains_key("access-control-allow-origin"));

    let policy = "cors: { origins: [\"https://app.example.com\"], other_origins: reject }";
    let rejecting = Rig::with_policy(policy).await;
    let headers = [("origin", EVIL), ("content-type", "application/json")];
    let path = "/bookshelf.v1.Bookshelf/Ping";
    let response = rejecting.request("POST", path, &headers, b"{}").await;
    assert_eq!(response.status, 403);
    // In the words of the protocol that the call came by.
    assert_eq!(response.json()["code"], "permission_denied");
}
