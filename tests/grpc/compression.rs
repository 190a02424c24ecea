//! Packed messages: passed on to backends that take them, unpacked for those that have not told.

use transom::coding::Coding;

use crate::support::{
    Gateway, Response, Rig,
    backend::echo,
    grpc::{frame, frames, status},
    http2, rig,
};

const PING: &str = "/bookshelf.v1.Bookshelf/Ping";
const CHAT: &str = "/bookshelf.v1.Bookshelf/Chat";
const HI: &[u8] = b"\n\x02hi";

/// A gateway before a backend that takes gzip and answers with what it gets.
async fn before_echo() -> (Gateway, tempfile::TempDir) {
    rig::before(echo(false).await).await
}

async fn send_to(
    connection: &mut http2::Connection,
    path: &str,
    coding: Coding,
    body: &[u8],
) -> Response {
    let headers = [
        ("content-type", "application/grpc"),
        ("grpc-encoding", coding.name()),
        ("grpc-accept-encoding", "gzip,zstd,deflate,br"),
    ];
    connection.request("POST", path, &headers, body).await
}

async fn send(connection: &mut http2::Connection, coding: Coding, packed: &[u8]) -> Response {
    send_to(connection, PING, coding, &frame(1, packed)).await
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
    for coding in [Coding::Zstd, Coding::Deflate, Coding::Brotli] {
        let other = send(&mut connection, coding, &coding.pack(HI).unwrap()).await;
        assert_eq!(frames(&other.body), [(0, HI.to_vec())], "the backend doesn't take it");
        assert_eq!(status(&other.trailers).0, 0);
    }
}

#[tokio::test]
async fn packed_messages_of_a_stream_pass_or_are_unpacked_one_by_one() {
    let (gateway, _folder) = before_echo().await;
    let mut connection = http2::Connection::open(gateway.address).await;
    let plain = [(0, HI.to_vec()), (0, b"".to_vec()), (0, HI.to_vec())];
    // The first of them is told of in the first answer, too late for itself.
    for coding in [Coding::Gzip, Coding::Zstd, Coding::Deflate, Coding::Brotli] {
        let packed = coding.pack(HI).unwrap();
        let body = [frame(1, &packed), frame(0, b""), frame(1, &packed)].concat();
        let first = send_to(&mut connection, CHAT, coding, &body).await;
        assert_eq!(status(&first.trailers).0, 0);
        assert_eq!(frames(&first.body), plain, "{coding:?} is not known to be taken");
    }
    let packed = Coding::Gzip.pack(HI).unwrap();
    let body = [frame(1, &packed), frame(0, b""), frame(1, &packed)].concat();
    let passed = send_to(&mut connection, CHAT, Coding::Gzip, &body).await;
    assert_eq!(passed.body, body, "by now the backend has told that it takes gzip");
    assert_eq!(passed.header("grpc-encoding"), "gzip");
}

#[tokio::test]
async fn message_that_is_refused_for_its_coding_is_sent_again_plain() {
    let (gateway, _folder) = rig::before(echo(true).await).await;
    let mut connection = http2::Connection::open(gateway.address).await;
    let gzip = Coding::Gzip.pack(HI).unwrap();
    for _ in 0..3 {
        // The first call goes plain, and teaches the gateway what is not true.
        let response = send(&mut connection, Coding::Gzip, &gzip).await;
        assert_eq!(frames(&response.body), [(0, HI.to_vec())]);
        assert_eq!(status(&response.trailers).0, 0);
    }
}

#[tokio::test]
async fn packed_messages_of_a_stream_are_answered_by_a_real_service() {
    let rig = Rig::start().await;
    let mut connection = rig.http2().await;
    // ChatMessage { book: "shelves/science/books/tides", text: "a" }
    let said = b"\n\x1bshelves/science/books/tides\x12\x01a";
    for coding in Coding::ALL {
        let packed = coding.pack(said).unwrap();
        let body = [frame(1, &packed), frame(0, said), frame(1, &packed)].concat();
        let response = send_to(&mut connection, CHAT, coding, &body).await;
        assert_eq!(status(&response.trailers).0, 0, "{coding:?}");
        assert_eq!(frames(&response.body).len(), 3, "{coding:?}");
    }
}

#[tokio::test]
async fn damaged_message_is_refused_where_it_is_unpacked() {
    let (gateway, _folder) = before_echo().await;
    let mut connection = http2::Connection::open(gateway.address).await;
    for coding in Coding::ALL {
        send(&mut connection, coding, b"no such data").await.trailers_only(3);
        let body = [frame(0, HI), frame(1, b"no such data")].concat();
        let response = send_to(&mut connection, CHAT, coding, &body).await;
        let told =
            if response.trailers.is_empty() { &response.headers } else { &response.trailers };
        assert_eq!(status(told).0, 3, "{coding:?}");
    }
}
