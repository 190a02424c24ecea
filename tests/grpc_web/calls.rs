//! Calls of every form, and what no proper client sends.

use base64_simd::STANDARD;

use super::{HI, PING, WATCH, told};
use crate::support::{Response, Rig, grpc::frame};

const FAIL: &str = "/bookshelf.v1.Bookshelf/Fail";

async fn call(rig: &Rig, version: u8, path: &str, content_type: &str, body: &[u8]) -> Response {
    let headers = [("content-type", content_type), ("x-grpc-web", "1")];
    match version {
        1 => rig.request("POST", path, &headers, body).await,
        _ => rig.http2().await.request("POST", path, &headers, body).await,
    }
}

/// The messages of a body that ends in trailers, none of them packed, and the trailers.
fn read(response: &Response, text: bool) -> (Vec<Vec<u8>>, String) {
    let (found, trailers) = told(response, text);
    assert!(found.iter().all(|(flag, _)| *flag == 0));
    (found.into_iter().map(|(_, message)| message).collect(), trailers)
}

#[tokio::test]
async fn unary_call_is_answered_in_every_form() {
    let rig = Rig::start().await;
    for version in [1, 2] {
        for base in ["application/grpc-web", "application/grpc-web-text"] {
            let text = base.ends_with("text");
            let body = frame(0, HI);
            let body = if text { STANDARD.encode_to_string(body).into_bytes() } else { body };
            for suffix in ["", "+proto"] {
                let content_type = format!("{base}{suffix}");
                let response = call(&rig, version, PING, &content_type, &body).await;
                assert_eq!(response.status, 200);
                assert_eq!(response.header("content-type"), content_type);
                let (messages, trailers) = read(&response, text);
                assert_eq!(messages, [HI]);
                assert_eq!(trailers, "grpc-status: 0\r\n");
            }
        }
    }
}

#[tokio::test]
async fn server_stream_ends_in_a_frame_of_trailers() {
    let rig = Rig::start().await;
    // WatchBooksRequest { parent: "shelves/fiction", repeat: 100 }
    let body = frame(0, b"\n\x0fshelves/fiction\x20\x64");
    for version in [1, 2] {
        let response = call(&rig, version, WATCH, "application/grpc-web", &body).await;
        let (messages, trailers) = read(&response, false);
        assert_eq!(messages.len(), 200);
        assert!(trailers.contains("x-bookshelf-sent: 200\r\n"), "{trailers}");
        assert!(trailers.contains("grpc-status: 0\r\n"), "{trailers}");
        let text = STANDARD.encode_to_string(&body);
        let response =
            call(&rig, version, WATCH, "application/grpc-web-text", text.as_bytes()).await;
        assert_eq!(read(&response, true).0, messages);
    }
}

#[tokio::test]
async fn failure_is_told_in_the_head() {
    let rig = Rig::start().await;
    for version in [1, 2] {
        let body = frame(0, b"\x08\x09\x12\x02no");
        let response = call(&rig, version, FAIL, "application/grpc-web", &body).await;
        assert_eq!((response.status.as_u16(), response.header("grpc-status")), (200, "9"));
        assert_eq!(response.header("grpc-message"), "no");
        assert!(response.body.is_empty());
    }
}

#[tokio::test]
async fn bad_input_is_told_and_the_connection_kept() {
    let rig = Rig::start().await;
    let mut connection = rig.http2().await;
    let cut = frame(0, HI)[..7].to_vec();
    for (content_type, body, code) in [
        ("application/grpc-web", frame(1, HI), "13"),
        ("application/grpc-web", frame(0x80, b""), "13"),
        ("application/grpc-web", [frame(0, HI), frame(0x80, b"x-a: 1\r\n")].concat(), "13"),
        ("application/grpc-web", [frame(0, HI), vec![0]].concat(), "13"),
        ("application/grpc-web", b"<html>".to_vec(), "13"),
        ("application/grpc-web", b"\0\xff\xff\xff\xff".to_vec(), "8"),
        ("application/grpc-web", cut, "13"),
        ("application/grpc-web", Vec::new(), "12"),
        ("application/grpc-web", [frame(0, HI), frame(0, HI)].concat(), "12"),
        ("application/grpc-web-text", b"AAAA!AAA".to_vec(), "3"),
        ("application/grpc-web-text", b"AAAAAAQ".to_vec(), "3"),
    ] {
        let headers = [("content-type", content_type)];
        let response = connection.request("POST", PING, &headers, &body).await;
        assert_eq!((response.status.as_u16(), response.header("grpc-status")), (200, code));
    }
    assert_eq!(rig.bookshelf.begun(), 0);
    let headers = [("content-type", "application/grpc-web+thrift")];
    assert_eq!(connection.request("POST", PING, &headers, b"").await.status, 415);
    let headers = [("content-type", "application/grpc-web")];
    let response = connection.request("GET", PING, &headers, b"").await;
    assert_eq!((response.status.as_u16(), response.header("allow")), (405, "POST"));
}
