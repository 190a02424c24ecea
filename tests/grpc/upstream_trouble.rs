//! Backends that fail, and how gRPC's callers hear of it.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::support::{
    Gateway, Response,
    backend::{self, Answer, Asked, EMPTY_FRAME},
    grpc::status,
    http2, rig,
};

const GRPC: [(&str, &str); 2] = [("content-type", "application/grpc"), ("te", "trailers")];
const PING: &str = "/bookshelf.v1.Bookshelf/Ping";
const WATCH: &str = "/bookshelf.v1.Bookshelf/WatchBooks";

/// What a caller hears of a backend.
async fn call(upstream: SocketAddr, path: &str) -> Response {
    let folder = tempfile::tempdir().unwrap();
    let set = rig::write_descriptor_set(&folder);
    let config = folder.path().join("transom.yaml");
    std::fs::write(&config, rig::configuration(&set, upstream, "timeout: 2s")).unwrap();
    let gateway = Gateway::serve(&["--config", config.to_str().unwrap()]).await;
    let mut connection = http2::Connection::open(gateway.address).await;
    connection.request("POST", path, &GRPC, EMPTY_FRAME).await
}

#[tokio::test]
async fn backend_that_nobody_runs_is_unavailable() {
    let (address, _socket) = backend::nobody();
    let message = call(address, PING).await.trailers_only(14);
    assert!(!message.contains("127.0.0.1"), "{message}");
}

#[tokio::test]
async fn backend_that_never_answers_is_deadline_exceeded() {
    let silent = backend::http2(|asked: Asked, reply: Answer| async move {
        let _held = (asked, reply);
        std::future::pending().await
    })
    .await;
    call(silent, PING).await.trailers_only(4);
}

#[tokio::test]
async fn backend_that_resets_is_told_by_its_error_code() {
    for (reason, code) in [(h2::Reason::INTERNAL_ERROR, 13), (h2::Reason::REFUSED_STREAM, 14)] {
        let resets = backend::http2(move |_asked: Asked, mut reply: Answer| async move {
            reply.send_reset(reason);
        })
        .await;
        call(resets, PING).await.trailers_only(code);
    }
}

#[tokio::test]
async fn backend_that_dies_in_a_stream_is_told_in_the_trailers() {
    let dies = backend::http2(|_asked: Asked, mut reply: Answer| async move {
        let mut stream = reply.send_response(backend::head(), false).unwrap();
        stream.send_data(Bytes::from_static(EMPTY_FRAME), false).unwrap();
        stream.send_data(Bytes::from_static(&[0, 0]), false).unwrap();
        stream.send_reset(h2::Reason::INTERNAL_ERROR);
    })
    .await;
    let response = call(dies, WATCH).await;
    assert!(response.complete, "the connection stays and the stream ends well");
    let told = if response.trailers.is_empty() { &response.headers } else { &response.trailers };
    assert_eq!(status(told).0, 13);
}

#[tokio::test]
async fn backend_that_ends_without_a_status_is_internal() {
    for (path, body) in [(PING, EMPTY_FRAME), (WATCH, EMPTY_FRAME), (WATCH, &[])] {
        let ends = backend::http2(move |asked: Asked, mut reply: Answer| async move {
            backend::read_all(asked.into_body()).await;
            let mut stream = reply.send_response(backend::head(), false).unwrap();
            let _ = stream.send_data(Bytes::from_static(body), true);
        })
        .await;
        let response = call(ends, path).await;
        let told =
            if response.trailers.is_empty() { &response.headers } else { &response.trailers };
        assert_eq!(status(told).0, 13, "{path}");
    }
}

#[tokio::test]
async fn backend_that_is_no_grpc_is_told_by_its_http_status() {
    let other = backend::http2(|_asked: Asked, mut reply: Answer| async move {
        let head = http::Response::builder().status(403).header("content-type", "text/html");
        let mut stream = reply.send_response(head.body(()).unwrap(), false).unwrap();
        let _ = stream.send_data(Bytes::from_static(b"<p>no</p>"), true);
    })
    .await;
    call(other, PING).await.trailers_only(7);
}
