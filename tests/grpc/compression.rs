//! Packed messages: passed on to backends that take them, unpacked for those that have not told.

use bytes::Bytes;
use transom::coding::Coding;

use crate::support::{
    Gateway, Response,
    backend::{self, Answer, Asked},
    grpc::{frame, frames, status},
    http2, rig,
};

const PING: &str = "/bookshelf.v1.Bookshelf/Ping";
const HI: &[u8] = b"\n\x02hi";

/// A backend that answers with what it was sent, in the coding that it came with, and tells what
/// it takes.
async fn before_echo() -> (Gateway, tempfile::TempDir) {
    let echo = backend::http2(|asked: Asked, mut reply: Answer| async move {
        let coding = asked.headers().get("grpc-encoding").cloned();
        let body = backend::read_all(asked.into_body()).await;
        let mut head = backend::head();
        head.headers_mut().insert("grpc-accept-encoding", "identity,gzip".parse().unwrap());
        if let Some(coding) = coding {
            head.headers_mut().insert("grpc-encoding", coding);
        }
        let mut stream = reply.send_response(head, false).unwrap();
        stream.send_data(Bytes::from(body), false).unwrap();
        stream.send_trailers(backend::trailers(&[("grpc-status", "0")])).unwrap();
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let set = rig::write_descriptor_set(&folder);
    let upstream = echo.to_string();
    let arguments = ["--workers", "1", "--upstream", &upstream, "--descriptor-set", &set];
    (Gateway::serve(&arguments).await, folder)
}

async fn send(connection: &mut http2::Connection, coding: Coding, packed: &[u8]) -> Response {
    let headers = [
        ("content-type", "application/grpc"),
        ("grpc-encoding", coding.name()),
        ("grpc-accept-encoding", "gzip,zstd,deflate"),
    ];
    connection.request("POST", PING, &headers, &frame(1, packed)).await
}

#[tokio::test]
async fn packed_message_passes_once_the_backend_has_told_that_it_takes_it() {
    let (gateway, _folder) = before_echo().await;
    let mut connection = http2::Connection::open(gateway.address).await;
    let gzip = Coding::Gzip.pack(HI).unwrap();
    let first = send(&mut connection, Coding::Gzip, &gzip).await;
    assert_eq!(frames(&first.body), [(0, HI.to_vec())], "nothing was told yet");
    let second = send(&mut connection, Coding::Gzip, &gzip).await;
    assert_eq!(frames(&second.body), [(1, gzip.to_vec())]);
    assert_eq!(second.header("grpc-encoding"), "gzip");
    for coding in [Coding::Zstd, Coding::Deflate] {
        let other = send(&mut connection, coding, &coding.pack(HI).unwrap()).await;
        assert_eq!(frames(&other.body), [(0, HI.to_vec())], "the backend doesn't take it");
        assert_eq!(status(&other.trailers).0, 0);
    }
}

#[tokio::test]
async fn damaged_message_is_refused_where_it_is_unpacked() {
    let (gateway, _folder) = before_echo().await;
    let mut connection = http2::Connection::open(gateway.address).await;
    send(&mut connection, Coding::Zstd, b"no zstd").await.trailers_only(3);
}
