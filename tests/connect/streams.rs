//! Streams of every kind, their ends, and callers that leave in the middle.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{JSON_STREAM, PROTO_STREAM, frame, frames, path, stream, stream_refusal};
use crate::support::{
    Rig,
    http2::{self, Stream},
    within,
};

/// Reads until a frame is whole.
async fn next_frame(body: &mut h2::RecvStream) -> (u8, Value) {
    let mut bytes = Vec::new();
    loop {
        if let Some((prefix, payload)) = bytes.split_first_chunk::<5>()
            && payload.len() == usize::from(u16::from_be_bytes([prefix[3], prefix[4]]))
        {
            return (prefix[0], serde_json::from_slice(payload).unwrap());
        }
        let data = http2::data(body).await.expect("more of the body").unwrap();
        bytes.extend_from_slice(&data);
    }
}

#[tokio::test]
async fn server_stream_ends_with_its_trailers() {
    let rig = Rig::start().await;
    let ask = frame(0, br#"{"parent":"shelves/fiction"}"#);
    let mut http2 = rig.http2().await;
    let over_1 = rig.request("POST", &path("WatchBooks"), &[JSON_STREAM], &ask).await;
    let over_2 = http2.request("POST", &path("WatchBooks"), &[JSON_STREAM], &ask).await;
    for response in [over_1, over_2] {
        let (books, end) = stream(&response);
        assert_eq!(books.len(), 2);
        assert_eq!(books[0]["name"], "shelves/fiction/books/letters");
        assert_eq!(end, json!({"metadata": {"x-bookshelf-sent": ["2"]}}));
        assert!(response.headers.contains_key("x-bookshelf-version"));
    }
}

#[tokio::test]
async fn protobuf_goes_through_as_it_is() {
    let rig = Rig::start().await;
    // ChatMessage { text: "hi", 100: 1 }: a field that nobody knows is not lost on the way in.
    let ask = [frame(0, b"\x12\x02hi\xa0\x06\x01"), frame(0, b"")].concat();
    let response = rig.request("POST", &path("Chat"), &[PROTO_STREAM], &ask).await;
    assert_eq!(response.header("content-type"), "application/connect+proto");
    let frames = frames(&response.body);
    let flags: Vec<_> = frames.iter().map(|(flag, _)| *flag).collect();
    assert_eq!(flags, [0, 0, 2]);
    assert!(frames[0].1.windows(2).any(|pair| pair == b"hi"), "{frames:?}");
    assert_eq!(frames[2].1, b"{}");
}

#[tokio::test]
async fn client_stream_is_the_same_wherever_it_is_cut() {
    let rig = Rig::start().await;
    let book = |title: &str| {
        frame(0, json!({"parent": "shelves/new", "book": {"title": title}}).to_string())
    };
    let body = [book("A"), book("B"), frame(0, b"")].concat();
    let mut connection = rig.http2().await;
    let path = path("ImportBooks");
    for cut in 0..body.len() {
        let mut stream = connection.open_stream("POST", &path, &[JSON_STREAM], false).await;
        stream.send(Bytes::copy_from_slice(&body[..cut]), false);
        stream.send(Bytes::copy_from_slice(&body[cut..]), true);
        let response = stream.response().await;
        let (messages, end) = super::stream(&response);
        // The same books again are refused, which is an answer as well.
        match cut {
            0 => assert_eq!(messages[0]["imported"], 3, "{end}"),
            _ => assert!(messages.len() == 1 || end["error"].is_object(), "cut at {cut}: {end}"),
        }
    }
    assert_eq!(rig.bookshelf.begun(), body.len() as u64);
    let none = rig.request("POST", &path, &[JSON_STREAM], b"").await;
    assert_eq!(stream(&none).0, [json!({})], "no message is a stream as well");
}

#[tokio::test]
async fn bidirectional_stream_is_live_over_http2() {
    let rig = Rig::start().await;
    let mut connection = rig.http2().await;
    let mut stream = connection.open_stream("POST", &path("Chat"), &[JSON_STREAM], false).await;
    stream.send(frame(0, br#"{"text":"one"}"#), false);
    let (head, mut sending, mut body) = stream.head().await.unwrap();
    assert_eq!(head.status, 200);
    for text in ["one", "two", "three"] {
        let (flag, message) = next_frame(&mut body).await;
        assert_eq!((flag, &message["text"]), (0, &json!(text)));
        let next = if text == "one" { "two" } else { "three" };
        if text != "three" {
            let next = frame(0, json!({"text": next}).to_string());
            sending.send_data(next.into(), false).unwrap();
        }
    }
    sending.send_data(Bytes::new(), true).unwrap();
    assert_eq!(next_frame(&mut body).await, (2, json!({})));
}

#[tokio::test]
async fn bidirectional_stream_over_http1_is_answered() {
    let rig = Rig::start().await;
    let body = [frame(0, br#"{"text":"a"}"#), frame(0, br#"{"text":"b"}"#)].concat();
    let response = rig.request("POST", &path("Chat"), &[JSON_STREAM], &body).await;
    let (messages, end) = stream(&response);
    let texts: Vec<_> = messages.iter().map(|message| message["text"].as_str().unwrap()).collect();
    assert_eq!((texts, end), (vec!["a", "b"], json!({})));
}

#[tokio::test]
async fn error_of_a_stream_stands_in_its_last_frame() {
    let rig = Rig::start().await;
    let ask = frame(0, br#"{"parent":"shelves/fiction","failAfter":1}"#);
    let response = rig.request("POST", &path("WatchBooks"), &[JSON_STREAM], &ask).await;
    let (books, end) = stream(&response);
    assert_eq!(books.len(), 1);
    super::message(&end["error"], "unavailable");
    let ask = frame(0, br#"{"parent":"shelves/none"}"#);
    let response = rig.request("POST", &path("WatchBooks"), &[JSON_STREAM], &ask).await;
    stream_refusal(&response, "not_found");
    let headers = [JSON_STREAM, ("connect-timeout-ms", "0")];
    let response = rig.request("POST", &path("WatchBooks"), &headers, &ask).await;
    stream_refusal(&response, "deadline_exceeded");
}

#[tokio::test]
async fn deadline_ends_a_stream_that_waits() {
    let rig = Rig::start().await;
    let headers = [JSON_STREAM, ("connect-timeout-ms", "300")];
    let ask = frame(0, br#"{"parent":"shelves/fiction","follow":true}"#);
    let response = rig.request("POST", &path("WatchBooks"), &headers, &ask).await;
    let (books, end) = stream(&response);
    assert_eq!(books.len(), 2);
    super::message(&end["error"], "deadline_exceeded");
    within("the call's end", rig.bookshelf.wait_for_cancelled(1)).await;
}

#[tokio::test]
async fn long_stream_comes_whole() {
    let rig = Rig::start().await;
    let ask = frame(0, br#"{"parent":"shelves/fiction","repeat":2000}"#);
    let mut http2 = rig.http2().await;
    let over_1 = rig.request("POST", &path("WatchBooks"), &[JSON_STREAM], &ask).await;
    let over_2 = http2.request("POST", &path("WatchBooks"), &[JSON_STREAM], &ask).await;
    for response in [over_1, over_2] {
        let (books, end) = stream(&response);
        assert_eq!(books.len(), 4000);
        assert_eq!(end["metadata"]["x-bookshelf-sent"], json!(["4000"]));
    }
}

#[tokio::test]
async fn caller_that_leaves_a_stream_cancels_it() {
    let rig = Rig::start().await;
    let ask = frame(0, br#"{"parent":"shelves/fiction","follow":true}"#);
    let mut http1 = rig.http1().await;
    http1.send_request("POST", &path("WatchBooks"), &[JSON_STREAM], &ask).await;
    http1.response_head().await;
    drop(http1);
    within("the call's end", rig.bookshelf.wait_for_cancelled(1)).await;
    let mut connection = rig.http2().await;
    let mut stream: Stream =
        connection.open_stream("POST", &path("Chat"), &[JSON_STREAM], false).await;
    stream.send(frame(0, br#"{"text":"one"}"#), false);
    let (_, mut sending, mut body) = stream.head().await.unwrap();
    next_frame(&mut body).await;
    sending.send_reset(h2::Reason::CANCEL);
    within("the call's end", rig.bookshelf.wait_for_cancelled(2)).await;
}
