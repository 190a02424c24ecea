//! Calls with one message each way, and how their ends are read.

use tokio::time::Instant;

use super::*;
use crate::error::{Code, Origin};

/// A backend that answers every call in the same way.
async fn fixed(
    head: Response<()>,
    body: &'static [u8],
    trailers: Option<HeaderMap>,
) -> Arc<Cluster> {
    let backend = backend(move |_, mut respond| {
        let (head, trailers) = (head.clone(), trailers.clone());
        async move {
            let alone = body.is_empty() && trailers.is_none();
            let mut stream = respond.send_response(head, alone).unwrap();
            if !alone {
                stream.send_data(body.into(), trailers.is_none()).unwrap();
            }
            if let Some(trailers) = trailers {
                stream.send_trailers(trailers).unwrap();
            }
        }
    })
    .await;
    cluster(backend.address)
}

async fn end(body: &'static [u8], trailers: &[(&'static str, &str)]) -> Error {
    let cluster = fixed(ok_head(), body, Some(headers(trailers))).await;
    failing(&cluster, unary()).await
}

#[tokio::test]
async fn unary_message_comes_back_with_metadata_and_trailers() {
    let (seen, mut calls) = mpsc::unbounded_channel();
    let backend = backend(move |request, mut respond| {
        let seen = seen.clone();
        async move {
            let (parts, body) = request.into_parts();
            seen.send((parts, read(Request::new(body)).await)).unwrap();
            let mut head = ok_head();
            head.headers_mut().insert("x-head", "h".parse().unwrap());
            head.headers_mut().insert("grpc-encoding", "identity".parse().unwrap());
            let mut stream = respond.send_response(head, false).unwrap();
            stream.send_data(frame(b"answer"), false).unwrap();
            stream.send_trailers(headers(&[("grpc-status", "0"), ("x-end", "t")])).unwrap();
        }
    })
    .await;
    let cluster = cluster(backend.address);
    let mut exchange = unary();
    exchange.metadata = headers(&[("authorization", "secret"), ("x-own", "1")]);
    exchange.deadline = Some(Instant::now() + Duration::from_secs(15));
    let journal = exchange.journal.clone().unwrap();
    let mut reply = call(&cluster, exchange).await.unwrap();
    assert_eq!(reply.metadata, headers(&[("x-head", "h")]));
    assert_eq!(reply.messages.as_one().unwrap(), "answer");
    assert_eq!(reply.messages.take_trailers(), headers(&[("x-end", "t")]));

    let (parts, body) = calls.recv().await.unwrap();
    assert_eq!(body, frame(b"ask"));
    assert_eq!(parts.method, "POST");
    assert_eq!(parts.uri.path(), "/bookshelf.v1.Bookshelf/GetBook");
    assert_eq!(parts.uri.authority().unwrap().as_str(), backend.address.to_string());
    let timeout = parts.headers.get("grpc-timeout").unwrap().to_str().unwrap();
    let micros: u64 = timeout.strip_suffix('u').unwrap().parse().unwrap();
    assert!((10_000_000..15_000_000).contains(&micros), "{timeout}");
    for (name, value) in [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", concat!("transom/", env!("CARGO_PKG_VERSION"))),
        ("authorization", "secret"),
        ("x-own", "1"),
    ] {
        assert_eq!(parts.headers.get(name).unwrap(), value, "{name}");
    }
    assert_eq!(*journal.endpoint.get().unwrap(), *backend.address.to_string());
    assert_eq!(journal.upstream_status.get(), Some(Code::Ok));
    assert!(journal.upstream_latency.get().is_some());
}

#[tokio::test]
async fn calls_share_one_connection() {
    let backend = backend(echo).await;
    let cluster = cluster(backend.address);
    for _ in 0..100 {
        assert_eq!(message(call(&cluster, unary()).await).await, "ask");
    }
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn large_messages_pass_both_ways() {
    let backend = backend(echo).await;
    let cluster = cluster(backend.address);
    let large = Bytes::from(vec![7; 9 << 20]);
    let exchange = exchange("GetBook", Messages::one(large.clone()));
    assert!(message(call(&cluster, exchange).await).await == large);
}

#[tokio::test]
async fn error_in_trailers_carries_message_details_and_metadata() {
    let trailers = [
        ("grpc-status", "5"),
        ("grpc-message", "no%20such%20book"),
        ("grpc-status-details-bin", "CAUSBGdvbmUaCgoDdC9hEgMKAXg"),
        ("x-end", "t"),
    ];
    let mut head = ok_head();
    head.headers_mut().insert("x-head", "h".parse().unwrap());
    let cluster = fixed(head, b"", Some(headers(&trailers))).await;
    let mut exchange = unary();
    let journal = exchange.journal.get_or_insert_default().clone();
    let error = failing(&cluster, exchange).await;
    assert_eq!((error.code(), error.message()), (Code::NotFound, "no such book"));
    assert_eq!(error.origin(), Origin::Upstream);
    assert_eq!(error.details()[0].type_url, "t/a");
    assert!(error.raw_details().is_some());
    assert_eq!(error.all_metadata(), headers(&[("x-head", "h"), ("x-end", "t")]));
    assert_eq!(journal.upstream_status.get(), Some(Code::NotFound));
}

#[tokio::test]
async fn error_in_the_head_alone_is_the_status() {
    let head = Response::builder()
        .header("content-type", "application/grpc")
        .header("grpc-status", "7")
        .header("grpc-message", "not yours")
        .body(())
        .unwrap();
    let cluster = fixed(head, b"", None).await;
    for exchange in [unary(), watch()] {
        let error = failing(&cluster, exchange).await;
        assert_eq!((error.code(), error.message()), (Code::PermissionDenied, "not yours"));
    }
}

#[tokio::test]
async fn unary_reply_has_exactly_one_message() {
    let none = end(b"", &[("grpc-status", "0")]).await;
    assert_eq!((none.code(), none.reason()), (Code::Internal, "upstream_no_message"));
    let two = end(b"\0\0\0\0\x01a\0\0\0\0\x01b", &[("grpc-status", "0")]).await;
    assert_eq!((two.code(), two.reason()), (Code::Internal, "upstream_many_messages"));
    let late = end(b"\0\0\0\0\x01a", &[("grpc-status", "8")]).await;
    assert_eq!(late.code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn reply_without_a_status_is_internal() {
    let absent = end(b"\0\0\0\0\x01a", &[("x-own", "1")]).await;
    assert_eq!((absent.code(), absent.reason()), (Code::Internal, "upstream_no_status"));
    let cluster = fixed(ok_head(), b"\0\0\0\0\x01a", None).await;
    assert_eq!(failing(&cluster, unary()).await.reason(), "upstream_no_status");
    let cluster = fixed(ok_head(), b"", None).await;
    assert_eq!(failing(&cluster, unary()).await.reason(), "upstream_no_status");
}

#[tokio::test]
async fn broken_frames_are_internal() {
    for body in
        [b"\0\0\0\0\x05abc".as_slice(), b"\0\0\0", b"\x01\0\0\0\x01a", b"<html>", b"\0\0\0\0\x01ab"]
    {
        let error = end(body, &[("grpc-status", "0")]).await;
        assert_eq!(error.code(), Code::Internal, "{body:?}");
        assert!(error.message().contains("backend"), "{error}");
    }
}

#[tokio::test]
async fn status_beats_the_frame_that_it_cut_off() {
    let error = end(b"\0\0\0\0\x05abc", &[("grpc-status", "15")]).await;
    assert_eq!(error.code(), Code::DataLoss);
}

#[tokio::test]
async fn reply_that_is_no_grpc_is_told_as_such() {
    let head = Response::builder().status(502).header("content-type", "text/html").body(());
    let cluster = fixed(head.unwrap(), b"<html>", None).await;
    let error = failing(&cluster, unary()).await;
    assert_eq!((error.code(), error.reason()), (Code::Unavailable, "upstream_http_status"));
    let head = Response::builder().header("content-type", "text/html").body(());
    let cluster = fixed(head.unwrap(), b"<html>", None).await;
    let error = failing(&cluster, unary()).await;
    assert_eq!((error.code(), error.reason()), (Code::Unknown, "upstream_not_grpc"));
}

#[tokio::test]
async fn message_above_the_limit_is_refused_unread() {
    let cluster = fixed(ok_head(), b"\0\x7f\xff\xff\xffabc", Some(ok_trailers())).await;
    let mut exchange = unary();
    exchange.limits.response_message = 1000;
    let error = failing(&cluster, exchange).await;
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert_eq!(error.origin(), Origin::Upstream);
    assert!(error.message().contains("1000 bytes"), "{error}");
}

#[tokio::test]
async fn request_that_fails_makes_no_call() {
    let backend = backend(echo).await;
    let cluster = cluster(backend.address);
    let (feed, messages, _) = fed();
    feed.send(Err(Error::invalid("bad_json", "line 1"))).unwrap();
    let error = failing(&cluster, exchange("GetBook", messages)).await;
    assert_eq!(error.reason(), "bad_json");
    let error = failing(&cluster, exchange("GetBook", Messages::none())).await;
    assert_eq!(error.code(), Code::InvalidArgument);
    let (feed, messages, _) = fed();
    feed.send(Ok(Bytes::new())).unwrap();
    feed.send(Ok(Bytes::new())).unwrap();
    let error = failing(&cluster, exchange("GetBook", messages)).await;
    assert_eq!(error.reason(), "request_message_twice");
    assert_eq!(backend.connections(), 0);
}

#[tokio::test]
async fn lazy_request_of_one_message_is_sent_whole() {
    let backend = backend(echo).await;
    let cluster = cluster(backend.address);
    let (feed, messages, _) = fed();
    feed.send(Ok(Bytes::from_static(b"lazy"))).unwrap();
    // The stream stays open: nobody waits for its end.
    assert_eq!(message(call(&cluster, exchange("GetBook", messages)).await).await, "lazy");
    drop(feed);
}

#[tokio::test]
async fn call_whose_time_is_up_is_not_made() {
    let backend = backend(echo).await;
    let cluster = cluster(backend.address);
    let mut exchange = unary();
    exchange.deadline = Some(Instant::now() - Duration::from_secs(1));
    assert_eq!(failing(&cluster, exchange).await.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn caller_that_leaves_cancels_the_call() {
    let (seen, mut resets) = mpsc::unbounded_channel();
    let backend = backend(move |_, mut respond| {
        let seen = seen.clone();
        async move {
            seen.send(None).unwrap();
            let mut stream = respond.send_response(ok_head(), false).unwrap();
            seen.send(Some(reset_of(&mut stream).await)).unwrap();
        }
    })
    .await;
    let cluster = cluster(backend.address);
    {
        let call = cluster.call(unary());
        tokio::pin!(call);
        tokio::select! {
            _ = &mut call => panic!("nobody answers"),
            _ = resets.recv() => {}
        }
    }
    assert_eq!(soon(resets.recv()).await, Some(Some(h2::Reason::CANCEL)));
}

#[tokio::test]
async fn metadata_that_http2_forbids_is_an_error_of_the_call_alone() {
    let backend = backend(echo).await;
    let cluster = cluster(backend.address);
    let mut exchange = unary();
    exchange.metadata = headers(&[("connection", "close")]);
    assert_eq!(failing(&cluster, exchange).await.reason(), "upstream_request");
    assert_eq!(message(call(&cluster, unary()).await).await, "ask");
    assert_eq!(backend.connections(), 1);
}
