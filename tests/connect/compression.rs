//! Compression: whole bodies of unary calls, single messages of streams.

use bytes::Bytes;
use serde_json::json;
use transom::coding::Coding;

use super::{JSON, JSON_STREAM, PROTO, frame, frames, path, refusal, said, stream_refusal};
use crate::support::Rig;

/// JSON that is worth its compression.
fn large() -> String {
    json!({"text": "light above the door ".repeat(100)}).to_string()
}

#[tokio::test]
async fn unary_bodies_are_packed_as_asked() {
    let rig = Rig::start().await;
    for coding in Coding::ALL {
        let packed = coding.pack(large().as_bytes()).unwrap();
        let headers = [JSON, ("content-encoding", coding.name())];
        let response = rig.request("POST", &path("Ping"), &headers, &packed).await;
        assert_eq!(response.status, 200, "{coding:?}");
        assert_eq!(response.header("content-encoding"), coding.name());
        assert_eq!(coding.unpack(&response.body, 1 << 20).unwrap(), large());
        let headers = [headers[0], headers[1], ("accept-encoding", "identity")];
        let response = rig.request("POST", &path("Ping"), &headers, &packed).await;
        assert_eq!((response.header("content-encoding"), response.text()), ("", &large()[..]));
        let headers = [JSON, ("accept-encoding", coding.name())];
        let response = rig.request("POST", &path("Ping"), &headers, large().as_bytes()).await;
        assert_eq!(response.header("content-encoding"), coding.name());
        let response = rig.request("POST", &path("Ping"), &headers, b"{}").await;
        assert_eq!((response.header("content-encoding"), response.text()), ("", "{}"));
    }
}

#[tokio::test]
async fn stream_messages_are_packed_one_by_one() {
    let rig = Rig::start().await;
    for coding in Coding::ALL {
        let large = said(&"light above the door ".repeat(100));
        let packed = coding.pack(large.as_bytes()).unwrap();
        let body = [frame(1, packed), frame(0, large), frame(1, b"")].concat();
        let headers = [JSON_STREAM, ("connect-content-encoding", coding.name())];
        let response = rig.request("POST", &path("Chat"), &headers, &body).await;
        assert_eq!(response.header("connect-content-encoding"), coding.name());
        let frames = frames(&response.body);
        let flags: Vec<_> = frames.iter().map(|(flag, _)| *flag).collect();
        assert_eq!(flags, [1, 1, 0, 2], "only what is large is packed: {coding:?}");
        let message = coding.unpack(frames[0].1, 1 << 20).unwrap();
        let message: serde_json::Value = serde_json::from_slice(&message).unwrap();
        assert!(message["text"].as_str().unwrap().starts_with("light"), "{message}");
    }
}

#[tokio::test]
async fn compression_that_nobody_knows_is_unimplemented() {
    let rig = Rig::start().await;
    let known = "zstd,br,gzip,deflate";
    for (name, value) in [("content-encoding", "foo"), ("content-encoding", "gzip, gzip")] {
        let response = rig.request("POST", &path("Ping"), &[PROTO, (name, value)], b"").await;
        let message = refusal(&response, 501, "unimplemented");
        assert!(message.contains(known), "{message}");
        assert_eq!(response.header("accept-encoding"), known);
    }
    let headers = [JSON_STREAM, ("connect-content-encoding", "foo")];
    let response = rig.request("POST", &path("Chat"), &headers, b"").await;
    assert!(stream_refusal(&response, "unimplemented").contains(known));
    assert_eq!(response.header("connect-accept-encoding"), known);
}

#[tokio::test]
async fn packed_data_that_are_damaged_or_too_large_are_refused() {
    let rig = Rig::with_policy("max_request_message: 10000").await;
    let zeros = vec![b' '; 10_001];
    for coding in Coding::ALL {
        let bomb = coding.pack(&zeros).unwrap();
        let mut whole = coding.pack(large().as_bytes()).unwrap().to_vec();
        whole.truncate(whole.len() / 2);
        for (body, status, code) in [
            (bomb, 429, "resource_exhausted"),
            (Bytes::from(whole), 400, "invalid_argument"),
            (Bytes::from_static(b"{\"text\":\"plain\"}"), 400, "invalid_argument"),
        ] {
            let headers = [JSON, ("content-encoding", coding.name())];
            let response = rig.request("POST", &path("Ping"), &headers, &body).await;
            refusal(&response, status, code);
            let headers = [JSON_STREAM, ("connect-content-encoding", coding.name())];
            let response = rig.request("POST", &path("Chat"), &headers, &frame(1, &body)).await;
            stream_refusal(&response, code);
        }
    }
    assert_eq!(rig.request("POST", &path("Ping"), &[JSON], &zeros[1..]).await.status, 200);
}

#[tokio::test]
async fn empty_body_is_not_unpacked() {
    let rig = Rig::start().await;
    for codec in [JSON, PROTO] {
        let headers = [codec, ("content-encoding", "gzip")];
        let response = rig.request("POST", &path("Ping"), &headers, b"").await;
        assert_eq!(response.status, 200, "{}", response.text());
    }
}
