//! SIGTERM with sessions open: they may finish, and are told to go when the drain's time is over.

use super::client::{JSON, Over, Session};
use crate::support::{Gateway, rig};

const CHAT: &str = "/v1/shelves/science/books/tides:chat";

async fn gateway(drain: &str) -> (Gateway, tempfile::TempDir) {
    let (_bookshelf, upstream) = rig::start_bookshelf().await;
    let folder = tempfile::tempdir().unwrap();
    let set = rig::write_descriptor_set(&folder);
    let config = folder.path().join("transom.yaml");
    let text = rig::configuration(&set, upstream, "") + &format!("drain_timeout: {drain}\n");
    std::fs::write(&config, text).unwrap();
    (Gateway::serve(&["--config", config.to_str().unwrap()]).await, folder)
}

#[tokio::test]
async fn drain_waits_for_a_session_that_ends() {
    for over in [Over::Http1, Over::Http2] {
        let (mut gateway, _folder) = gateway("20s").await;
        let mut session = Session::open_over(over, gateway.address, CHAT, JSON).await;
        session.send(r#"{"text":"one"}"#).await;
        session.json().await;
        gateway.signal("TERM").await;
        while !gateway.log().contains("draining") {
            tokio::task::yield_now().await;
        }
        session.send(r#"{"text":"two"}"#).await;
        assert_eq!(session.json().await["number"], 2);
        session.half_close().await;
        assert_eq!(session.closed().await.0, 1000);
        drop(session);
        assert_eq!(gateway.wait().await.code(), Some(0));
        assert!(!gateway.log().contains("cut off"), "{}", gateway.log());
    }
}

#[tokio::test]
async fn drain_tells_sessions_to_go_when_its_time_is_over() {
    for over in [Over::Http1, Over::Http2] {
        let (mut gateway, _folder) = gateway("2s").await;
        let mut session = Session::open_over(over, gateway.address, CHAT, JSON).await;
        session.send(r#"{"text":"one"}"#).await;
        session.json().await;
        gateway.signal("TERM").await;
        let (code, reason) = session.closed().await;
        assert_eq!(code, 1001);
        assert!(reason.contains("shuts down"), "{reason}");
        drop(session);
        assert_eq!(gateway.wait().await.code(), Some(0));
        assert!(!gateway.log().contains("cut off"), "{}", gateway.log());
    }
}
