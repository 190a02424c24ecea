//! Calls of one message each way: codecs, metadata, errors, deadlines, and who else has the path.

use serde_json::json;

use super::{JSON, PROTO, path, refusal};
use crate::support::{
    Gateway, Rig,
    backend::{self, EMPTY_FRAME},
    http1, rig, with_time_enough, within,
};

const VERSION: (&str, &str) = ("connect-protocol-version", "1");

#[tokio::test]
async fn unary_call_is_answered_in_its_own_codec() {
    let rig = Rig::start().await;
    let mut http2 = rig.http2().await;
    let ping = path("Ping");
    for (codec, hi) in [(JSON, &br#"{"text":"hi"}"#[..]), (PROTO, b"\x0a\x02hi")] {
        let over_1 = rig.request("POST", &ping, &[codec, VERSION], hi).await;
        let over_2 = http2.request("POST", &ping, &[codec], hi).await;
        for response in [over_1, over_2] {
            assert_eq!(response.status, 200, "{response:?}");
            assert_eq!(response.header("content-type"), codec.1);
            assert_eq!(response.body, hi);
        }
    }
    let headers = [("content-type", "application/json; charset=utf-8")];
    assert_eq!(rig.request("POST", &ping, &headers, b"").await.ok(), json!({}), "no body at all");
}

#[tokio::test]
async fn json_is_read_and_written_by_the_methods_policy() {
    let rig = Rig::start().await;
    let ask = br#"{"texts":"hi"}"#;
    let response = rig.request("POST", &path("Ping"), &[JSON], ask).await;
    assert!(refusal(&response, 400, "invalid_argument").contains("texts"));
    let rig = Rig::with_policy("unknown_fields: ignore, emit_defaults: scalars").await;
    let response = rig.request("POST", &path("Ping"), &[JSON], ask).await;
    assert_eq!(response.ok(), json!({"text": ""}));
}

#[tokio::test]
async fn path_that_rest_has_a_rule_for_is_connects_if_the_request_says_so() {
    let rig = Rig::with_policy("auto_map: true").await;
    let bad = br#"{"text":7}"#;
    let rest = rig.request("POST", &path("Ping"), &[JSON], bad).await;
    rest.refusal(400, 3);
    let said = rig.request("POST", &path("Ping"), &[JSON, VERSION], bad).await;
    refusal(&said, 400, "invalid_argument");
    let proto = rig.request("POST", &path("Ping"), &[PROTO], b"\x0a\x02hi").await;
    assert_eq!((proto.status.as_u16(), &proto.body[..]), (200, &b"\x0a\x02hi"[..]));
    // Methods with rules of their own have none at this path.
    let response = rig.request("POST", &path("GetBook"), &[JSON], b"{}").await;
    assert!(response.json()["code"].is_string(), "{}", response.text());
}

#[tokio::test]
async fn every_code_has_the_status_and_name_of_the_protocol() {
    let rig = Rig::start().await;
    for (code, status, name) in [
        (1, 499, "canceled"),
        (2, 500, "unknown"),
        (3, 400, "invalid_argument"),
        (4, 504, "deadline_exceeded"),
        (5, 404, "not_found"),
        (6, 409, "already_exists"),
        (7, 403, "permission_denied"),
        (8, 429, "resource_exhausted"),
        (9, 400, "failed_precondition"),
        (10, 409, "aborted"),
        (11, 400, "out_of_range"),
        (12, 501, "unimplemented"),
        (13, 500, "internal"),
        (14, 503, "unavailable"),
        (15, 500, "data_loss"),
        (16, 401, "unauthenticated"),
    ] {
        let ask = json!({"code": code, "message": "é as asked"}).to_string();
        let response = rig.request("POST", &path("Fail"), &[JSON], ask.as_bytes()).await;
        assert_eq!(refusal(&response, status, name), "é as asked");
    }
    // FailRequest { code: 5 }: errors are JSON whatever the codec.
    let response = rig.request("POST", &path("Fail"), &[PROTO], b"\x08\x05").await;
    refusal(&response, 404, "not_found");
}

#[tokio::test]
async fn details_are_given_as_bytes_and_as_json_where_their_type_is_known() {
    let rig = Rig::start().await;
    let ask = json!({"code": 9, "details": true, "retrySeconds": 30, "unknownDetail": true});
    let ask = ask.to_string();
    let response = rig.request("POST", &path("Fail"), &[JSON], ask.as_bytes()).await;
    refusal(&response, 400, "failed_precondition");
    let details = response.json()["details"].as_array().unwrap().clone();
    let of = |name: &str| details.iter().find(|detail| detail["type"] == name).unwrap();
    let retry = of("google.rpc.RetryInfo");
    assert_eq!(retry["value"], "CgIIHg", "no padding");
    assert_eq!(retry["debug"], json!({"retryDelay": "30s"}));
    assert_eq!(of("google.rpc.ErrorInfo")["debug"]["domain"], "bookshelf.v1");
    let unknown = details.iter().find(|detail| detail.get("debug").is_none()).unwrap();
    assert!(!unknown["type"].as_str().unwrap().contains('/'), "{unknown}");
}

#[tokio::test]
async fn metadata_go_through_and_trailers_are_prefixed_headers() {
    let (sender, mut asked) = tokio::sync::mpsc::unbounded_channel();
    let address = backend::http2(move |request, reply| {
        let sender = sender.clone();
        async move {
            let _ = sender.send(request.headers().clone());
            let mut head = backend::head();
            head.headers_mut().append("x-head", "h".parse().unwrap());
            head.headers_mut().append("connect-own", "no".parse().unwrap());
            let ends =
                [("grpc-status", "0"), ("x-cost", "7"), ("x-cost", "8"), ("blob-bin", "AAE")];
            backend::answer(reply, head, EMPTY_FRAME, &ends).await;
        }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let set = rig::write_descriptor_set(&folder);
    let upstream = address.to_string();
    let gateway = Gateway::serve(&["--upstream", &upstream, "--descriptor-set", &set]).await;
    let headers = [JSON, VERSION, ("authorization", "Bearer t"), ("accept-encoding", "br")];
    let response = http1::request(gateway.address, "POST", &path("Ping"), &headers, b"{}").await;
    assert_eq!(response.ok(), json!({}));
    assert_eq!(response.header("x-head"), "h");
    let costs: Vec<_> = response.headers.get_all("trailer-x-cost").iter().collect();
    assert_eq!(costs, ["7", "8"]);
    assert_eq!(response.header("trailer-blob-bin"), "AAE");
    for name in ["trailer-grpc-status", "connect-own", "x-cost"] {
        assert!(!response.headers.contains_key(name), "`{name}`: {:?}", response.headers);
    }
    let seen = within("the backend's record", asked.recv()).await.unwrap();
    assert_eq!(seen["authorization"], "Bearer t");
    for name in ["connect-protocol-version", "accept-encoding", "connect-timeout-ms"] {
        assert!(!seen.contains_key(name), "`{name}`: {seen:?}");
    }
}

#[tokio::test]
async fn timeout_is_told_to_the_backend_and_kept() {
    let rig = Rig::start().await;
    let ask = async |milliseconds: &str, delay: &str| {
        let headers = [JSON, ("connect-timeout-ms", milliseconds)];
        let body = json!({"delay": delay}).to_string();
        rig.request("POST", &path("Wait"), &headers, body.as_bytes()).await
    };
    let told = ask("9000", "0s").await.ok();
    let left = told["timeout"].as_str().unwrap().strip_suffix('u').expect("microseconds");
    assert!((1..=9_000_000).contains(&left.parse::<u64>().unwrap()), "{told}");
    let before = rig.bookshelf.begun();
    with_time_enough(async |deadline| {
        refusal(&ask(&deadline.to_string(), "3600s").await, 504, "deadline_exceeded");
        rig.bookshelf.begun() > before
    })
    .await;
    within("the call's end", rig.bookshelf.wait_for_cancelled(1)).await;
    for bad in ["10000000000000", "-1", "1s", ""] {
        let message = refusal(&ask(bad, "0s").await, 400, "invalid_argument");
        assert!(message.contains("connect-timeout-ms"), "{message}");
    }
    // Ten digits are more than a hundred days.
    ask("9999999999", "0s").await.ok();
}

#[tokio::test]
async fn caller_that_leaves_cancels_the_call() {
    let rig = Rig::start().await;
    let body = json!({"delay": "3600s"}).to_string();
    let mut http1 = rig.http1().await;
    http1.send_request("POST", &path("Wait"), &[JSON], body.as_bytes()).await;
    within("the call", rig.bookshelf.wait_for_begun(1)).await;
    drop(http1);
    within("the call's end", rig.bookshelf.wait_for_cancelled(1)).await;
    let mut http2 = rig.http2().await;
    let mut stream = http2.open_stream("POST", &path("Wait"), &[JSON], false).await;
    stream.send(body, true);
    within("the call", rig.bookshelf.wait_for_begun(2)).await;
    drop(stream);
    within("the call's end", rig.bookshelf.wait_for_cancelled(2)).await;
}
