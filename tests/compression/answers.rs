//! Whole answers: packed as the caller likes best, told properly, or left as they are.

use transom::coding::Coding;

use super::{prose, rig, unpacked};
use crate::support::{Gateway, Rig, backend, http1, rig as support};

const BOOK: &str = "/v1/shelves/fiction/books/letters";

#[tokio::test]
async fn answer_is_packed_in_each_coding_and_means_the_same() {
    let rig = rig().await;
    let plain = rig.get(BOOK).await;
    assert!(!plain.headers.contains_key("content-encoding"));
    assert_eq!(plain.header("vary"), "accept-encoding");
    for coding in Coding::ALL {
        let headers = [("accept-encoding", coding.name())];
        let text = unpacked(&rig.request("GET", BOOK, &headers, b"").await, coding);
        assert_eq!(text, plain.text(), "{coding:?}");
        let mut connection = rig.http2().await;
        let response = connection.request("GET", BOOK, &headers, b"").await;
        assert_eq!(unpacked(&response, coding), plain.text(), "{coding:?}");
    }
}

#[tokio::test]
async fn callers_weights_and_the_policys_order_choose_the_coding() {
    let rig = Rig::with_policy("compression: { codings: [br, gzip], min_size: 100 }").await;
    for (accept, coding) in [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("br;q=0.5, gzip;q=0.8", "gzip"),
        ("*", "br"),
        ("br;q=0, *;q=0.1", "gzip"),
        ("identity, br;q=0.5", ""),
        ("zstd, deflate", ""),
        ("", ""),
    ] {
        let response = rig.request("GET", BOOK, &[("accept-encoding", accept)], b"").await;
        assert_eq!(response.header("content-encoding"), coding, "{accept}");
        assert_eq!(response.header("vary"), "accept-encoding");
    }
}

#[tokio::test]
async fn answer_goes_as_it_is_without_a_policy_or_when_it_is_small() {
    let gzip = [("accept-encoding", "gzip")];
    let rig = Rig::start().await;
    let response = rig.request("GET", BOOK, &gzip, b"").await;
    response.ok();
    assert!(!response.headers.contains_key("vary"));

    let rig = Rig::with_policy("compression: {}").await;
    let response = rig.request("GET", BOOK, &gzip, b"").await;
    response.ok();
    assert!(!response.headers.contains_key("content-encoding"));
    // But not for a caller that doesn't take it as it is.
    let refused = [("accept-encoding", "gzip, identity;q=0")];
    let response = rig.request("GET", BOOK, &refused, b"").await;
    assert!(unpacked(&response, Coding::Gzip).contains("Letters"));
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_options_has_none() {
    let rig = rig().await;
    let gzip = [("accept-encoding", "gzip")];
    let get = rig.request("GET", BOOK, &gzip, b"").await;
    let head = rig.request("HEAD", BOOK, &gzip, b"").await;
    for name in ["content-encoding", "content-length", "content-type", "vary"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    assert!(head.body.is_empty());
    let options = rig.request("OPTIONS", BOOK, &gzip, b"").await;
    assert!(!options.headers.contains_key("content-encoding"));
}

#[tokio::test]
async fn refusal_of_the_backend_is_packed_too() {
    let rig = rig().await;
    let path = "/v1/fail/5?message=gone&details=true";
    let response = rig.request("GET", path, &[("accept-encoding", "br")], b"").await;
    assert_eq!(response.status, 404);
    assert!(unpacked(&response, Coding::Brotli).contains(r#""message":"gone""#));
}

#[tokio::test]
async fn large_answer_is_packed_in_pieces_while_others_are_served() {
    let rig = Rig::with_policy("compression: {}").await;
    let author = prose(3 << 20);
    let body = format!(r#"{{"title":"T","author":"{author}"}}"#);
    let headers = [("content-type", "application/json"), ("accept-encoding", "zstd")];
    let mut connection = rig.http1().await;
    connection.send_request("POST", "/v1/shelves/x/books", &headers, body.as_bytes()).await;
    let head = connection.response_head().await;
    assert_eq!(head.headers["content-encoding"], "zstd");
    assert_eq!(head.headers["transfer-encoding"], "chunked");
    // The caller has not read the answer, and nobody waits for it.
    rig.get(BOOK).await.ok();
    let mut packed = Vec::new();
    loop {
        match connection.chunk().await.unwrap() {
            chunk if chunk.is_empty() => break,
            chunk => packed.extend(chunk),
        }
    }
    let text = Coding::Zstd.unpack(&packed, super::LIMIT).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert!(json["author"] == author);
}

#[tokio::test]
async fn validator_becomes_weak_and_no_transform_is_kept_to() {
    let rig = Rig::with_policy(
        "compression: { min_size: 0 }, headers: { response: { set: { etag: '\"v1\"' } } }",
    )
    .await;
    let gzip = [("accept-encoding", "gzip")];
    let response = rig.request("GET", BOOK, &gzip, b"").await;
    assert_eq!(response.header("etag"), "W/\"v1\"");
    assert_eq!(rig.get(BOOK).await.header("etag"), "\"v1\"");

    let rig = Rig::with_policy(
        "compression: { min_size: 0 }, \
         headers: { response: { set: { cache-control: no-transform } } }",
    )
    .await;
    rig.request("GET", BOOK, &gzip, b"").await.ok();
}

#[tokio::test]
async fn raw_bytes_that_the_backend_has_packed_are_left_alone() {
    // HttpBody { content_type: "text/plain", data: "packed" }
    const BODY: &[u8] = b"\0\0\0\0\x14\x0a\x0atext/plain\x12\x06packed";
    let upstream = backend::http2(|asked: backend::Asked, reply| async move {
        backend::read_all(asked.into_body()).await;
        let mut head = backend::head();
        head.headers_mut().insert("content-encoding", "br".parse().unwrap());
        backend::answer(reply, head, BODY, &[("grpc-status", "0")]).await;
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let set = support::write_descriptor_set(&folder);
    let config = folder.path().join("transom.yaml");
    let policy = "compression: { min_size: 0 }";
    std::fs::write(&config, support::configuration(&set, upstream, policy)).unwrap();
    let gateway = Gateway::serve(&["--config", config.to_str().unwrap()]).await;
    for path in ["/cover", "/text"] {
        let path = format!("{BOOK}{path}");
        let headers = [("accept-encoding", "gzip, br")];
        let response = http1::request(gateway.address, "GET", &path, &headers, b"").await;
        assert_eq!(response.header("content-encoding"), "br", "{path}");
        assert_eq!(response.text(), "packed");
    }
}
