//! Packed messages both ways, in bytes and in text.

use base64_simd::STANDARD;
use transom::coding::Coding;

use super::{HI, PING, WATCH, told};
use crate::support::{Gateway, Response, Rig, backend::echo, grpc::frame, http1, rig};

async fn send(gateway: &Gateway, path: &str, text: bool, coding: Coding, body: &[u8]) -> Response {
    let content_type = if text { "application/grpc-web-text" } else { "application/grpc-web" };
    let headers = [
        ("content-type", content_type),
        ("grpc-encoding", coding.name()),
        ("grpc-accept-encoding", "gzip"),
    ];
    let body = if text { STANDARD.encode_to_string(body).into_bytes() } else { body.to_vec() };
    http1::request(gateway.address, "POST", path, &headers, &body).await
}

#[tokio::test]
async fn packed_message_goes_both_ways_as_it_is_where_the_backend_takes_it() {
    let (gateway, _folder) = rig::before(echo(false).await).await;
    let gzip = Coding::Gzip.pack(HI).unwrap();
    let learnt = send(&gateway, PING, false, Coding::Gzip, &frame(1, &gzip)).await;
    assert_eq!(told(&learnt, false).0, [(0, HI.to_vec())], "nothing was told yet");
    for text in [false, true] {
        let response = send(&gateway, PING, text, Coding::Gzip, &frame(1, &gzip)).await;
        assert_eq!(response.header("grpc-encoding"), "gzip");
        let (messages, trailers) = told(&response, text);
        assert_eq!(messages, [(1, gzip.to_vec())], "text: {text}");
        assert_eq!(trailers, "grpc-status: 0\r\n");
        for coding in [Coding::Zstd, Coding::Deflate, Coding::Brotli] {
            let body = frame(1, &coding.pack(HI).unwrap());
            let response = send(&gateway, PING, text, coding, &body).await;
            assert_eq!(response.header("grpc-encoding"), "");
            assert_eq!(told(&response, text).0, [(0, HI.to_vec())], "{coding:?}");
        }
    }
}

#[tokio::test]
async fn packed_request_of_a_stream_is_answered_and_a_damaged_one_refused() {
    let rig = Rig::start().await;
    // WatchBooksRequest { parent: "shelves/fiction" }
    let ask = b"\n\x0fshelves/fiction";
    for coding in Coding::ALL {
        for text in [false, true] {
            let body = frame(1, &coding.pack(ask).unwrap());
            let response = send(&rig.gateway, WATCH, text, coding, &body).await;
            assert_eq!(told(&response, text).0.len(), 2, "{coding:?}");
            let response =
                send(&rig.gateway, WATCH, text, coding, &frame(1, b"no such data")).await;
            assert_eq!(response.header("grpc-status"), "3", "{coding:?}");
        }
    }
}

#[tokio::test]
async fn coding_that_nobody_knows_is_unimplemented_and_the_known_are_listed() {
    let rig = Rig::start().await;
    let headers = [("content-type", "application/grpc-web"), ("grpc-encoding", "snappy")];
    let response = rig.request("POST", PING, &headers, &frame(1, HI)).await;
    assert_eq!((response.status.as_u16(), response.header("grpc-status")), (200, "12"));
    assert_eq!(response.header("grpc-accept-encoding"), "zstd,br,gzip,deflate");
}
