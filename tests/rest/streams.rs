//! Streams over REST: their forms, how they end, that nothing is held back and nothing piles up.

use serde_json::{Value, json};

use crate::support::{Rig, http2, within};

const WATCH: &str = "/v1/shelves/fiction/books:watch";
const IMPORT: &str = "/v1/shelves/imported/books:import";
const CHAT: &str = "/v1/shelves/science/books/tides:chat";

async fn watch(rig: &Rig, query: &str, accept: &str) -> crate::support::Response {
    rig.request("GET", &format!("{WATCH}{query}"), &[("accept", accept)], b"").await
}

#[tokio::test]
async fn server_stream_is_an_array_by_default() {
    let rig = Rig::start().await;
    for accept in ["*/*", "application/json", "text/html"] {
        let response = watch(&rig, "", accept).await;
        assert_eq!(response.header("content-type"), "application/json");
        let books = response.ok();
        let titles: Vec<_> = books.as_array().unwrap().iter().map(|b| &b["title"]).collect();
        assert_eq!(titles, ["Letters on the Hall Floor", "The Light Above the Door"]);
    }
}

#[tokio::test]
async fn server_stream_without_messages_is_the_empty_form() {
    let rig = Rig::start().await;
    let path = "/v1/shelves/nothing/books:watch";
    assert_eq!(rig.get(path).await.ok(), json!([]));
    for accept in ["application/x-ndjson", "application/json-seq", "text/event-stream"] {
        let response = rig.request("GET", path, &[("accept", accept)], b"").await;
        assert_eq!((response.status.as_u16(), response.complete), (200, true));
        assert!(response.lines_of_data().is_empty(), "{accept}: {}", response.text());
    }
}

#[tokio::test]
async fn server_stream_as_lines_is_a_message_a_line() {
    let rig = Rig::start().await;
    for accept in ["application/x-ndjson", "application/jsonl"] {
        let response = watch(&rig, "", accept).await;
        assert_eq!(response.header("content-type"), accept);
        assert_eq!(response.json_lines().len(), 2);
        assert!(response.text().ends_with('\n'));
    }
}

#[tokio::test]
async fn server_stream_as_a_json_sequence_has_its_separators() {
    let rig = Rig::start().await;
    let response = watch(&rig, "", "application/json-seq").await;
    assert_eq!(response.header("content-type"), "application/json-seq");
    let mut records = response.text().split('\u{1e}');
    assert_eq!(records.next(), Some(""));
    let records: Vec<Value> = records
        .map(|record| serde_json::from_str(record.strip_suffix('\n').unwrap()).unwrap())
        .collect();
    assert_eq!(records.len(), 2);
}

#[tokio::test]
async fn server_stream_as_events_is_an_event_a_message() {
    let rig = Rig::start().await;
    let response = watch(&rig, "", "text/event-stream").await;
    assert_eq!(response.header("content-type"), "text/event-stream");
    let events: Vec<_> = response.text().trim_end().split("\n\n").collect();
    assert_eq!(events.len(), 2);
    for event in events {
        let data = event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
        assert!(serde_json::from_str::<Value>(data).unwrap()["name"].is_string());
    }
}

#[tokio::test]
async fn server_stream_that_fails_at_once_is_a_plain_error() {
    let rig = Rig::start().await;
    for accept in ["application/json", "application/x-ndjson", "text/event-stream"] {
        let path = "/v1/shelves/BAD/books:watch";
        let response = rig.request("GET", path, &[("accept", accept)], b"").await;
        assert!(response.refusal(400, 3).contains("parent"));
        assert!(response.complete);
    }
}

#[tokio::test]
async fn server_stream_that_fails_later_ends_lines_with_an_error_line() {
    let rig = Rig::start().await;
    let response = watch(&rig, "?fail_after=1", "application/x-ndjson").await;
    assert_eq!(response.status, 200);
    let lines = response.json_lines();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["error"]["code"], 14, "{lines:?}");
    assert!(lines[1]["error"]["details"].as_array().unwrap().len() == 2, "{lines:?}");
}

#[tokio::test]
async fn server_stream_that_fails_later_ends_events_with_an_error_event() {
    let rig = Rig::start().await;
    let response = watch(&rig, "?fail_after=1", "text/event-stream").await;
    let last = response.text().trim_end().rsplit("\n\n").next().unwrap();
    assert!(last.lines().any(|line| line == "event: error"), "{last}");
    let data = last.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(data).unwrap()["code"], 14, "{data}");
}

#[tokio::test]
async fn server_stream_that_fails_later_breaks_an_array_off() {
    let rig = Rig::start().await;
    let response = watch(&rig, "?fail_after=1", "application/json").await;
    assert_eq!((response.status.as_u16(), response.complete), (200, false));
    let mut connection = rig.http2().await;
    let response = connection.request("GET", &format!("{WATCH}?fail_after=1"), &[], b"").await;
    assert_eq!((response.status.as_u16(), response.complete), (200, false));
    assert!(serde_json::from_slice::<Value>(&response.body).is_err(), "{}", response.text());
}

#[tokio::test]
async fn server_stream_leaves_message_by_message() {
    let rig = Rig::start().await;
    for (accept, end) in
        [("application/json", ""), ("application/x-ndjson", "\n"), ("text/event-stream", "\n\n")]
    {
        let mut connection = rig.http1().await;
        let path = "/v1/shelves/live/books:watch?follow=true";
        connection.send_request("GET", path, &[("accept", accept)], b"").await;
        // The head waits for the first message; the call has begun when a watcher is there.
        let watching = rig.bookshelf.begun() + 1;
        within("the watch", rig.bookshelf.wait_for_begun(watching)).await;
        for number in 1..=3 {
            let id = format!("{}-{number}", accept.replace(['/', '+'], "-"));
            let path = format!("/v1/shelves/live/books?book_id={id}");
            let created = rig.send("POST", &path, r#"{"title":"Live"}"#).await;
            assert_eq!(created.status, 200);
            if number == 1 {
                assert_eq!(connection.response_head().await.status, 200);
            }
            let text = connection.chunks_until(&format!("/{id}\"")).await;
            assert!(text.ends_with(end), "half a message came: {text:?}");
        }
    }
}

#[tokio::test]
async fn server_stream_of_a_caller_that_leaves_is_cancelled() {
    let rig = Rig::start().await;
    let path = &format!("{WATCH}?follow=true");
    let mut connection = rig.http1().await;
    connection.send_request("GET", path, &[], b"").await;
    connection.response_head().await;
    drop(connection);
    within("the call's end", rig.bookshelf.wait_for_cancelled(1)).await;
    let mut connection = rig.http2().await;
    let (_, sending, mut body) =
        connection.open_stream("GET", path, &[], true).await.head().await.unwrap();
    http2::text_until(&mut body, "title").await;
    drop((body, sending));
    within("the call's end", rig.bookshelf.wait_for_cancelled(2)).await;
    // The connection serves on.
    connection.request("GET", "/v1/books", &[], b"").await.ok();
}

#[tokio::test]
async fn unary_call_of_a_caller_that_leaves_is_cancelled() {
    let rig = Rig::start().await;
    let mut connection = rig.http1().await;
    connection.send_request("GET", "/v1/wait/3600s", &[], b"").await;
    within("the call", rig.bookshelf.wait_for_begun(1)).await;
    drop(connection);
    within("the call's end", rig.bookshelf.wait_for_cancelled(1)).await;
}

#[tokio::test]
async fn server_stream_of_a_caller_that_does_not_read_costs_no_memory() {
    let rig = Rig::start().await;
    let mut connection = rig.http1().await;
    let path = &format!("{WATCH}?repeat=2000000");
    connection.send_request("GET", path, &[("accept", "application/x-ndjson")], b"").await;
    connection.response_head().await;
    let before = rig.gateway.memory();
    // While others are served, the stream would grow if anything took it in.
    for _ in 0..200 {
        rig.get("/v1/books").await.ok();
    }
    let grown = rig.gateway.memory().saturating_sub(before);
    assert!(grown < 32 << 20, "grew by {grown} bytes");
    for _ in 0..100 {
        assert!(!connection.chunk().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn server_stream_of_raw_bytes_is_their_concatenation() {
    let rig = Rig::start().await;
    let path = "/v1/shelves/science/books/tides/text";
    let whole = rig.get(path).await;
    assert_eq!(whole.status, 200);
    let pieces = rig.get(&format!("{path}?piece_size=7&repeat=3")).await;
    assert_eq!(pieces.body, whole.body.repeat(3));
    assert_eq!(pieces.header("content-type"), whole.header("content-type"));
    assert!(pieces.header("content-type").starts_with("text/plain"));
}

fn imported(response: &crate::support::Response) -> Vec<String> {
    let json = response.ok();
    let names = json["names"].as_array().cloned().unwrap_or_default();
    assert_eq!(json["imported"].as_u64().unwrap_or(0), names.len() as u64);
    names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn client_stream_is_an_array_or_lines_of_elements() {
    let rig = Rig::start().await;
    for (kind, body) in [
        ("application/json", r#"[{"book":{"title":"A 1"}},{"book":{"title":"B 1"}}]"#),
        (
            "application/x-ndjson",
            "{\"book\":{\"title\":\"A 2\"}}\n{\"book\":{\"title\":\"B 2\"}}\n",
        ),
        (
            "application/x-ndjson",
            "{\"book\":{\"title\":\"A 3\"}}\r\n\r\n{\"book\":{\"title\":\"B 3\"}}",
        ),
        (
            "application/json-seq",
            "\u{1e}{\"book\":{\"title\":\"A 4\"}}\n\u{1e}{\"book\":{\"title\":\"B 4\"}}\n",
        ),
    ] {
        let response =
            rig.request("POST", IMPORT, &[("content-type", kind)], body.as_bytes()).await;
        let names = imported(&response);
        assert_eq!(names.len(), 2, "{kind}");
        // The path's capture is set on the first message; the backend keeps it for the rest.
        assert!(names[1].starts_with("shelves/imported/books/b-"), "{names:?}");
    }
}

#[tokio::test]
async fn client_stream_without_elements_is_an_empty_stream() {
    let rig = Rig::start().await;
    for (kind, body) in
        [("application/json", "[]"), ("application/json", " [ ] "), ("application/x-ndjson", "")]
    {
        let response =
            rig.request("POST", IMPORT, &[("content-type", kind)], body.as_bytes()).await;
        assert!(imported(&response).is_empty());
    }
}

#[tokio::test]
async fn client_stream_with_a_broken_element_is_400_and_says_where() {
    let rig = Rig::start().await;
    for (kind, body, part) in [
        ("application/json", r#"[{"book":{"title":"A"}},{"book":{"title":7}}]"#, "title"),
        ("application/json", r#"[{"book":{"title":"A"}}"#, ""),
        ("application/json", r#"[{"book":{"title":"A"}} {}]"#, ""),
        ("application/json", r#"[{},]"#, ""),
        ("application/json", r#"[{}]x"#, ""),
        ("application/json", r#"{"book":{"title":"A"}}{"#, ""),
        ("application/x-ndjson", "{\"colour\":1}\n", "colour"),
        ("application/x-ndjson", "{\"book\":\n", ""),
    ] {
        let response =
            rig.request("POST", IMPORT, &[("content-type", kind)], body.as_bytes()).await;
        let message = response.refusal(400, 3);
        assert!(message.contains(part), "{body}: {message}");
    }
}

#[tokio::test]
async fn client_stream_cut_at_each_byte_is_the_same_stream() {
    let rig = Rig::start().await;
    for (kind, body) in [
        ("application/json", r#" [ {"book":{"title":"a\"]}é"}} , {"book":{"title":"b\\"}}]"#),
        (
            "application/x-ndjson",
            "{\"book\":{\"title\":\"a\\\"é\"}}\r\n\n{\"book\":{\"title\":\"b\"}}\n",
        ),
    ] {
        let mut connection = rig.http1().await;
        for cut in 1..body.len() {
            let path = format!("/v1/shelves/cut-{cut}-{}/books:import", kind.len());
            connection.send_chunked_head("POST", &path, &[("content-type", kind)]).await;
            connection.send_chunk(&body.as_bytes()[..cut]).await;
            connection.send_chunk(&body.as_bytes()[cut..]).await;
            connection.send_chunk("").await;
            let names = imported(&connection.response().await);
            assert_eq!(names.len(), 2, "cut at {cut} of {body}");
        }
    }
}

#[tokio::test]
async fn client_stream_of_raw_bytes_of_any_length_costs_no_memory() {
    let rig = Rig::start().await;
    let before = rig.gateway.memory();
    let mut connection = rig.http1().await;
    let path = "/v1/shelves/science/books/tides/text?discard=true";
    connection.send_chunked_head("PUT", path, &[("content-type", "text/plain")]).await;
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..64 {
        connection.send_chunk(&piece).await;
    }
    let grown = rig.gateway.memory().saturating_sub(before);
    connection.send_chunk("").await;
    let written = connection.response().await.ok();
    assert_eq!(written["bytes"], (64 << 20).to_string());
    assert!(grown < 32 << 20, "grew by {grown} bytes");
}

#[tokio::test]
async fn bidi_stream_over_http2_is_live_in_both_directions() {
    let rig = Rig::start().await;
    let mut connection = rig.http2().await;
    let headers = [("content-type", "application/x-ndjson"), ("accept", "application/x-ndjson")];
    let mut stream = connection.open_stream("POST", CHAT, &headers, false).await;
    stream.send("{\"text\":\"one\"}\n", false);
    let (head, mut sending, mut body) = stream.head().await.unwrap();
    assert_eq!(head.status, 200);
    http2::text_until(&mut body, "one").await;
    for word in ["two", "three"] {
        sending.send_data(format!("{{\"text\":\"{word}\"}}\n").into(), false).unwrap();
        let text = http2::text_until(&mut body, word).await;
        assert!(text.ends_with('\n'), "{text}");
    }
    sending.send_data(Default::default(), true).unwrap();
    assert!(http2::data(&mut body).await.is_none_or(|data| data.unwrap().is_empty()));
}

#[tokio::test]
async fn bidi_stream_as_arrays_works_too() {
    let rig = Rig::start().await;
    let json = r#"[{"text":"a","number":1},{"text":"b","number":2}]"#;
    let answers = rig.send("POST", CHAT, json).await.ok();
    assert_eq!(answers.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn bidi_stream_with_a_broken_element_later_ends_visibly() {
    let rig = Rig::start().await;
    let mut connection = rig.http2().await;
    let headers = [("content-type", "application/x-ndjson"), ("accept", "application/x-ndjson")];
    let mut stream = connection.open_stream("POST", CHAT, &headers, false).await;
    stream.send("{\"text\":\"one\"}\n", false);
    let (_, mut sending, mut body) = stream.head().await.unwrap();
    http2::text_until(&mut body, "one").await;
    sending.send_data("{\"text\":7}\n".into(), false).unwrap();
    let text = http2::text_until(&mut body, "\n").await;
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["error"]["code"], 3, "{line}");
}
