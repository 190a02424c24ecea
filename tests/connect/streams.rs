//! Streams of every kind, their ends, and callers that leave in the middle.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{JSON_STREAM, PROTO_STREAM, frame, frames, path, said, stream, stream_refusal};
use crate::support::{
    Gateway, Rig, http1,
    http2::{self, Stream},
    rig, with_time_enough, within,
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
    // ChatMessage { book: …, text: "hi", 100: 1 }, with a field that nobody knows.
    let book = b"shelves/science/books/tides";
    let first = [&[0x0a, book.len() as u8], &book[..], b"\x12\x02hi\xa0\x06\x01"].concat();
    let ask = [frame(0, first), frame(0, b"")].concat();
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
    let book = |title: String| {
        frame(0, json!({"parent": "shelves/new", "book": {"title": title}}).to_string())
    };
    let body = |cut: usize| [book(format!("A {cut:03}")), book(format!("B {cut:03}"))].concat();
    let mut connection = rig.http2().await;
    let path = path("ImportBooks");
    for cut in 0..body(0).len() {
        let mut stream = connection.open_stream("POST", &path, &[JSON_STREAM], false).await;
        let body = Bytes::from(body(cut));
        stream.send(body.slice(..cut), false);
        stream.send(body.slice(cut..), true);
        let (messages, end) = super::stream(&stream.response().await);
        assert_eq!(messages[0]["imported"], 2, "cut at {cut}: {end}");
    }
    let none = rig.request("POST", &path, &[JSON_STREAM], b"").await;
    assert_eq!(stream(&none).0, [json!({})], "no message is a stream as well");
}

#[tokio::test]
async fn bidirectional_stream_is_live_over_http2() {
    let rig = Rig::start().await;
    let mut connection = rig.http2().await;
    let mut stream = connection.open_stream("POST", &path("Chat"), &[JSON_STREAM], false).await;
    stream.send(frame(0, said("one")), false);
    let (head, mut sending, mut body) = stream.head().await.unwrap();
    assert_eq!(head.status, 200);
    for text in ["one", "two", "three"] {
        let (flag, message) = next_frame(&mut body).await;
        assert_eq!((flag, &message["text"]), (0, &json!(text)));
        let next = if text == "one" { "two" } else { "three" };
        if text != "three" {
            sending.send_data(frame(0, said(next)).into(), false).unwrap();
        }
    }
    sending.send_data(Bytes::new(), true).unwrap();
    assert_eq!(next_frame(&mut body).await, (2, json!({})));
}

#[tokio::test]
async fn bidirectional_stream_over_http1_is_answered() {
    let rig = Rig::start().await;
    let body = [frame(0, said("a")), frame(0, said("b"))].concat();
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
    let nothing = frame(0, br#"{"name":"shelves/none/books/none"}"#);
    let response = rig.request("POST", &path("ReadText"), &[JSON_STREAM], &nothing).await;
    stream_refusal(&response, "not_found");
    let headers = [JSON_STREAM, ("connect-timeout-ms", "0")];
    let response = rig.request("POST", &path("WatchBooks"), &headers, &ask).await;
    stream_refusal(&response, "deadline_exceeded");
}

#[tokio::test]
async fn deadline_ends_a_stream_that_waits() {
    let rig = Rig::start().await;
    let ask = frame(0, br#"{"parent":"shelves/fiction","follow":true}"#);
    with_time_enough(async |deadline| {
        let headers = [JSON_STREAM, ("connect-timeout-ms", &deadline.to_string())];
        let response = rig.request("POST", &path("WatchBooks"), &headers, &ask).await;
        let (books, end) = stream(&response);
        super::message(&end["error"], "deadline_exceeded");
        books.len() == 2
    })
    .await;
    within("the call's end", rig.bookshelf.wait_for_cancelled(rig.bookshelf.begun())).await;
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
    stream.send(frame(0, said("one")), false);
    let (_, mut sending, mut body) = stream.head().await.unwrap();
    next_frame(&mut body).await;
    sending.send_reset(h2::Reason::CANCEL);
    within("the call's end", rig.bookshelf.wait_for_cancelled(2)).await;
}

#[tokio::test]
async fn access_log_tells_how_a_stream_ended() {
    let (_bookshelf, upstream) = rig::start_bookshelf().await;
    let mut gateway = Gateway::serve(&["--upstream", &upstream.to_string(), "--access-log"]).await;
    let ask = frame(0, br#"{"parent":"shelves/fiction","failAfter":1}"#);
    let (address, headers) = (gateway.address, [JSON_STREAM]);
    http1::request(address, "POST", &path("WatchBooks"), &headers, &ask).await;
    http1::request(address, "POST", &path("Chat"), &headers, b"\x04").await;
    http1::request(address, "POST", &path("Nothing"), &headers, b"").await;
    gateway.signal("TERM").await;
    gateway.wait().await;
    let text = gateway.printed_to_the_end().await;
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen = lines.iter().map(|line| {
        assert_eq!(line["protocol"], "connect");
        (line["http_status"].as_u64().unwrap(), line["grpc_status"].as_str().unwrap())
    });
    let seen: Vec<_> = seen.collect();
    assert_eq!(seen, [(200, "UNAVAILABLE"), (200, "INVALID_ARGUMENT"), (404, "UNIMPLEMENTED")]);
}
