//! HTTP/1.1 to the letter: what comes in pieces, in a row, half, or broken.

use crate::support::{Rig, within};

const BOOK: &str = "/v1/shelves/science/books/tides";

#[tokio::test]
async fn connection_is_kept_for_the_next_request() {
    let rig = Rig::start().await;
    let mut connection = rig.http1().await;
    for _ in 0..3 {
        connection.send_request("GET", BOOK, &[], b"").await;
        connection.response().await.ok();
        connection.send_request("GET", "/nowhere", &[], b"").await;
        connection.response().await.refusal(404, 5);
        connection.send_request("POST", "/v1/fail", &[], b"{").await;
        connection.response().await.refusal(400, 3);
    }
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_order() {
    let rig = Rig::start().await;
    let mut connection = rig.http1().await;
    let requests: String = ["/v1/fail/5?message=1", BOOK, "/v1/fail/6?message=3", "/v1/books"]
        .map(|path| format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"))
        .concat();
    connection.send(requests).await;
    assert_eq!(connection.response().await.refusal(404, 5), "1");
    assert_eq!(connection.response().await.ok()["name"], "shelves/science/books/tides");
    assert_eq!(connection.response().await.refusal(409, 6), "3");
    connection.response().await.ok();
}

#[tokio::test]
async fn request_that_comes_byte_by_byte_is_answered() {
    let rig = Rig::start().await;
    let mut connection = rig.http1().await;
    let body = r#"{"code":5,"message":"slowly"}"#;
    let request = format!(
        "POST /v1/fail HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    for byte in request.bytes() {
        connection.send([byte]).await;
    }
    assert_eq!(connection.response().await.refusal(404, 5), "slowly");
}

#[tokio::test]
async fn body_in_chunks_is_one_body() {
    let rig = Rig::start().await;
    let mut connection = rig.http1().await;
    for _ in 0..2 {
        let headers = [("content-type", "application/json")];
        connection.send_chunked_head("POST", "/v1/fail", &headers).await;
        for piece in ["{\"co", "de\":", "5}"] {
            connection.send_chunk(piece).await;
        }
        connection.send_chunk("").await;
        connection.response().await.refusal(404, 5);
    }
}

#[tokio::test]
async fn caller_that_half_closes_counts_as_gone() {
    // Nothing tells a half-close from a close, and a caller that left must not keep a backend busy.
    let rig = Rig::start().await;
    let mut connection = rig.http1().await;
    connection.send_request("GET", "/v1/wait/3600s", &[], b"").await;
    within("the call", rig.bookshelf.wait_for_begun(1)).await;
    connection.half_close().await;
    within("the call's end", rig.bookshelf.wait_for_cancelled(1)).await;
    assert!(connection.is_closed().await);
}

#[tokio::test]
async fn connection_is_closed_when_asked_to() {
    let rig = Rig::start().await;
    let mut connection = rig.http1().await;
    connection.send_request("GET", BOOK, &[("connection", "close")], b"").await;
    let response = connection.response().await;
    response.ok();
    assert_eq!(response.header("connection"), "close");
    assert!(connection.is_closed().await);
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed() {
    let rig = Rig::start().await;
    let mut connection = rig.http1().await;
    connection.send(format!("GET {BOOK} HTTP/1.0\r\n\r\n")).await;
    connection.response().await.ok();
    assert!(connection.is_closed().await);
    // It knows no chunks, so a stream ends with the connection.
    let mut connection = rig.http1().await;
    connection.send("GET /v1/shelves/fiction/books:watch HTTP/1.0\r\n\r\n").await;
    let response = connection.response().await;
    assert_eq!(response.header("transfer-encoding"), "");
    assert_eq!(response.ok().as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn caller_that_expects_100_is_told_to_go_on() {
    let rig = Rig::start().await;
    let mut connection = rig.http1().await;
    let head =
        "POST /v1/fail HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 10\r\n\r\n";
    connection.send(head).await;
    assert_eq!(connection.response_head().await.status, 100);
    connection.send("{\"code\":5}").await;
    connection.response().await.refusal(404, 5);
}

#[tokio::test]
async fn request_in_absolute_form_is_routed_by_its_path() {
    let rig = Rig::start().await;
    let mut connection = rig.http1().await;
    connection.send(format!("GET http://else.example{BOOK} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
    connection.response().await.ok();
}

#[tokio::test]
async fn request_that_is_broken_is_400_and_closed() {
    let rig = Rig::start().await;
    for broken in [
        "GET\r\n\r\n",
        "GET /v1/books HTTP/9.9\r\nhost: a\r\n\r\n",
        "GET /v1/books HTTP/1.1\r\nhost: a\r\nno colon\r\n\r\n",
        "GET /v1/books HTTP/1.1\r\nhost: a\r\nbad name: b\r\n\r\n",
        "POST /v1/fail HTTP/1.1\r\nhost: a\r\ncontent-length: ten\r\n\r\n",
        "POST /v1/fail HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
    ] {
        let mut connection = rig.http1().await;
        connection.send(broken).await;
        assert_eq!(connection.response().await.status, 400, "{broken}");
        assert!(connection.is_closed().await, "{broken}");
    }
    assert_eq!(rig.bookshelf.begun(), 0);
}

#[tokio::test]
async fn chunks_that_are_broken_never_reach_the_backend_as_a_whole() {
    let rig = Rig::start().await;
    let mut connection = rig.http1().await;
    connection.send_chunked_head("POST", "/v1/fail", &[]).await;
    connection.send("zz\r\n{}\r\n0\r\n\r\n").await;
    assert_eq!(connection.response().await.status, 400);
    assert_eq!(rig.bookshelf.begun(), 0);
}

#[tokio::test]
async fn length_and_chunks_together_are_not_two_requests() {
    let rig = Rig::start().await;
    let mut connection = rig.http1().await;
    connection
        .send(
            "POST /v1/fail HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\
             \r\n0\r\n\r\nGET /v1/books HTTP/1.1\r\nhost: a\r\n\r\n",
        )
        .await;
    // RFC 9112 §6.3: refused, or taken as chunks with the connection closed after it.
    let response = connection.response().await;
    assert_eq!(response.status, 400, "{}", response.text());
}

#[tokio::test]
async fn caller_that_leaves_in_the_middle_of_a_body_calls_nobody() {
    let rig = Rig::start().await;
    let mut connection = rig.http1().await;
    connection.send("POST /v1/fail HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{").await;
    drop(connection);
    rig.get(BOOK).await.ok();
    assert_eq!(rig.bookshelf.begun(), 1, "only the second call reached the backend");
}

#[tokio::test]
async fn caller_that_reads_slowly_gets_everything() {
    let rig = Rig::start().await;
    let mut connection = rig.http1().await;
    let path = "/v1/shelves/fiction/books:watch?repeat=20000";
    connection.send_request("GET", path, &[], b"").await;
    assert_eq!(connection.response_head().await.status, 200);
    let mut body = Vec::new();
    loop {
        let chunk = connection.chunk().await.unwrap();
        if chunk.is_empty() {
            break;
        }
        body.extend(chunk);
        // Others are served in between, which gives the stream time to run full.
        if body.len() % 7 == 0 {
            rig.get(BOOK).await.ok();
        }
    }
    let books: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(books.as_array().unwrap().len(), 40_000);
}

#[tokio::test]
async fn method_that_nobody_knows_is_405() {
    let rig = Rig::start().await;
    rig.request("BREW", "/v1/books", &[], b"").await.refusal(405, 12);
}
