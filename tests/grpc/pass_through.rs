//! Messages are not read on their way: what the schema doesn't know arrives as it was.

use bytes::Bytes;
use h2::server::SendResponse;

use crate::support::{
    Gateway,
    backend::{self, Asked},
    grpc::{frame, frames, status},
    http2, rig,
};

const PING: &str = "/bookshelf.v1.Bookshelf/Ping";
const GRPC: [(&str, &str); 2] = [("content-type", "application/grpc"), ("te", "trailers")];

/// Answers with what it was sent, whatever that is.
async fn echo() -> std::net::SocketAddr {
    backend::http2(|asked: Asked, mut reply: SendResponse<Bytes>| async move {
        let body = backend::read_all(asked.into_body()).await;
        let mut stream = reply.send_response(backend::head(), false).unwrap();
        stream.send_data(body.into(), false).unwrap();
        stream.send_trailers(backend::trailers(&[("grpc-status", "0"), ("x-end", "1")])).unwrap();
    })
    .await
}

async fn before(upstream: std::net::SocketAddr) -> (Gateway, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let set = rig::write_descriptor_set(&folder);
    let upstream = upstream.to_string();
    (Gateway::serve(&["--upstream", &upstream, "--descriptor-set", &set]).await, folder)
}

#[tokio::test]
async fn message_that_no_schema_fits_arrives_byte_for_byte() {
    let (gateway, _folder) = before(echo().await).await;
    let mut connection = http2::Connection::open(gateway.address).await;
    let unknown_field = b"\n\x02hi\xfa\x3f\x03abc".to_vec();
    let no_protobuf = b"\xff\xff\xff".to_vec();
    for message in [unknown_field, no_protobuf, Vec::new(), vec![7; 20 << 10], vec![7; 3 << 20]] {
        let response = connection.request("POST", PING, &GRPC, &frame(0, &message)).await;
        assert_eq!(status(&response.trailers), (0, String::new()));
        assert_eq!(response.trailers["x-end"], "1");
        assert_eq!(frames(&response.body), [(0, message)]);
    }
}

#[tokio::test]
async fn stream_of_any_messages_arrives_byte_for_byte() {
    let (gateway, _folder) = before(echo().await).await;
    let mut connection = http2::Connection::open(gateway.address).await;
    let sizes = [0, 1, 100, 16 << 10, 5, 70 << 10, 0, (16 << 10) - 1, 300 << 10, 1];
    let messages: Vec<_> = sizes.iter().map(|size| frame(0, &vec![9; *size])).collect();
    let body = messages.concat();
    let response = connection.request("POST", "/bookshelf.v1.Bookshelf/Chat", &GRPC, &body).await;
    assert_eq!(status(&response.trailers).0, 0);
    assert!(response.body == body, "{} bytes came of {}", response.body.len(), body.len());
}
