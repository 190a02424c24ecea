//! How sessions end: statuses, close codes, callers who leave.

use serde_json::json;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use super::client::{JSON, Over, PROTO, Session};
use crate::support::{Gateway, Rig, backend, rig, with_time_enough, within};

const CHAT: &str = "/v1/shelves/science/books/tides:chat";
const WATCH: &str = "/v1/shelves/fiction/books:watch";

#[tokio::test]
async fn call_that_fails_ends_with_its_status_and_4000_plus_the_code() {
    let rig = Rig::start().await;
    for over in [Over::Http1, Over::Http2] {
        for tongue in [JSON, PROTO] {
            for code in 1..=16_u16 {
                let path = format!("/v1/fail/{code}?message=as%20asked");
                let mut session =
                    Session::open_over(over, rig.gateway.address, &path, tongue).await;
                assert_eq!(session.failed(code).await["message"], "as asked");
            }
        }
    }
}

#[tokio::test]
async fn status_has_its_details_decoded() {
    let rig = Rig::start().await;
    let mut session = Session::open(rig.gateway.address, "/v1/fail").await;
    session.send(r#"{"code":9,"message":"no","details":true}"#).await;
    let status = session.failed(9).await;
    let kind = status["details"][0]["@type"].as_str().unwrap();
    assert!(kind.ends_with("/google.rpc.ErrorInfo"), "{status}");
}

#[tokio::test]
async fn stream_that_fails_later_ends_with_its_status() {
    let rig = Rig::start().await;
    let path = format!("{WATCH}?fail_after=1");
    let mut session = Session::open(rig.gateway.address, &path).await;
    assert!(session.json().await["name"].is_string());
    let status = session.failed(14).await;
    assert_eq!(status["details"].as_array().unwrap().len(), 2, "{status}");
}

#[tokio::test]
async fn reason_of_the_close_is_the_message_cut_to_fit() {
    let rig = Rig::start().await;
    let mut session = Session::open(rig.gateway.address, "/v1/fail").await;
    session.send(json!({ "code": 3, "message": "é".repeat(100) }).to_string()).await;
    assert_eq!(session.json().await["message"], "é".repeat(100));
    assert_eq!(session.closed().await, (4003, "é".repeat(61)));
}

#[tokio::test]
async fn what_is_wrong_with_path_query_or_message_is_a_status() {
    let rig = Rig::start().await;
    let mut session = Session::open(rig.gateway.address, "/v1/books?colour=red").await;
    let status = session.failed(3).await;
    assert!(status["message"].as_str().unwrap().contains("colour"), "{status}");
    let mut session = Session::open(rig.gateway.address, CHAT).await;
    session.send(r#"{"text":"one"}"#).await;
    session.json().await;
    session.send(r#"{"text":7}"#).await;
    let status = session.failed(3).await;
    assert!(status["message"].as_str().unwrap().contains("text"), "{status}");
    for broken in ["{", "[]", "7", "null x", r#"{"text":"a","text":"b"}"#] {
        let mut session = Session::open(rig.gateway.address, CHAT).await;
        session.send(broken).await;
        session.failed(3).await;
    }
    within("no call to go on", rig.bookshelf.wait_for_cancelled(1)).await;
}

#[tokio::test]
async fn collision_is_refused_where_the_policy_says_so() {
    let rig = Rig::with_policy("on_collision: reject").await;
    let mut session = Session::open(rig.gateway.address, CHAT).await;
    session.send(r#"{"book":"shelves/a/books/b","text":"one"}"#).await;
    assert!(session.failed(3).await["message"].as_str().unwrap().contains("book"));
}

#[tokio::test]
async fn message_that_has_no_place_ends_the_call() {
    let rig = Rig::start().await;
    let address = rig.gateway.address;
    let mut session = Session::open(address, &format!("{WATCH}?follow=true")).await;
    session.send("{ }").await;
    session.half_close().await;
    session.json().await;
    session.send(r#"{"parent":"shelves/x"}"#).await;
    session.json().await;
    assert!(session.failed(3).await["message"].as_str().unwrap().contains("path and query"));

    let mut session = Session::open(address, "/bookshelf.v1.Bookshelf/Wait").await;
    session.send(r#"{"delay":"3600s"}"#).await;
    session.send(r#"{"delay":"3600s"}"#).await;
    assert!(session.failed(3).await["message"].as_str().unwrap().contains("second"));

    let mut session = Session::open(address, CHAT).await;
    session.send(r#"{"text":"one"}"#).await;
    session.json().await;
    session.half_close().await;
    session.send(r#"{"text":"two"}"#).await;
    // The call may have ended before.
    match session.next().await {
        Message::Text(text) => assert!(text.contains("half-close"), "{text}"),
        Message::Close(Some(close)) => assert_eq!(close.code, CloseCode::Normal),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn frame_of_the_wrong_kind_is_1003() {
    let rig = Rig::start().await;
    let mut session = Session::open_over(Over::Http1, rig.gateway.address, CHAT, JSON).await;
    session.send(Message::binary("{}")).await;
    assert_eq!(session.closed().await.0, 1003);
    let mut session = Session::open_over(Over::Http1, rig.gateway.address, CHAT, PROTO).await;
    session.send("{}").await;
    assert_eq!(session.closed().await.0, 1003);
}

#[tokio::test]
async fn message_past_the_limit_is_1009() {
    let rig = Rig::with_policy("max_request_message: 1000").await;
    for over in [Over::Http1, Over::Http2] {
        let mut session = Session::open_over(over, rig.gateway.address, CHAT, JSON).await;
        let fits = json!({ "text": "a".repeat(989) }).to_string();
        assert_eq!(fits.len(), 1000);
        session.send(fits).await;
        session.json().await;
        session.send(json!({ "text": "a".repeat(990) }).to_string()).await;
        let (code, reason) = session.closed().await;
        assert_eq!(code, 1009);
        assert!(reason.contains("1000"), "{reason}");
    }
    within("the calls' end", rig.bookshelf.wait_for_cancelled(2)).await;
}

#[tokio::test]
async fn deadline_that_passes_is_a_status() {
    let rig = Rig::with_policy("timeout: 300ms").await;
    let mut session = Session::open(rig.gateway.address, "/v1/wait/3600s").await;
    session.failed(4).await;
    let mut session = Session::open(rig.gateway.address, CHAT).await;
    session.failed(4).await;
    let rig = Rig::start().await;
    let path = format!("{WATCH}?follow=true");
    with_time_enough(async |deadline| {
        let deadline = (f64::from(deadline) / 1000.0).to_string();
        let headers = [("x-request-timeout", &*deadline)];
        let address = rig.gateway.address;
        let mut session = Session::open_over(Over::Http1, address, &path, &headers).await;
        let mut books = 0;
        loop {
            match session.json().await {
                book if book.get("title").is_some() => books += 1,
                last => {
                    assert_eq!(last["code"], 4, "{last}");
                    return books == 2;
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn backend_that_is_not_there_is_a_status() {
    let (nobody, _socket) = backend::nobody();
    let folder = tempfile::tempdir().unwrap();
    let set = rig::write_descriptor_set(&folder);
    let upstream = nobody.to_string();
    let gateway = Gateway::serve(&["--upstream", &upstream, "--descriptor-set", &set]).await;
    let mut session = Session::open(gateway.address, CHAT).await;
    let status = session.failed(14).await;
    assert!(!status["message"].as_str().unwrap().contains("127.0.0.1"), "{status}");
}

#[tokio::test]
async fn caller_who_closes_is_answered_and_cancels_the_call() {
    let rig = Rig::start().await;
    for (over, count) in [(Over::Http1, 1), (Over::Http2, 2)] {
        let path = format!("{WATCH}?follow=true");
        let mut session = Session::open_over(over, rig.gateway.address, &path, JSON).await;
        session.json().await;
        session.json().await;
        let close = CloseFrame { code: CloseCode::Normal, reason: "enough".into() };
        session.send(Message::Close(Some(close))).await;
        assert_eq!(session.closed().await, (1000, "enough".into()));
        within("the call's end", rig.bookshelf.wait_for_cancelled(count)).await;
    }
}

#[tokio::test]
async fn caller_who_vanishes_cancels_the_call() {
    let rig = Rig::start().await;
    for (over, count) in [(Over::Http1, 0), (Over::Http2, 2)] {
        let path = format!("{WATCH}?follow=true");
        let mut session = Session::open_over(over, rig.gateway.address, &path, JSON).await;
        session.json().await;
        drop(session);
        within("the call's end", rig.bookshelf.wait_for_cancelled(count + 1)).await;
        let mut session = Session::open_over(over, rig.gateway.address, CHAT, JSON).await;
        session.send(r#"{"text":"one"}"#).await;
        session.json().await;
        drop(session);
        within("the call's end", rig.bookshelf.wait_for_cancelled(count + 2)).await;
    }
}

#[tokio::test]
async fn session_is_a_line_of_the_access_log_at_its_end() {
    let (_bookshelf, upstream) = rig::start_bookshelf().await;
    let folder = tempfile::tempdir().unwrap();
    let set = rig::write_descriptor_set(&folder);
    let config = folder.path().join("transom.yaml");
    let text = rig::configuration(&set, upstream, "timeout: 5s") + "access_log: true\n";
    std::fs::write(&config, text).unwrap();
    let mut gateway = Gateway::serve(&["--config", config.to_str().unwrap()]).await;
    let mut session = Session::open(gateway.address, CHAT).await;
    assert!(session.headers.contains_key("x-request-id"));
    session.send(r#"{"text":"hello"}"#).await;
    session.json().await;
    session.half_close().await;
    assert_eq!(session.closed().await.0, 1000);
    let mut session = Session::open(gateway.address, "/v1/fail/5").await;
    session.failed(5).await;
    gateway.signal("TERM").await;
    gateway.wait().await;
    let printed = gateway.printed_to_the_end().await;
    let lines: Vec<serde_json::Value> =
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{printed}");
    let chat = lines.iter().find(|line| line["rpc"] == "bookshelf.v1.Bookshelf.Chat").unwrap();
    assert_eq!(chat["protocol"], "websocket");
    assert_eq!(
        (chat["http_status"].as_u64(), chat["grpc_status"].as_str()),
        (Some(101), Some("OK"))
    );
    assert_eq!(chat["request_bytes"], r#"{"text":"hello"}"#.len());
    assert!(chat["response_bytes"].as_u64().unwrap() > 16);
    assert_eq!(chat["route"], "/v1/{book=shelves/*/books/*}:chat");
    let fail = lines.iter().find(|line| line["rpc"] == "bookshelf.v1.Bookshelf.Fail").unwrap();
    assert_eq!(fail["grpc_status"], "NOT_FOUND");
}
