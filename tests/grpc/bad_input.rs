//! What no proper client sends, byte by byte over HTTP/2.

use bytes::Bytes;

use crate::support::{
    Response, Rig,
    grpc::{frame, frames, status},
    http1, http2, within,
};

const PING: &str = "/bookshelf.v1.Bookshelf/Ping";
const IMPORT: &str = "/bookshelf.v1.Bookshelf/ImportBooks";
const CHAT: &str = "/bookshelf.v1.Bookshelf/Chat";
const GRPC: [(&str, &str); 2] = [("content-type", "application/grpc"), ("te", "trailers")];

/// `PingRequest { text: "hi" }`
const HI: &[u8] = b"\n\x02hi";

async fn call(rig: &Rig, path: &str, more: &[(&str, &str)], body: &[u8]) -> Response {
    let headers = [&GRPC[..], more].concat();
    rig.http2().await.request("POST", path, &headers, body).await
}

/// Checks a proper answer of Ping.
fn check_pong(response: &Response) {
    assert_eq!(status(&response.trailers), (0, String::new()));
    assert_eq!(frames(&response.body), [(0, HI.to_vec())]);
}

#[tokio::test]
async fn content_types_of_grpc_are_all_answered_alike() {
    let rig = Rig::start().await;
    for content_type in ["application/grpc", "application/grpc+proto", "application/grpc;a=b"] {
        let headers = [("content-type", content_type)];
        let response = rig.http2().await.request("POST", PING, &headers, &frame(0, HI)).await;
        check_pong(&response);
        assert_eq!(response.header("content-type"), content_type.replace(";a=b", ""));
    }
    let headers = [("content-type", "application/grpc+json")];
    let body = frame(0, br#"{"text":"hi"}"#);
    let response = rig.http2().await.request("POST", PING, &headers, &body).await;
    assert_eq!(frames(&response.body), [(0, br#"{"text":"hi"}"#.to_vec())]);
    assert_eq!(response.header("content-type"), "application/grpc+json");
    let body = frame(0, br#"{"txt":"hi"}"#);
    let response = rig.http2().await.request("POST", PING, &headers, &body).await;
    assert!(response.trailers_only(3).contains("txt"));
}

#[tokio::test]
async fn codec_that_nobody_speaks_is_415() {
    let rig = Rig::start().await;
    let headers = [("content-type", "application/grpc+thrift")];
    let response = rig.http2().await.request("POST", PING, &headers, &frame(0, HI)).await;
    assert_eq!(response.status, 415);
    assert!(response.header("accept-post").contains("application/grpc+proto"));
    assert_eq!(status(&response.headers).0, 12);
}

#[tokio::test]
async fn method_that_is_not_post_is_405() {
    let rig = Rig::start().await;
    for method in ["GET", "PUT", "OPTIONS"] {
        let response = rig.http2().await.request(method, PING, &GRPC, b"").await;
        assert_eq!((response.status.as_u16(), response.header("allow")), (405, "POST"));
        assert_eq!(status(&response.headers).0, 12);
    }
}

#[tokio::test]
async fn grpc_over_http1_is_505() {
    let rig = Rig::start().await;
    let response = http1::request(rig.gateway.address, "POST", PING, &GRPC, &frame(0, HI)).await;
    assert_eq!(response.status, 505);
    assert!(status(&response.headers).1.contains("HTTP/2"));
}

#[tokio::test]
async fn unknown_method_is_unimplemented() {
    let rig = Rig::start().await;
    for path in ["/bookshelf.v1.Bookshelf/Nothing", "/no.Service/Ping", "/", "/v1/books", "/%2F/é"]
    {
        let path = path.replace('é', "%C3%A9");
        let message = call(&rig, &path, &[], &frame(0, HI)).await.trailers_only(12);
        assert!(message.contains("no service has the method"), "{message}");
    }
    assert_eq!(rig.bookshelf.begun(), 0);
}

#[tokio::test]
async fn headers_that_mean_nothing_are_told() {
    let rig = Rig::start().await;
    for (name, value, code) in [
        ("grpc-timeout", "soon", 3),
        ("grpc-timeout", "123456789S", 3),
        ("x-blob-bin", "!", 3),
        ("grpc-encoding", "snappy", 12),
    ] {
        let response = call(&rig, PING, &[(name, value)], &frame(0, HI)).await;
        response.trailers_only(code);
        if name == "grpc-encoding" {
            assert_eq!(response.header("grpc-accept-encoding"), "zstd,br,gzip,deflate");
        }
    }
    check_pong(&call(&rig, PING, &[("grpc-encoding", "identity")], &frame(0, HI)).await);
}

#[tokio::test]
async fn broken_frames_fail_the_call_and_not_the_connection() {
    let rig = Rig::with_policy("max_request_message: 100").await;
    let mut connection = rig.http2().await;
    let two = [frame(0, HI), frame(0, HI)].concat();
    for (body, code, part) in [
        (frame(1, HI), 13, "grpc-encoding"),
        (frame(0x80, HI), 13, "for answers alone"),
        (b"<html>".to_vec(), 13, "0x3c"),
        (frame(0, HI)[..8].to_vec(), 13, "in the middle"),
        (frame(0, HI)[..3].to_vec(), 13, "in the middle"),
        (b"\0\xff\xff\xff\xff".to_vec(), 8, "4294967295"),
        (frame(0, &[0; 101]), 8, "101"),
        (two, 12, "more than one"),
        (Vec::new(), 12, "none"),
    ] {
        let response = connection.request("POST", PING, &GRPC, &body).await;
        let message = response.trailers_only(code);
        assert!(message.contains(part), "{message}");
    }
    check_pong(&connection.request("POST", PING, &GRPC, &frame(0, HI)).await);
    assert_eq!(rig.bookshelf.begun(), 1, "what is broken reaches no backend");
}

#[tokio::test]
async fn broken_frame_in_a_stream_cancels_the_call() {
    let rig = Rig::start().await;
    let mut connection = rig.http2().await;
    let chat = frame(0, b"\n\x1bshelves/science/books/tides\x12\x01a");
    let mut stream = connection.open_stream("POST", CHAT, &GRPC, false).await;
    stream.send(chat, false);
    let (_, mut sending, mut body) = stream.head().await.unwrap();
    let first = within("an answer", http2::data(&mut body)).await.unwrap().unwrap();
    assert_eq!(frames(&first).len(), 1);
    sending.send_data(Bytes::from_static(b"\x07"), false).unwrap();
    assert!(within("the end", http2::data(&mut body)).await.is_none());
    let trailers = within("trailers", body.trailers()).await.unwrap().unwrap();
    assert_eq!(status(&trailers).0, 13);
    within("the call's end", rig.bookshelf.wait_for_cancelled(1)).await;
}

#[tokio::test]
async fn request_cut_at_each_byte_is_the_same_request() {
    let rig = Rig::start().await;
    let mut connection = rig.http2().await;
    let body = frame(0, HI);
    for cut in 0..=body.len() {
        let mut stream = connection.open_stream("POST", PING, &GRPC, false).await;
        stream.send(Bytes::copy_from_slice(&body[..cut]), false);
        stream.send(Bytes::copy_from_slice(&body[cut..]), true);
        check_pong(&stream.response().await);
    }
    for cut in 0..body.len() {
        let mut stream = connection.open_stream("POST", PING, &GRPC, false).await;
        stream.send(Bytes::copy_from_slice(&body[..cut]), false);
        stream.body.send_reset(h2::Reason::CANCEL);
    }
    check_pong(&connection.request("POST", PING, &GRPC, &body).await);
}

#[tokio::test]
async fn stream_of_messages_cut_at_each_byte_is_the_same_stream() {
    let rig = Rig::start().await;
    let mut connection = rig.http2().await;
    let message = b"\n\x0bshelves/new\x12\x03\x12\x01a";
    let body = [frame(0, message), frame(0, message)].concat();
    for cut in 0..=body.len() {
        let mut stream = connection.open_stream("POST", IMPORT, &GRPC, false).await;
        stream.send(Bytes::copy_from_slice(&body[..cut]), false);
        stream.send(Bytes::copy_from_slice(&body[cut..]), true);
        let response = stream.response().await;
        let (code, told) =
            status(if response.body.is_empty() { &response.headers } else { &response.trailers });
        // The same titles make the same names, which can be given once.
        assert!(code == 0 || code == 6, "{code} {told} cut at {cut}");
    }
}
