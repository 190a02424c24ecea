//! Handshakes: what is wrong with one is a plain HTTP answer.

use super::client::{HANDSHAKE, JSON, Over, Session, try_connect};
use crate::support::{Response, Rig};

const CHAT: &str = "/v1/shelves/science/books/tides:chat";

/// A handshake with one header changed, or taken away.
async fn handshake(rig: &Rig, path: &str, name: &str, value: Option<&str>) -> Response {
    let others = HANDSHAKE.into_iter().filter(|(one, _)| *one != name);
    let headers: Vec<_> = others.chain(value.map(|value| (name, value))).collect();
    rig.request("GET", path, &headers, b"").await
}

#[tokio::test]
async fn handshake_with_a_mistake_is_told_in_http() {
    let rig = Rig::start().await;
    for (name, value, status, part) in [
        ("connection", None, 400, "Connection: Upgrade"),
        ("connection", Some("keep-alive"), 400, "Connection: Upgrade"),
        ("sec-websocket-key", None, 400, "Sec-WebSocket-Key"),
        ("sec-websocket-key", Some("short"), 400, "Sec-WebSocket-Key"),
        ("sec-websocket-version", None, 426, "13"),
        ("sec-websocket-version", Some("8"), 426, "13"),
        ("sec-websocket-protocol", Some("graphql-ws, chat"), 400, "transom.json"),
        ("x-request-timeout", Some("soon"), 400, "x-request-timeout"),
    ] {
        let response = handshake(&rig, CHAT, name, value).await;
        let message = response.refusal(status, 3);
        assert!(message.contains(part), "{name}: {message}");
        if status == 426 {
            assert_eq!(response.header("sec-websocket-version"), "13");
            assert_eq!(response.header("upgrade"), "websocket");
        }
    }
    assert_eq!(rig.bookshelf.begun(), 0);
}

#[tokio::test]
async fn handshake_with_a_body_is_refused() {
    let rig = Rig::start().await;
    let response = rig.request("GET", CHAT, &HANDSHAKE, b"body").await;
    assert!(response.refusal(400, 3).contains("no body"));
}

#[tokio::test]
async fn handshake_at_an_unknown_path_is_404() {
    let rig = Rig::start().await;
    for path in ["/", "/nothing", "/bookshelf.v1.Bookshelf/Nothing", "/v1/shelves/a/books:nothing"]
    {
        handshake(&rig, path, "x-none", None).await.refusal(404, 5);
        let (status, ..) = try_connect(rig.gateway.address, path, &[], "websocket").await;
        assert_eq!(status, 404);
    }
    handshake(&rig, "/v1/shelves/%ff/books:watch", "x-none", None).await.refusal(400, 3);
}

#[tokio::test]
async fn connection_serves_on_after_a_refused_handshake() {
    let rig = Rig::start().await;
    let mut connection = rig.http1().await;
    connection.send_request("GET", "/nothing", &HANDSHAKE, b"").await;
    connection.response().await.refusal(404, 5);
    connection.send_request("GET", "/v1/books", &[], b"").await;
    connection.response().await.ok();
}

#[tokio::test]
async fn upgrade_that_is_no_websocket_is_ignored() {
    let rig = Rig::start().await;
    let headers = [("connection", "upgrade"), ("upgrade", "h2c")];
    rig.request("GET", "/v1/books", &headers, b"").await.ok();
    // Only GET upgrades (RFC 6455 §4.1); for others the header means nothing (RFC 9110 §7.8).
    let response = rig.request("POST", "/v1/fail", &HANDSHAKE, br#"{"code":5}"#).await;
    response.refusal(404, 5);
}

#[tokio::test]
async fn extended_connect_of_another_protocol_is_501() {
    let rig = Rig::start().await;
    let (status, ..) = try_connect(rig.gateway.address, CHAT, &[], "connect-udp").await;
    assert_eq!(status, 501);
}

#[tokio::test]
async fn stream_that_is_a_websocket_leaves_room_for_others() {
    let rig = Rig::start().await;
    let mut session = Session::open_over(Over::Http2, rig.gateway.address, CHAT, JSON).await;
    session.send(r#"{"text":"one"}"#).await;
    assert_eq!(session.json().await["text"], "one");
    rig.http2().await.request("GET", "/v1/books", &[], b"").await.ok();
    session.send(r#"{"text":"two"}"#).await;
    assert_eq!(session.json().await["text"], "two");
}

#[tokio::test]
async fn page_of_another_origin_is_403_unless_it_is_listed() {
    let rig = Rig::start().await;
    let own = format!("http://{}", rig.gateway.address);
    for origin in ["https://evil.example", "null", "http://127.0.0.1"] {
        let response = handshake(&rig, CHAT, "origin", Some(origin)).await;
        assert!(response.refusal(403, 7).contains(origin));
        let headers = [("origin", origin)];
        let (status, ..) = try_connect(rig.gateway.address, CHAT, &headers, "websocket").await;
        assert_eq!(status, 403);
    }
    for over in [Over::Http1, Over::Http2] {
        Session::open_over(over, rig.gateway.address, CHAT, &[("origin", &own)]).await;
    }
    let rig = Rig::with_policy("websocket: { origins: ['https://app.example'] }").await;
    let headers = [("origin", "https://app.example")];
    Session::open_over(Over::Http1, rig.gateway.address, CHAT, &headers).await;
    handshake(&rig, CHAT, "origin", Some("https://evil.example")).await.refusal(403, 7);
    let rig = Rig::with_policy("websocket: { origins: ['*'] }").await;
    let headers = [("origin", "https://evil.example")];
    Session::open_over(Over::Http1, rig.gateway.address, CHAT, &headers).await;
}

#[tokio::test]
async fn deflate_is_not_agreed_to() {
    let rig = Rig::start().await;
    let headers = [("sec-websocket-extensions", "permessage-deflate; client_max_window_bits")];
    let session = Session::open_over(Over::Http1, rig.gateway.address, CHAT, &headers).await;
    assert!(!session.headers.contains_key("sec-websocket-extensions"));
}
