//! What is published, how much may come in, and what browsers are told.

mod exposed;
mod tls;

use std::fs;

use crate::support::{Gateway, http1, http2, rig};

const BOOK: &str = "/v1/shelves/fiction/books/letters";

/// A gateway whose listener has these settings besides.
async fn with_listener(settings: &str) -> (Gateway, tempfile::TempDir) {
    let (_bookshelf, upstream) = rig::start_bookshelf().await;
    let folder = tempfile::tempdir().unwrap();
    let set = rig::write_descriptor_set(&folder);
    let config = folder.path().join("transom.yaml");
    let text = rig::configuration(&set, upstream, "");
    let address = "  - address: 127.0.0.1:0\n";
    fs::write(&config, text.replace(address, &format!("{address}    {settings}\n"))).unwrap();
    (Gateway::serve(&["--config", config.to_str().unwrap()]).await, folder)
}

#[tokio::test]
async fn edges_answers_of_every_kind_tell_browsers_to_be_careful() {
    let (gateway, _folder) = with_listener("security_headers: { server: books }").await;
    for (method, path, status) in
        [("GET", BOOK, 200), ("GET", "/nowhere", 404), ("PUT", "/v1/books", 405)]
    {
        let response = http1::request(gateway.address, method, path, &[], b"").await;
        assert_eq!(response.status, status);
        assert_eq!(response.header("x-content-type-options"), "nosniff");
        assert_eq!(response.header("x-frame-options"), "DENY");
        assert_eq!(response.header("referrer-policy"), "no-referrer");
        assert_eq!(response.header("server"), "books");
        assert!(response.header("content-security-policy").starts_with("default-src 'none'"));
        assert!(!response.headers.contains_key("strict-transport-security"), "it's cleartext");
    }
    let mut connection = http2::Connection::open(gateway.address).await;
    let path = "/bookshelf.v1.Bookshelf/Ping";
    let headers = [("content-type", "application/grpc"), ("te", "trailers")];
    let response = connection.request("POST", path, &headers, &[0; 5]).await;
    assert!(!response.headers.contains_key("x-frame-options"), "{:?}", response.headers);
}

#[tokio::test]
async fn edges_headers_past_the_count_are_431() {
    let (gateway, _folder) = with_listener("max_headers: 20").await;
    let names: Vec<String> = (0..40).map(|number| format!("x-many-{number}")).collect();
    for (count, status) in [(10, 200), (30, 431)] {
        let headers: Vec<_> = names[..count].iter().map(|name| (name.as_str(), "a")).collect();
        let response = http1::request(gateway.address, "GET", BOOK, &headers, b"").await;
        assert_eq!(response.status, status, "{response:?}");
        let mut connection = http2::Connection::open(gateway.address).await;
        let response = connection.request("GET", BOOK, &headers, b"").await;
        assert_eq!(response.status, status, "{response:?}");
    }
    let (gateway, _folder) = with_listener("max_headers: 300").await;
    let headers: Vec<_> = (0..200).map(|number| format!("x-many-{number}")).collect();
    let headers: Vec<_> = headers.iter().map(|name| (name.as_str(), "a")).collect();
    let response = http1::request(gateway.address, "GET", BOOK, &headers, b"").await;
    assert_eq!(response.status, 200, "more than the library takes by itself");
}

#[tokio::test]
async fn edges_selector_may_have_a_greater_size_than_others_or_a_smaller() {
    let (_bookshelf, upstream) = rig::start_bookshelf().await;
    let folder = tempfile::tempdir().unwrap();
    let set = rig::write_descriptor_set(&folder);
    let config = folder.path().join("transom.yaml");
    let text = rig::configuration(&set, upstream, "max_request_message: 1 KiB")
        + "  \"bookshelf.v1.Bookshelf.CreateBook\": { max_request_message: 8 MiB }\n\
           \x20 \"bookshelf.v1.Bookshelf.Fail\": { max_request_message: 100 }\n";
    fs::write(&config, text).unwrap();
    let gateway = Gateway::serve(&["--config", config.to_str().unwrap()]).await;
    let send = async |method: &str, path: &str, size: usize| {
        let json = format!("{{\"title\":\"{}\",\"message\":\"\"}}", "a".repeat(size));
        let json = if path == "/v1/fail" {
            json.replace("\"title\"", "\"message\"").replace(",\"message\":\"\"", "")
        } else {
            json.replace(",\"message\":\"\"", "")
        };
        let headers = [("content-type", "application/json")];
        http1::request(gateway.address, method, path, &headers, json.as_bytes()).await.status
    };
    assert_eq!(send("POST", "/v1/shelves/fiction/books", 5 << 20).await, 200);
    assert_eq!(send("POST", "/v1/shelves/fiction/books", 9 << 20).await, 413);
    assert_eq!(send("POST", "/v1/fail", 200).await, 413);
    assert_eq!(send("PATCH", BOOK, 2000).await, 413);
}
