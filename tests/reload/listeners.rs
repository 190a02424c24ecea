//! Listeners that come and go with the configuration.

use std::{path::Path, time::Duration};

use tokio::net::UnixStream;

use super::BOOK;
use crate::support::{http1, operated::Operated};

/// How long what has to happen may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The configuration with another list of listeners.
fn listening(operated: &Operated, listeners: &str) -> String {
    operated.configuration().replace("[{ address: 127.0.0.1:0 }]", listeners)
}

async fn connect(path: &Path) -> http1::Connection {
    http1::Connection::over(UnixStream::connect(path).await.unwrap(), "localhost")
}

#[tokio::test]
async fn reload_opens_a_listener_and_closes_it_again() {
    let operated = Operated::start("").await;
    let path = operated.path("more.sock");
    let both = "[{ address: 127.0.0.1:0 }, { address: 'unix:more.sock' }]";
    operated.write("transom.yaml", listening(&operated, both));
    assert_eq!(operated.reload().await["result"], "taken");
    let mut kept = connect(&path).await;
    kept.send_request("GET", BOOK, &[], b"").await;
    kept.response_to("GET").await.ok();
    let mut stream = connect(&path).await;
    let watch = "/v1/shelves/fiction/books:watch?follow=true";
    stream.send_request("GET", watch, &[("accept", "application/x-ndjson")], b"").await;
    assert_eq!(stream.response_head().await.status, 200);
    stream.chunks_until("letters").await;

    operated.write("transom.yaml", operated.configuration());
    assert_eq!(operated.reload().await["result"], "taken");
    assert!(UnixStream::connect(&path).await.is_err(), "nobody listens there any more");
    assert!(!path.exists());
    assert!(kept.is_closed().await, "what is idle is closed");
    // What is in flight goes on, and so does the listener that stayed.
    let body = br#"{"title": "After the listener", "author": "You"}"#;
    let json = [("content-type", "application/json")];
    let books = "/v1/shelves/fiction/books";
    http1::request(operated.gateway.address, "POST", books, &json, body).await.ok();
    stream.chunks_until("After the listener").await;
}

#[tokio::test]
async fn reload_gives_a_listener_other_settings_without_turning_anybody_away() {
    let operated = Operated::start_with(|_, configuration| {
        configuration.replace("127.0.0.1:0 }]", "127.0.0.1:0 }, { address: 'unix:one.sock' }]")
    })
    .await;
    let path = operated.path("one.sock");
    let long = "x".repeat(2000);
    let mut before = connect(&path).await;
    before.send_request("GET", BOOK, &[("x-long", &long)], b"").await;
    before.response_to("GET").await.ok();
    let strict = "[{ address: 127.0.0.1:0 }, { address: 'unix:one.sock', max_head: 1 KiB }]";
    operated.write("transom.yaml", listening(&operated, strict));
    assert_eq!(operated.reload().await["result"], "taken");
    assert!(before.is_closed().await, "it makes way for one with the new settings");
    // A worker may take what comes in before it has heard of them, and serves it as before.
    let strict = async {
        loop {
            let mut after = connect(&path).await;
            after.send_request("GET", BOOK, &[("x-long", &long)], b"").await;
            let status = after.response_to("GET").await.status.as_u16();
            if status != 200 {
                return status;
            }
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, strict).await, Ok(431));
    assert!(path.exists());
}

#[tokio::test]
async fn reload_with_a_listener_that_cannot_be_had_changes_nothing() {
    let operated = Operated::start("").await;
    let path = operated.path("taken.sock");
    let _taken = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let more = "[{ address: 'unix:new.sock' }, { address: 'unix:taken.sock' }]";
    operated.write("transom.yaml", listening(&operated, more));
    let outcome = operated.reload().await;
    assert_eq!(outcome["result"], "failed");
    let problem = &outcome["problems"][0];
    assert_eq!((&problem["path"], &problem["line"]), (&"listen[1].address".into(), &1.into()));
    assert!(!operated.path("new.sock").exists());
    http1::request(operated.gateway.address, "GET", BOOK, &[], b"").await.ok();
}
