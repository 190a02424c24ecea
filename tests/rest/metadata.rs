//! Headers and metadata, both ways, and deadlines.

use std::time::{Duration, Instant};

use crate::support::{Gateway, Rig, backend, http1, rig, with_time_enough, within};

type Headers = &'static [(&'static str, &'static str)];

/// The headers that a backend saw of a DELETE with these.
async fn seen(headers: &[(&str, &str)]) -> http::HeaderMap {
    let (address, mut asked) = backend::recorder().await;
    let folder = tempfile::tempdir().unwrap();
    let set = rig::write_descriptor_set(&folder);
    let gateway =
        Gateway::serve(&["--upstream", &address.to_string(), "--descriptor-set", &set]).await;
    let path = "/v1/shelves/a/books/b";
    let response = http1::request(gateway.address, "DELETE", path, headers, b"").await;
    assert_eq!(response.ok(), serde_json::json!({}));
    let head = within("the backend's record", asked.recv()).await.unwrap();
    assert_eq!(head.uri.path(), "/bookshelf.v1.Bookshelf/DeleteBook");
    assert_eq!(head.method, "POST");
    head.headers
}

#[tokio::test]
async fn request_headers_go_through_under_their_own_names() {
    let seen = seen(&[
        ("Authorization", "Bearer secret"),
        ("X-Tenant", "a"),
        ("x-tenant", "b"),
        ("cookie", "c=1"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("blob-bin", "AAECAw=="),
    ])
    .await;
    assert_eq!(seen["authorization"], "Bearer secret");
    let tenants: Vec<_> = seen.get_all("x-tenant").iter().collect();
    assert_eq!(tenants, ["a", "b"]);
    assert_eq!(seen["cookie"], "c=1");
    assert!(seen["blob-bin"].to_str().unwrap().starts_with("AAECAw"));
    let trace = seen["traceparent"].to_str().unwrap();
    assert!(trace.contains("0af7651916cd43dd8448eb211c80319c"), "{trace}");
}

#[tokio::test]
async fn request_headers_of_the_hop_stay_behind() {
    let seen = seen(&[
        ("connection", "keep-alive, x-private"),
        ("x-private", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("grpc-encoding", "gzip"),
        ("grpc-timeout", "5S"),
        ("grpc-status", "0"),
        ("te", "gzip"),
        ("accept-encoding", "br"),
    ])
    .await;
    for name in [
        "connection",
        "x-private",
        "keep-alive",
        "proxy-connection",
        "grpc-encoding",
        "grpc-status",
    ] {
        assert!(!seen.contains_key(name), "`{name}`: {seen:?}");
    }
    assert_eq!(seen["te"], "trailers", "what gRPC asks of a caller");
    assert!(seen["content-type"].to_str().unwrap().starts_with("application/grpc"));
    assert!(!seen.contains_key("host"));
}

#[tokio::test]
async fn caller_is_told_in_forwarded_headers_and_cannot_forge_them() {
    let seen = seen(&[("x-forwarded-for", "10.9.8.7"), ("x-forwarded-proto", "https")]).await;
    assert_eq!(seen["x-forwarded-for"], "127.0.0.1");
    assert_eq!(seen["x-forwarded-proto"], "http");
}

#[tokio::test]
async fn binary_header_that_is_no_base64_is_400_and_named() {
    let rig = Rig::start().await;
    let response = rig.request("GET", "/v1/books", &[("blob-bin", "%%%")], b"").await;
    assert!(response.refusal(400, 3).contains("blob-bin"));
    assert_eq!(rig.bookshelf.begun(), 0);
}

#[tokio::test]
async fn response_metadata_are_headers() {
    let rig = Rig::start().await;
    let headers = [("x-echo-one", "1"), ("x-echo-one", "2"), ("x-echo-raw-bin", "AAH/")];
    for path in ["/v1/books", "/v1/fail/5", "/v1/shelves/fiction/books:watch"] {
        let response = rig.request("GET", path, &headers, b"").await;
        let values: Vec<_> = response.headers.get_all("x-echo-one").iter().collect();
        assert_eq!(values, ["1", "2"], "{path}");
        assert!(response.header("x-echo-raw-bin").starts_with("AAH/"), "{path}");
        assert_eq!(response.header("x-bookshelf-version"), env!("CARGO_PKG_VERSION"));
    }
}

#[tokio::test]
async fn response_trailers_are_given_by_policy_alone() {
    let rig = Rig::start().await;
    let response = rig.get("/v1/shelves/fiction/books:watch").await;
    assert!(response.header("x-bookshelf-sent").is_empty() && response.trailers.is_empty());
    let rig = Rig::with_policy("response_trailers: [x-bookshelf-sent]").await;
    let path = "/v1/shelves/fiction/books:watch";
    let response = rig.request("GET", path, &[("te", "trailers")], b"").await;
    let both = [&response.headers, &response.trailers];
    assert!(both.iter().any(|m| m.get("x-bookshelf-sent").is_some_and(|v| v == "2")), "{both:?}");
    let mut connection = rig.http2().await;
    let response = connection.request("GET", path, &[], b"").await;
    assert_eq!(response.trailers["x-bookshelf-sent"], "2");
}

#[tokio::test]
async fn status_of_a_success_is_set_by_metadata_by_policy_alone() {
    let create = async |policy: &str| {
        let rig = Rig::with_policy(policy).await;
        let response = rig.send("POST", "/v1/shelves/fiction/books", r#"{"title":"T"}"#).await;
        assert_eq!(response.json()["title"], "T");
        response.status.as_u16()
    };
    assert_eq!(create("status_from_metadata: true").await, 201);
    assert_eq!(create("status_from_metadata: false").await, 200);
}

#[tokio::test]
async fn headers_policy_changes_both_ways() {
    let rig = Rig::with_policy(
        "headers: { request: { set: { x-echo-set: s }, add: { x-echo-sent: [a, b] }, \
         remove: [x-echo-gone] }, response: { set: { x-served: yes-sir }, \
         remove: [x-bookshelf-version] } }",
    )
    .await;
    let sent = [("x-echo-set", "old"), ("x-echo-sent", "0"), ("x-echo-gone", "1")];
    for path in ["/v1/books", "/v1/fail/5"] {
        let response = rig.request("GET", path, &sent, b"").await;
        assert_eq!(response.header("x-echo-set"), "s");
        let values: Vec<_> = response.headers.get_all("x-echo-sent").iter().collect();
        assert_eq!(values, ["0", "a", "b"]);
        assert_eq!(response.header("x-echo-gone"), "");
        assert_eq!(response.header("x-served"), "yes-sir", "{path}");
        assert_eq!(response.header("x-bookshelf-version"), "", "{path}");
    }
}

/// The `grpc-timeout` that the backend saw, in milliseconds.
async fn timeout_seen(policy: &str, headers: &[(&str, &str)]) -> Option<u64> {
    let rig = Rig::with_policy(policy).await;
    let waited = rig.request("GET", "/v1/wait/0s", headers, b"").await.ok();
    let timeout = waited.get("timeout")?.as_str().unwrap().to_owned();
    let (number, unit) = timeout.split_at(timeout.len() - 1);
    let number: u64 = number.parse().unwrap();
    assert!(timeout.len() <= 9, "gRPC allows eight digits and a unit: {timeout}");
    Some(match unit {
        "H" => number * 3_600_000,
        "M" => number * 60_000,
        "S" => number * 1000,
        "m" => number,
        "u" => number / 1000,
        "n" => number / 1_000_000,
        _ => panic!("{timeout}"),
    })
}

#[tokio::test]
async fn deadline_of_a_unary_call_is_15_seconds_by_default() {
    let seen = timeout_seen("timeout: none", &[]).await;
    assert_eq!(seen, None, "without a deadline none is sent");
    let rig = Rig::start().await;
    let waited = rig.get("/v1/wait/0s").await.ok();
    assert!(waited.get("timeout").is_some(), "the default of 15 s was not sent: {waited}");
}

#[tokio::test]
async fn deadline_is_the_least_of_caller_and_policy() {
    let cases: [(&str, Headers, u64); 5] = [
        ("timeout: 50s", &[][..], 50_000),
        ("timeout: 50s", &[("grpc-timeout", "20S")], 20_000),
        ("timeout: 50s", &[("grpc-timeout", "1H")], 50_000),
        ("timeout: 50s", &[("x-request-timeout", "30")], 30_000),
        ("timeout: none", &[("x-request-timeout", "40"), ("grpc-timeout", "60S")], 40_000),
    ];
    for (policy, headers, most) in cases {
        let seen = timeout_seen(policy, headers).await.unwrap();
        // It has shrunk by the time on the way, which is far below ten seconds even here.
        assert!((most - 10_000..=most).contains(&seen), "{policy} {headers:?}: {seen}");
    }
}

#[tokio::test]
async fn deadline_that_passes_is_504_and_cancels_the_call() {
    with_time_enough(async |deadline| {
        let rig = Rig::with_policy(&format!("timeout: {deadline}ms")).await;
        let start = Instant::now();
        rig.get("/v1/wait/3600s").await.refusal(504, 4);
        assert!(start.elapsed() >= Duration::from_millis(deadline.into()));
        let begun = rig.bookshelf.begun();
        within("the call's end at the backend", rig.bookshelf.wait_for_cancelled(begun)).await;
        begun > 0
    })
    .await;
}

#[tokio::test]
async fn deadline_of_the_caller_that_passes_is_504() {
    let rig = Rig::start().await;
    for name in ["grpc-timeout", "x-request-timeout"] {
        let before = rig.bookshelf.begun();
        with_time_enough(async |deadline| {
            let deadline = match name {
                "grpc-timeout" => format!("{deadline}m"),
                _ => format!("{}", f64::from(deadline) / 1000.0),
            };
            let headers = [(name, &*deadline)];
            rig.request("GET", "/v1/wait/3600s", &headers, b"").await.refusal(504, 4);
            rig.bookshelf.begun() > before
        })
        .await;
    }
    let begun = rig.bookshelf.begun();
    within("the calls' end at the backend", rig.bookshelf.wait_for_cancelled(begun)).await;
}

#[tokio::test]
async fn deadline_that_is_none_is_400_and_names_the_header() {
    let rig = Rig::start().await;
    for (name, value) in
        [("grpc-timeout", "soon"), ("grpc-timeout", "123456789S"), ("x-request-timeout", "-1")]
    {
        let response = rig.request("GET", "/v1/books", &[(name, value)], b"").await;
        assert!(response.refusal(400, 3).contains(name));
    }
}

#[tokio::test]
async fn deadline_that_passes_in_a_stream_ends_it_visibly() {
    let path = "/v1/shelves/fiction/books:watch?follow=true";
    let headers = [("accept", "application/x-ndjson")];
    with_time_enough(async |deadline| {
        let rig = Rig::with_policy(&format!("timeout: {deadline}ms")).await;
        let response = rig.request("GET", path, &headers, b"").await;
        if response.status != 200 {
            response.refusal(504, 4);
            return false;
        }
        let lines = response.json_lines();
        assert_eq!(lines.last().unwrap()["error"]["code"], 4, "{lines:?}");
        within("the call's end at the backend", rig.bookshelf.wait_for_cancelled(1)).await;
        lines.len() == 3
    })
    .await;
}

#[tokio::test]
async fn request_id_of_the_access_log_is_kept_or_made_and_given_back() {
    let (_bookshelf, upstream) = rig::start_bookshelf().await;
    let gateway = Gateway::serve(&["--upstream", &upstream.to_string(), "--access-log"]).await;
    let get = async |path: &str, headers: &[(&str, &str)]| {
        http1::request(gateway.address, "GET", path, headers, b"").await
    };
    let kept = get("/v1/books", &[("x-request-id", "abc-1")]).await;
    assert_eq!(kept.header("x-request-id"), "abc-1");
    let made = get("/v1/books", &[]).await;
    assert_eq!(made.header("x-request-id").len(), 32);
    let refused = get("/nowhere", &[]).await;
    assert_eq!(refused.header("x-request-id").len(), 32);
}
