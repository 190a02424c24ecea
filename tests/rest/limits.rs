//! What is too large, too many or too slow.

use crate::support::{Gateway, Rig, backend, http1, rig};

const CREATE: &str = "/v1/shelves/fiction/books";

/// A book whose JSON has this many bytes.
fn book(size: usize) -> String {
    let rest = r#"{"title":"T","author":""}"#.len();
    format!(r#"{{"title":"T","author":"{}"}}"#, "a".repeat(size - rest))
}

#[tokio::test]
async fn message_up_to_the_limit_is_taken() {
    let rig = Rig::start().await;
    let response = rig.send("POST", CREATE, &book(4 << 20)).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.json()["author"].as_str().unwrap().len(), (4 << 20) - 25);
}

#[tokio::test]
async fn message_past_the_limit_is_413_however_it_comes() {
    let rig = Rig::start().await;
    let large = book((4 << 20) + 1);
    rig.send("POST", CREATE, &large).await.refusal(413, 8);
    let mut connection = rig.http1().await;
    connection.send_chunked_head("POST", CREATE, &[("content-type", "application/json")]).await;
    for piece in large.as_bytes().chunks(64 << 10) {
        // The refusal may come before all of it has been sent.
        let size = format!("{:x}\r\n", piece.len());
        if !connection.try_send([size.as_bytes(), piece, b"\r\n"].concat()).await {
            break;
        }
    }
    connection.try_send("0\r\n\r\n").await;
    connection.response().await.refusal(413, 8);
    let mut connection = rig.http2().await;
    connection.request("POST", CREATE, &[], large.as_bytes()).await.refusal(413, 8);
    assert_eq!(rig.bookshelf.begun(), 0);
}

#[tokio::test]
async fn message_that_says_it_is_past_the_limit_is_413_before_it_comes() {
    let rig = Rig::start().await;
    let mut connection = rig.http1().await;
    let head = format!("POST {CREATE} HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999\r\n\r\n");
    connection.send(head).await;
    connection.response().await.refusal(413, 8);
}

#[tokio::test]
async fn message_limit_is_set_by_policy() {
    let rig = Rig::with_policy("max_request_message: 1000").await;
    assert_eq!(rig.send("POST", CREATE, &book(1000)).await.status, 200);
    rig.send("POST", CREATE, &book(1001)).await.refusal(413, 8);
    let rig = Rig::with_policy("max_response_message: 100").await;
    let response = rig.get("/v1/books").await;
    assert_ne!(response.status, 200);
    assert_eq!(response.json()["code"], 8, "an error, never a truncation: {}", response.text());
    assert!(rig.get("/v1/wait/0s").await.status == 200);
}

#[tokio::test]
async fn element_of_a_stream_past_the_limit_is_413() {
    let rig = Rig::with_policy("max_request_message: 1000").await;
    let path = "/v1/shelves/imported/books:import";
    let fits = format!(r#"{{"book":{}}}"#, book(900));
    let many = format!("[{}]", [fits.as_str(); 1].join(","));
    assert_eq!(rig.send("POST", path, &many).await.status, 200);
    let large = format!(r#"[{{"book":{}}}]"#, book(1200));
    rig.send("POST", path, &large).await.refusal(413, 8);
    let lines = format!("{{\"book\":{}}}\n", book(1200));
    let headers = [("content-type", "application/x-ndjson")];
    rig.request("POST", path, &headers, lines.as_bytes()).await.refusal(413, 8);
}

#[tokio::test]
async fn stream_of_any_length_is_taken_if_its_elements_fit() {
    let rig = Rig::with_policy("max_request_message: 1000").await;
    let path = "/v1/shelves/science/books/tides:chat";
    let line = "{\"text\":\"said\"}\n";
    let headers = [("content-type", "application/x-ndjson"), ("accept", "application/x-ndjson")];
    let response = rig.request("POST", path, &headers, line.repeat(1000).as_bytes()).await;
    assert_eq!(response.json_lines().len(), 1000);
}

#[tokio::test]
async fn head_past_the_limit_is_431() {
    let rig = Rig::start().await;
    let fits = "a".repeat(60 << 10);
    // A header that is not passed on: the backend has a limit of its own, and a lower one.
    rig.request("GET", "/v1/books", &[("accept-encoding", &fits)], b"").await.ok();
    let long = "a".repeat(70 << 10);
    let mut connection = rig.http1().await;
    connection.send(format!("GET /v1/books HTTP/1.1\r\nhost: a\r\nx-long: {long}\r\n\r\n")).await;
    assert_eq!(connection.response().await.status, 431);
    assert_eq!(rig.bookshelf.begun(), 1);
}

#[tokio::test]
async fn head_past_the_limit_over_http2_costs_its_stream_alone() {
    let rig = Rig::start().await;
    let long = "a".repeat(70 << 10);
    let mut connection = rig.http2().await;
    let stream = connection.open_stream("GET", "/v1/books", &[("x-long", &long)], true).await;
    if let Ok((head, ..)) = stream.head().await {
        assert_eq!(head.status, 431);
    }
    connection.request("GET", "/v1/books", &[], b"").await.ok();
}

#[tokio::test]
async fn head_that_never_ends_is_given_up_after_ten_seconds() {
    let rig = Rig::start().await;
    let mut connection = rig.http1().await;
    connection.send("GET /v1/books HTTP/1.1\r\nhost: a\r\nx-slow: ").await;
    let start = std::time::Instant::now();
    // A 408 may come before the end.
    while !connection.is_closed().await {
        assert_eq!(connection.response().await.status, 408);
    }
    assert!((9..25).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[tokio::test]
async fn connection_of_http2_may_have_100_streams() {
    let rig = Rig::start().await;
    let mut connection = rig.http2().await;
    connection.request("GET", "/v1/books", &[], b"").await.ok();
    assert_eq!(connection.max_streams(), 100);
}

#[tokio::test]
async fn answer_past_the_limit_is_an_error() {
    let large = backend::http2(|asked: backend::Asked, reply| async move {
        backend::read_all(asked.into_body()).await;
        // The frame says 65 MiB; no more than a piece of it ever comes.
        backend::succeed(reply, &[0, 4, 16, 0, 0, 1, 2, 3]).await;
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let set = rig::write_descriptor_set(&folder);
    let gateway =
        Gateway::serve(&["--upstream", &large.to_string(), "--descriptor-set", &set]).await;
    let response = http1::request(gateway.address, "GET", "/v1/books", &[], b"").await;
    assert_eq!(response.json()["code"], 8, "{}", response.text());
    assert!(response.status.is_server_error() || response.status == 429, "{}", response.status);
}
