//! HTTP/2 with prior knowledge, on the same port.

use bytes::Bytes;
use futures_util::future::join_all;

use crate::support::{Rig, http2, within};

const BOOK: &str = "/v1/shelves/science/books/tides";

#[tokio::test]
async fn request_over_http2_is_answered_like_one_over_http1() {
    let rig = Rig::start().await;
    let mut connection = rig.http2().await;
    let over_2 = connection.request("GET", BOOK, &[], b"").await;
    let over_1 = rig.get(BOOK).await;
    assert_eq!(over_2.ok(), over_1.ok());
    assert_eq!(over_2.header("content-type"), over_1.header("content-type"));
    let response = connection.request("HEAD", BOOK, &[], b"").await;
    assert_eq!((response.status.as_u16(), response.body.len()), (200, 0));
    let json = br#"{"code":5,"message":"no"}"#;
    assert_eq!(connection.request("POST", "/v1/fail", &[], json).await.refusal(404, 5), "no");
}

#[tokio::test]
async fn streams_are_answered_as_they_are_ready() {
    let rig = Rig::start().await;
    let mut connection = rig.http2().await;
    let slow = connection.open_stream("GET", "/v1/wait/3600s", &[], true).await;
    let mut streams = Vec::new();
    for number in 0..50 {
        let path = format!("/v1/fail/9?message={number}");
        streams.push(connection.open_stream("GET", &path, &[], true).await);
    }
    let responses = join_all(streams.into_iter().map(|stream| stream.response())).await;
    for (number, response) in responses.iter().enumerate() {
        assert_eq!(response.refusal(400, 9), number.to_string());
    }
    drop(slow);
    within("the slow call's end", rig.bookshelf.wait_for_cancelled(1)).await;
}

#[tokio::test]
async fn body_cut_at_each_byte_is_the_same_body() {
    let rig = Rig::start().await;
    let mut connection = rig.http2().await;
    let body = r#"{"code":9,"message":"é\"}"}"#.as_bytes();
    for cut in 1..body.len() {
        let mut stream = connection.open_stream("POST", "/v1/fail", &[], false).await;
        stream.send(Bytes::copy_from_slice(&body[..cut]), false);
        stream.send(Bytes::copy_from_slice(&body[cut..]), true);
        assert_eq!(stream.response().await.refusal(400, 9), "é\"}", "cut at {cut}");
    }
}

#[tokio::test]
async fn stream_that_the_caller_resets_in_its_body_calls_nobody() {
    let rig = Rig::start().await;
    let mut connection = rig.http2().await;
    let mut stream = connection.open_stream("POST", "/v1/fail", &[], false).await;
    stream.send("{\"code\":", false);
    stream.body.send_reset(h2::Reason::CANCEL);
    connection.request("GET", BOOK, &[], b"").await.ok();
    assert_eq!(rig.bookshelf.begun(), 1, "only the second call reached the backend");
}

#[tokio::test]
async fn answer_larger_than_the_window_comes_as_it_is_read() {
    let rig = Rig::start().await;
    let mut connection = rig.http2().await;
    let path = "/v1/shelves/fiction/books:watch?repeat=2000";
    let response = connection.request("GET", path, &[], b"").await;
    assert_eq!(response.ok().as_array().unwrap().len(), 4000);
}

#[tokio::test]
async fn stream_that_is_not_read_holds_up_no_other() {
    let rig = Rig::start().await;
    let mut connection = rig.http2().await;
    let path = "/v1/shelves/fiction/books:watch?repeat=1000000";
    let stuck = connection.open_stream("GET", path, &[], true).await;
    let (_, sending, mut body) = stuck.head().await.unwrap();
    let first = within("data", body.data()).await.unwrap().unwrap();
    // The connection's own window is shared, so what came is given back; the stream's is not.
    body.flow_control().release_capacity(first.len()).unwrap();
    let mut other = rig.http2().await;
    for _ in 0..20 {
        other.request("GET", BOOK, &[], b"").await.ok();
    }
    drop((body, sending));
    within("the stream's end", rig.bookshelf.wait_for_cancelled(1)).await;
    connection.request("GET", BOOK, &[], b"").await.ok();
}

#[tokio::test]
async fn many_streams_that_are_reset_leave_the_gateway_serving() {
    let rig = Rig::start().await;
    let mut connection = rig.http2().await;
    for _ in 0..50 {
        let mut stream = connection.open_stream("GET", "/v1/wait/3600s", &[], true).await;
        stream.body.send_reset(h2::Reason::CANCEL);
    }
    rig.get(BOOK).await.ok();
    within("every call's end", async {
        rig.bookshelf.wait_for_cancelled(rig.bookshelf.begun().saturating_sub(1)).await;
    })
    .await;
}

#[tokio::test]
async fn upload_is_taken_no_faster_than_the_backend_reads() {
    let rig = Rig::start().await;
    let mut connection = rig.http2().await;
    // The first message names no book, so the backend refuses without reading on.
    let path = "/v1/shelves/none/books/none/text";
    let headers = [("content-type", "text/plain")];
    let mut stream = connection.open_stream("PUT", path, &headers, false).await;
    stream.send(vec![b'x'; 16 << 10], false);
    let (head, _sending, mut body) = stream.head().await.unwrap();
    assert_eq!(head.status, 404);
    http2::text_until(&mut body, "}").await;
}
