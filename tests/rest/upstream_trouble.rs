//! Backends that are down, slow, or speak something else.

use std::{net::SocketAddr, sync::Arc, sync::atomic::AtomicUsize, sync::atomic::Ordering};

use bytes::Bytes;
use http::Response as HttpResponse;

use crate::support::{
    Gateway, Response,
    backend::{self, Answer, Asked, EMPTY_FRAME},
    http1, rig,
};

/// The gateway in front of a backend, with a second for each call.
async fn before(upstream: SocketAddr) -> (Gateway, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let set = rig::write_descriptor_set(&folder);
    let config = folder.path().join("transom.yaml");
    std::fs::write(&config, rig::configuration(&set, upstream, "timeout: 1s")).unwrap();
    (Gateway::serve(&["--config", config.to_str().unwrap()]).await, folder)
}

async fn ask(gateway: &Gateway) -> Response {
    http1::request(gateway.address, "DELETE", "/v1/shelves/a/books/b", &[], b"").await
}

/// One call of a backend, with what must never be in an answer.
async fn call(upstream: SocketAddr) -> Response {
    let (gateway, _folder) = before(upstream).await;
    let response = ask(&gateway).await;
    assert!(!response.text().contains("127.0.0.1"), "an address leaks: {}", response.text());
    assert!(!response.text().contains(&upstream.port().to_string()), "{}", response.text());
    response
}

/// A failure that is the backend's: 502, 503 or 504 with UNAVAILABLE or INTERNAL, or 500 where
/// the backend broke the protocol.
fn check_trouble(response: &Response) {
    let status = response.status.as_u16();
    assert!(matches!(status, 500 | 502 | 503), "{status} {}", response.text());
    let code = response.json()["code"].as_u64().unwrap();
    assert!(matches!(code, 2 | 13 | 14), "{}", response.text());
    response.refusal(status, code as u32);
}

#[tokio::test]
async fn backend_that_nobody_runs_is_503() {
    let (address, _socket) = backend::nobody();
    call(address).await.refusal(503, 14);
}

#[tokio::test]
async fn backend_that_comes_up_later_is_called() {
    let (address, socket) = backend::nobody();
    let (gateway, _folder) = before(address).await;
    ask(&gateway).await.refusal(503, 14);
    let listener = socket.listen(16).unwrap();
    tokio::spawn(transom::cli::demo::bookshelf::serve(
        Default::default(),
        listener,
        std::future::pending(),
    ));
    // The gateway waits a while before it tries again; how long is its own affair.
    crate::support::within("the backend's first answer", async {
        while ask(&gateway).await.status != 404 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn backend_that_closes_each_connection_is_503() {
    call(backend::raw(|stream| async move { drop(stream) }).await).await.refusal(503, 14);
}

#[tokio::test]
async fn backend_that_speaks_http1_is_503_and_not_a_hang() {
    let says = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    check_trouble(&call(backend::says(says).await).await);
}

#[tokio::test]
async fn backend_that_speaks_garbage_is_503_and_not_a_hang() {
    check_trouble(
        &call(backend::says(b"\x00\xff\x00\xff\x00\xff\x00\xff\x00\xff\x00\xff").await).await,
    );
}

#[tokio::test]
async fn backend_that_accepts_and_says_nothing_is_504() {
    let silent = backend::raw(|stream| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let response = call(silent).await;
    assert!(matches!(response.status.as_u16(), 503 | 504), "{}", response.text());
}

#[tokio::test]
async fn backend_that_never_answers_is_504() {
    let silent = backend::http2(|asked: Asked, reply: Answer| async move {
        let _held = (asked, reply);
        std::future::pending().await
    })
    .await;
    call(silent).await.refusal(504, 4);
}

#[tokio::test]
async fn backend_that_resets_the_stream_is_trouble() {
    let resets = backend::http2(|_asked: Asked, mut reply: Answer| async move {
        reply.send_reset(h2::Reason::INTERNAL_ERROR);
    })
    .await;
    check_trouble(&call(resets).await);
}

#[tokio::test]
async fn backend_that_refuses_the_stream_is_503() {
    let refuses = backend::http2(|_asked: Asked, mut reply: Answer| async move {
        reply.send_reset(h2::Reason::REFUSED_STREAM);
    })
    .await;
    call(refuses).await.refusal(503, 14);
}

#[tokio::test]
async fn backend_that_resets_after_its_head_is_trouble() {
    let resets = backend::http2(|_asked: Asked, mut reply: Answer| async move {
        let mut stream = reply.send_response(backend::head(), false).unwrap();
        stream.send_data(Bytes::from_static(&[0, 0]), false).unwrap();
        stream.send_reset(h2::Reason::CANCEL);
    })
    .await;
    let response = call(resets).await;
    assert!(
        matches!(response.json()["code"].as_u64(), Some(1 | 2 | 13 | 14)),
        "{}",
        response.text()
    );
    assert_ne!(response.status, 200);
}

#[tokio::test]
async fn backend_that_ends_without_a_status_is_trouble() {
    let ends = backend::http2(|_asked: Asked, mut reply: Answer| async move {
        let mut stream = reply.send_response(backend::head(), false).unwrap();
        let _ = stream.send_data(Bytes::from_static(EMPTY_FRAME), true);
    })
    .await;
    check_trouble(&call(ends).await);
}

/// What becomes of an answer with this body and these trailers.
async fn call_answering(
    body: &'static [u8],
    ends: &'static [(&'static str, &'static str)],
) -> Response {
    let answers = backend::http2(move |asked: Asked, reply: Answer| async move {
        backend::read_all(asked.into_body()).await;
        backend::answer(reply, backend::head(), body, ends).await;
    })
    .await;
    call(answers).await
}

#[tokio::test]
async fn backend_whose_frame_is_cut_is_trouble() {
    check_trouble(&call_answering(&[0, 0, 0, 0, 9, 1], &[("grpc-status", "0")]).await);
    check_trouble(&call_answering(&[0, 0, 0], &[("grpc-status", "0")]).await);
}

#[tokio::test]
async fn backend_whose_frame_is_compressed_unasked_is_trouble() {
    check_trouble(&call_answering(&[1, 0, 0, 0, 1, 9], &[("grpc-status", "0")]).await);
}

#[tokio::test]
async fn backend_that_answers_a_unary_call_twice_or_never_is_trouble() {
    check_trouble(&call_answering(&[0; 10], &[("grpc-status", "0")]).await);
    check_trouble(&call_answering(&[], &[("grpc-status", "0")]).await);
}

#[tokio::test]
async fn backend_whose_message_is_broken_is_trouble() {
    // Field 1 says that it has 100 bytes.
    let rig = backend::http2(|asked: Asked, reply: Answer| async move {
        backend::read_all(asked.into_body()).await;
        backend::succeed(reply, &[0, 0, 0, 0, 2, 10, 100]).await;
    })
    .await;
    let (gateway, _folder) = before(rig).await;
    let response = http1::request(gateway.address, "GET", "/v1/books", &[], b"").await;
    check_trouble(&response);
}

#[tokio::test]
async fn backend_whose_status_is_no_number_is_unknown() {
    call_answering(EMPTY_FRAME, &[("grpc-status", "fine"), ("grpc-message", "said")])
        .await
        .refusal(500, 2);
    call_answering(EMPTY_FRAME, &[("grpc-status", "77"), ("grpc-message", "said")])
        .await
        .refusal(500, 2);
}

#[tokio::test]
async fn backend_that_fails_after_a_message_fails_the_unary_call() {
    let ends = &[("grpc-status", "9"), ("grpc-message", "half%20way %C3%A9")];
    let message = call_answering(EMPTY_FRAME, ends).await.refusal(400, 9);
    assert_eq!(message, "half way é");
}

#[tokio::test]
async fn backend_that_answers_with_trailers_only_is_its_error() {
    let only = backend::http2(|_asked: Asked, mut reply: Answer| async move {
        let head = HttpResponse::builder()
            .header("content-type", "application/grpc")
            .header("grpc-status", "7")
            .header("grpc-message", "not you")
            .body(());
        reply.send_response(head.unwrap(), true).unwrap();
    })
    .await;
    assert_eq!(call(only).await.refusal(403, 7), "not you");
}

#[tokio::test]
async fn backend_that_answers_with_http_and_no_grpc_is_mapped_by_its_status() {
    for (status, code, http) in [
        (400, 13, 500),
        (401, 16, 401),
        (403, 7, 403),
        (404, 12, 501),
        (429, 14, 503),
        (502, 14, 503),
        (503, 14, 503),
        (504, 14, 503),
        (418, 2, 500),
    ] {
        // https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
        let other = backend::http2(move |_asked: Asked, mut reply: Answer| async move {
            let head = HttpResponse::builder().status(status).header("content-type", "text/html");
            let mut stream = reply.send_response(head.body(()).unwrap(), false).unwrap();
            let _ = stream.send_data(Bytes::from_static(b"<p>no</p>"), true);
        })
        .await;
        call(other).await.refusal(http, code);
    }
}

#[tokio::test]
async fn backend_that_answers_200_with_html_is_trouble() {
    let other = backend::http2(|_asked: Asked, mut reply: Answer| async move {
        let head = HttpResponse::builder().status(200).header("content-type", "text/html");
        let mut stream = reply.send_response(head.body(()).unwrap(), false).unwrap();
        let _ = stream.send_data(Bytes::from_static(b"<p>hello</p>"), true);
    })
    .await;
    check_trouble(&call(other).await);
}

#[tokio::test]
async fn backend_that_says_goaway_costs_no_later_call() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    let leaves = backend::raw(move |stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            let Ok(mut connection) = h2::server::handshake(stream).await else { return };
            // One call a connection, then it says that it goes.
            if let Some(Ok((asked, reply))) = connection.accept().await {
                connection.graceful_shutdown();
                tokio::spawn(async move {
                    backend::read_all(asked.into_body()).await;
                    backend::succeed(reply, EMPTY_FRAME).await;
                });
            }
            while let Some(Ok(_)) = connection.accept().await {}
        }
    })
    .await;
    let (gateway, _folder) = before(leaves).await;
    for _ in 0..20 {
        assert_eq!(ask(&gateway).await.status, 200);
    }
    assert!(connections.load(Ordering::SeqCst) > 1);
}

#[tokio::test]
async fn backend_that_dies_in_a_stream_ends_it_visibly() {
    let dies = backend::raw(|stream| async move {
        let Ok(mut connection) = h2::server::handshake(stream).await else { return };
        let Some(Ok((_asked, mut reply))) = connection.accept().await else { return };
        let mut stream = reply.send_response(backend::head(), false).unwrap();
        stream.send_data(Bytes::from_static(EMPTY_FRAME), false).unwrap();
        // Goes on until the message is out, then the socket is dropped.
        let writing = std::future::poll_fn(|cx| {
            let _ = connection.poll_closed(cx);
            std::task::Poll::Ready(())
        });
        writing.await;
    })
    .await;
    let (gateway, _folder) = before(dies).await;
    let headers = [("accept", "application/x-ndjson")];
    let path = "/v1/shelves/a/books:watch";
    let response = http1::request(gateway.address, "GET", path, &headers, b"").await;
    if response.status == 200 {
        let lines = response.json_lines();
        assert_eq!(lines.last().unwrap()["error"]["code"], 14, "{lines:?}");
    } else {
        response.refusal(503, 14);
    }
}
