//! Streamed answers: packed, and still there as soon as they are said.

use transom::coding::Coding;

use super::{rig, unpacked, unpacker};
use crate::support::{Rig, http2};

const WATCH: &str = "/v1/shelves/science/books:watch";

#[tokio::test]
async fn stream_is_packed_in_each_coding_and_form_and_means_the_same() {
    let rig = rig().await;
    for path in [&format!("{WATCH}?repeat=300"), "/v1/shelves/science/books/tides/text?repeat=20"] {
        for form in ["application/json", "application/x-ndjson", "text/event-stream"] {
            let plain = rig.request("GET", path, &[("accept", form)], b"").await;
            for coding in Coding::ALL {
                let headers = [("accept", form), ("accept-encoding", coding.name())];
                let response = rig.request("GET", path, &headers, b"").await;
                assert!(response.body.len() < plain.body.len() / 2, "{coding:?} {form}");
                assert_eq!(unpacked(&response, coding), plain.text(), "{coding:?} {form}");
            }
        }
    }
}

#[tokio::test]
async fn message_is_seen_before_the_next_one_is_said() {
    let rig = rig().await;
    for form in ["application/x-ndjson", "text/event-stream", "application/json"] {
        for coding in Coding::ALL {
            let mut connection = rig.http2().await;
            let headers = [
                ("content-type", "application/x-ndjson"),
                ("accept", form),
                ("accept-encoding", coding.name()),
            ];
            let path = "/v1/shelves/science/books/tides:chat";
            let mut stream = connection.open_stream("POST", path, &headers, false).await;
            stream.send("{\"text\":\"one\"}\n", false);
            let (head, mut sending, mut body) = stream.head().await.unwrap();
            assert_eq!(head.header("content-encoding"), coding.name());
            let mut unpack = unpacker(coding);
            // The backend says a word when it is told one, and not before.
            for (word, next) in [("one", "two"), ("two", "three"), ("three", "four")] {
                let mut text = String::new();
                while !text.contains(word) {
                    text += &unpack(&http2::data(&mut body).await.unwrap().unwrap());
                }
                assert!(!text.contains(next), "{text}");
                sending.send_data(format!("{{\"text\":\"{next}\"}}\n").into(), false).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn late_error_is_told_or_breaks_off_as_without_packing() {
    let rig = rig().await;
    let path = &format!("{WATCH}?fail_after=2");
    let lines = [("accept", "application/x-ndjson"), ("accept-encoding", "gzip")];
    let response = rig.request("GET", path, &lines, b"").await;
    let text = unpacked(&response, Coding::Gzip);
    assert!(text.lines().last().unwrap().starts_with(r#"{"error":{"code":14"#), "{text}");
    let array = [("accept", "application/json"), ("accept-encoding", "gzip")];
    let response = rig.request("GET", path, &array, b"").await;
    assert!(!response.complete);
    assert!(unpacker(Coding::Gzip)(&response.body).starts_with("[{"));
    let mut connection = rig.http2().await;
    assert!(!connection.request("GET", path, &array, b"").await.complete);
}

#[tokio::test]
async fn streams_that_stay_open_cost_little_memory_each() {
    let rig = rig().await;
    let path = &format!("{WATCH}?follow=true");
    for coding in Coding::ALL {
        let before = rig.gateway.memory();
        let mut open = Vec::new();
        for _ in 0..40 {
            let headers = [("accept", "text/event-stream"), ("accept-encoding", coding.name())];
            let mut connection = rig.http1().await;
            connection.send_request("GET", path, &headers, b"").await;
            connection.response_head().await;
            assert!(!connection.chunk().await.unwrap().is_empty());
            open.push(connection);
        }
        let each = rig.gateway.memory().saturating_sub(before) / open.len();
        assert!(each < 1536 << 10, "{coding:?}: {each} bytes a stream");
    }
}

#[tokio::test]
async fn packed_stream_of_a_caller_that_does_not_read_costs_no_memory() {
    let rig = Rig::with_policy("compression: { codings: [gzip] }").await;
    let mut connection = rig.http1().await;
    let path = &format!("{WATCH}?repeat=2000000");
    let headers = [("accept", "application/x-ndjson"), ("accept-encoding", "gzip")];
    connection.send_request("GET", path, &headers, b"").await;
    connection.response_head().await;
    let before = rig.gateway.memory();
    for _ in 0..200 {
        rig.get("/v1/books").await.ok();
    }
    let grown = rig.gateway.memory().saturating_sub(before);
    assert!(grown < 32 << 20, "grew by {grown} bytes");
    assert!(!connection.chunk().await.unwrap().is_empty());
}
