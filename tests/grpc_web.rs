//! gRPC-Web through the gateway, over both versions of HTTP, in bytes and in text.

mod calls;
mod compression;
mod cut;
mod upstream_trouble;

use base64_simd::STANDARD;

use crate::support::{Response, grpc::frames};

const PING: &str = "/bookshelf.v1.Bookshelf/Ping";
const WATCH: &str = "/bookshelf.v1.Bookshelf/WatchBooks";

/// `PingRequest { text: "hi" }`
const HI: &[u8] = b"\n\x02hi";

/// The bytes of an answer in text, of which every write is padded by itself.
fn decoded(text: &[u8]) -> Vec<u8> {
    text.chunks(4).flat_map(|four| STANDARD.decode_to_vec(four).unwrap()).collect()
}

/// The messages of a body that ends in trailers, with their flags, and the trailers.
fn told(response: &Response, text: bool) -> (Vec<(u8, Vec<u8>)>, String) {
    assert!(response.complete, "an answer comes to its end whatever happened");
    let body = if text { decoded(&response.body) } else { response.body.clone() };
    let mut found = frames(&body);
    let (flag, trailers) = found.pop().unwrap();
    assert_eq!(flag, 0x80);
    assert!(found.iter().all(|(flag, _)| *flag < 2));
    (found, String::from_utf8(trailers).unwrap())
}
