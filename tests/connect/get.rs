//! Calls by GET: only of methods without side effects, and fit for caches.

use serde_json::json;
use transom::coding::Coding;

use super::{path, refusal};
use crate::support::{Gateway, Rig, backend, http1, rig};

/// `shelves/fiction/books/letters` in its request as JSON, percent-encoded.
const JSON_QUERY: &str =
    "encoding=json&message=%7B%22name%22%3A%22shelves%2Ffiction%2Fbooks%2Fletters%22%7D";

fn base64(bytes: &[u8]) -> String {
    base64_simd::URL_SAFE.encode_to_string(bytes).replace('=', "%3D")
}

fn get(query: &str) -> String {
    format!("{}?{query}", path("GetBook"))
}

#[tokio::test]
async fn get_is_answered_like_post() {
    let rig = Rig::start().await;
    let name = "shelves/fiction/books/letters";
    let wire = [&[0x0a, name.len() as u8], name.as_bytes()].concat();
    let asked = json!({ "name": name }).to_string();
    let headers = [("content-type", "application/json")];
    let post = rig.request("POST", &path("GetBook"), &headers, asked.as_bytes()).await.ok();
    assert_eq!(post["title"], "Letters on the Hall Floor");
    let packed = base64(&Coding::Gzip.pack(asked.as_bytes()).unwrap());
    for query in [
        format!("connect=v1&{JSON_QUERY}"),
        format!("{JSON_QUERY}&utm_source=x"),
        format!("connect=v1&base64=1&encoding=json&message={}", base64(asked.as_bytes())),
        format!("connect=v1&base64=1&compression=gzip&encoding=json&message={packed}"),
        format!("connect=v1&compression=identity&{JSON_QUERY}"),
    ] {
        assert_eq!(rig.get(&get(&query)).await.ok(), post, "{query}");
    }
    let query = format!("connect=v1&base64=1&encoding=proto&message={}", base64(&wire));
    let response = rig.get(&get(&query)).await;
    assert_eq!((response.status.as_u16(), response.header("content-type")), (200, PROTO));
    assert!(response.body.windows(7).any(|part| part == b"Letters"));
    let list = format!("{}?encoding=json&message=", path("ListBooks"));
    assert!(rig.get(&list).await.ok()["books"].is_array(), "an empty message");
}

const PROTO: &str = "application/proto";

#[tokio::test]
async fn head_is_answered_like_get_without_the_body() {
    let rig = Rig::start().await;
    let get_response = rig.get(&get(JSON_QUERY)).await;
    let response = rig.request("HEAD", &get(JSON_QUERY), &[], b"").await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-length"), get_response.header("content-length"));
    let response = rig.request("HEAD", &get("encoding=json&message=%7B"), &[], b"").await;
    assert_eq!(response.status, 400);
}

#[tokio::test]
async fn answer_says_what_caches_need_to_know() {
    let address = backend::http2(|_, reply| async move {
        let mut head = backend::head();
        for (name, value) in [("cache-control", "max-age=60"), ("etag", "\"1\""), ("vary", "x-a")] {
            head.headers_mut().append(name, value.parse().unwrap());
        }
        backend::answer(reply, head, backend::EMPTY_FRAME, &[("grpc-status", "0")]).await;
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let set = rig::write_descriptor_set(&folder);
    let upstream = address.to_string();
    let gateway = Gateway::serve(&["--upstream", &upstream, "--descriptor-set", &set]).await;
    let response = http1::request(gateway.address, "GET", &get(JSON_QUERY), &[], b"").await;
    assert_eq!(response.ok(), json!({}));
    assert_eq!(response.header("cache-control"), "max-age=60");
    assert_eq!(response.header("etag"), "\"1\"");
    let vary: Vec<_> = response.headers.get_all("vary").iter().collect();
    assert_eq!(vary, ["x-a", "accept-encoding"]);
}

#[tokio::test]
async fn large_answer_is_packed_as_accepted() {
    let rig = Rig::start().await;
    let list = format!("{}?connect=v1&encoding=json&message=%7B%7D", path("ListBooks"));
    let plain = rig.get(&list).await;
    let headers = [("accept-encoding", "gzip, deflate, br")];
    let response = rig.request("GET", &list, &headers, b"").await;
    assert_eq!(response.header("content-encoding"), "gzip");
    assert_eq!(Coding::Gzip.unpack(&response.body, 1 << 20).unwrap(), plain.body);
    assert_eq!(response.header("vary"), "accept-encoding");
}

#[tokio::test]
async fn get_of_a_method_that_may_change_something_is_405() {
    let rig = Rig::start().await;
    for method in ["Ping", "DeleteBook", "WatchBooks"] {
        let path = format!("{}?connect=v1&encoding=json&message=%7B%7D", path(method));
        let response = rig.get(&path).await;
        refusal(&response, 405, "unknown");
        assert_eq!(response.header("allow"), "POST");
    }
    assert_eq!(rig.bookshelf.begun(), 0);
}

#[tokio::test]
async fn query_that_is_no_call_is_refused() {
    let rig = Rig::with_policy("max_request_message: 100").await;
    let long = "a".repeat(101);
    for (query, status, code, part) in [
        ("connect=v2&encoding=json&message=", 400, "invalid_argument", "`v1`"),
        ("connect=v1&encoding=json", 400, "invalid_argument", "`message`"),
        ("connect=v1&message=", 415, "unknown", "`encoding`"),
        ("connect=v1&encoding=text&message=", 415, "unknown", "`text`"),
        ("connect=v1&encoding=proto&base64=1&message=A", 400, "invalid_argument", "base64"),
        ("connect=v1&encoding=json&message=%7B", 400, "invalid_argument", "JSON"),
        ("connect=v1&encoding=json&message=%f", 400, "invalid_argument", "`message`"),
        ("encoding=json&message=&compression=foo", 501, "unimplemented", "gzip"),
        ("encoding=json&message=a&compression=gzip", 400, "invalid_argument", "gzip"),
        (&format!("encoding=json&message={long}"), 429, "resource_exhausted", "100"),
        ("", 415, "unknown", "`encoding`"),
    ] {
        let response = rig.get(&get(query)).await;
        let message = refusal(&response, status, code);
        assert!(message.contains(part), "{query}: {message}");
    }
    assert_eq!(rig.bookshelf.begun(), 0);
}
