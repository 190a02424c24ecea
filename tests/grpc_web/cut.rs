//! Requests in pieces, cut at each byte, over real sockets.

use base64_simd::STANDARD;

use super::{HI, PING, told};
use crate::support::{Rig, grpc::frame};

const BYTES: (&str, bool) = ("application/grpc-web", false);
const TEXT: (&str, bool) = ("application/grpc-web-text", true);

fn body(text: bool) -> Vec<u8> {
    let body = frame(0, HI);
    if text { STANDARD.encode_to_string(body).into_bytes() } else { body }
}

#[tokio::test]
async fn request_cut_at_each_byte_is_the_same_request() {
    let rig = Rig::start().await;
    let mut http2 = rig.http2().await;
    let mut http1 = rig.http1().await;
    for (content_type, text) in [BYTES, TEXT] {
        let headers = [("content-type", content_type)];
        let body = body(text);
        for cut in 1..body.len() {
            let (first, rest) = body.split_at(cut);
            let mut stream = http2.open_stream("POST", PING, &headers, false).await;
            stream.send(first.to_vec(), false);
            stream.send(rest.to_vec(), true);
            let over2 = stream.response().await;
            http1.send_chunked_head("POST", PING, &headers).await;
            for piece in [first, rest, b""] {
                http1.send_chunk(piece).await;
            }
            for response in [over2, http1.response().await] {
                let (messages, trailers) = told(&response, text);
                assert_eq!(messages, [(0, HI.to_vec())], "{content_type} cut at {cut}");
                assert_eq!(trailers, "grpc-status: 0\r\n");
            }
        }
    }
}

#[tokio::test]
async fn request_that_ends_at_any_byte_is_refused_and_the_connection_kept() {
    let rig = Rig::start().await;
    let mut connection = rig.http2().await;
    for (content_type, text) in [BYTES, TEXT] {
        let body = body(text);
        for end in 1..body.len() {
            let headers = [("content-type", content_type)];
            let response = connection.request("POST", PING, &headers, &body[..end]).await;
            // In the middle of four letters it is no base64, elsewhere no whole frame.
            let code = if text && end % 4 != 0 { "3" } else { "13" };
            assert_eq!(response.header("grpc-status"), code, "{content_type} ends at {end}");
        }
    }
    assert_eq!(rig.bookshelf.begun(), 0);
}
