//! Preflights: who may call what, told without calling anybody.

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use super::{APP, EVIL, lists, preflight, rig};
use crate::support::{Rig, http1};

#[tokio::test]
async fn preflight_of_every_protocol_names_what_its_clients_send() {
    let rig = rig().await;
    for (method, path, headers) in [
        ("POST", "/v1/shelves/fiction/books", "content-type,authorization,x-request-timeout"),
        ("PATCH", "/v1/shelves/fiction/books/letters", "content-type"),
        ("HEAD", "/v1/books", "authorization"),
        ("POST", "/bookshelf.v1.Bookshelf/Ping", "content-type,x-grpc-web,x-user-agent"),
        ("POST", "/bookshelf.v1.Bookshelf/ListBooks", "content-type,grpc-timeout"),
        ("POST", "/bookshelf.v1.Bookshelf/Chat", "connect-protocol-version,connect-timeout-ms"),
        ("GET", "/bookshelf.v1.Bookshelf/GetBook", "connect-protocol-version"),
    ] {
        let response = preflight(&rig, APP, method, path, headers).await;
        assert_eq!(response.status, 204, "{method} {path}: {}", response.text());
        assert_eq!(response.header("access-control-allow-origin"), APP);
        assert_eq!(response.header("access-control-allow-methods"), method);
        assert_eq!(response.header("access-control-allow-credentials"), "true");
        assert_eq!(response.header("access-control-max-age"), "600");
        lists(&response, "access-control-allow-headers", &headers.split(',').collect::<Vec<_>>());
        lists(&response, "vary", &["origin"]);
        assert!(response.body.is_empty());
    }
    assert_eq!(rig.bookshelf.begun(), 0);
}

#[tokio::test]
async fn preflight_of_another_origin_is_403_without_a_header_that_permits() {
    let rig = rig().await;
    for origin in [EVIL, "null", "https://example.org", "http://app.example.com"] {
        let response = preflight(&rig, origin, "GET", "/v1/books", "").await;
        assert!(response.refusal(403, 7).contains(origin));
        for name in response.headers.keys() {
            assert!(!name.as_str().starts_with("access-control-"), "{:?}", response.headers);
        }
        lists(&response, "vary", &["origin"]);
    }
    let response = preflight(&rig, "https://a.b.example.org", "GET", "/v1/books", "").await;
    assert_eq!(response.header("access-control-allow-origin"), "https://a.b.example.org");
}

#[tokio::test]
async fn options_that_is_no_preflight_or_has_no_policy_is_answered_as_ever() {
    let rig = rig().await;
    for headers in [
        &[][..],
        &[("origin", APP)],
        &[("access-control-request-method", "GET")],
        &[("origin", APP), ("access-control-request-method", "DELETE")],
    ] {
        let response = rig.request("OPTIONS", "/v1/books", headers, b"").await;
        assert_eq!(response.status, 204);
        assert_eq!(response.header("allow"), "GET, HEAD, OPTIONS");
        assert!(!response.headers.contains_key("access-control-allow-origin"));
    }
    preflight(&rig, APP, "GET", "/nothing", "").await.refusal(404, 5);
    let without = Rig::start().await;
    let response = preflight(&without, APP, "GET", "/v1/books", "").await;
    assert_eq!((response.status.as_u16(), response.header("allow")), (204, "GET, HEAD, OPTIONS"));
    assert!(!response.headers.contains_key("vary"));
}

#[tokio::test]
async fn private_network_is_not_opened_by_a_preflight_that_asks() {
    let rig = rig().await;
    let asked = [
        ("origin", APP),
        ("access-control-request-method", "GET"),
        ("access-control-request-private-network", "true"),
    ];
    let response = rig.request("OPTIONS", "/v1/books", &asked, b"").await;
    assert_eq!(response.header("access-control-allow-origin"), APP);
    assert!(!response.headers.contains_key("access-control-allow-private-network"));
}

#[tokio::test(flavor = "multi_thread")]
async fn preflight_of_whatever_calls_no_backend() {
    let rig = rig().await;
    let paths = prop_oneof![
        Just("/v1/books".to_owned()),
        Just("/v1/fail/13".to_owned()),
        Just("/bookshelf.v1.Bookshelf/Ping".to_owned()),
        "/v1/shelves/[a-z]{1,5}/books(/[a-z%]{1,5})?(:watch|:chat|/text)?",
        "/[!-~&&[^#?]]{0,20}",
    ];
    let origins = prop_oneof![Just(APP.to_owned()), "https://[a-z.]{1,9}", "[!-~]{1,12}"];
    let methods = prop_oneof!["GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS", "[A-Z]{1,6}"];
    let cases = {
        let mut runner = TestRunner::deterministic();
        let all = (paths, origins, methods);
        (0..300).map(|_| all.new_tree(&mut runner).unwrap().current()).collect::<Vec<_>>()
    };
    let mut connection = rig.http1().await;
    for (path, origin, method) in cases {
        let asked = [
            ("origin", origin.as_str()),
            ("access-control-request-method", &method),
            ("x-request-timeout", "1h"),
        ];
        connection.send_request("OPTIONS", &path, &asked, b"").await;
        let response = connection.response().await;
        let permitted = response.headers.contains_key("access-control-allow-origin");
        assert!(!permitted || origin == APP, "{origin}: {:?}", response.headers);
        if response.status == 400 {
            // What is no HTTP costs the connection.
            connection = http1::Connection::open(rig.gateway.address).await;
        }
    }
    assert_eq!(rig.bookshelf.begun(), 0);
}
