//! Reloads under load: no call fails, none is cut, and nothing stays behind.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use super::{BOOK, descriptor_set_with};
use crate::support::{http1, operated::Operated, within};

/// How often the descriptor is replaced.
const TIMES: usize = 100;

#[tokio::test]
async fn reload_of_a_descriptor_100_times_under_load_fails_no_call() {
    let operated = Operated::start("").await;
    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (stop, calls, address) = (stop.clone(), calls.clone(), operated.gateway.address);
            tokio::spawn(async move {
                let mut connection = http1::Connection::open(address).await;
                while !stop.load(SeqCst) {
                    connection.send_request("GET", BOOK, &[], b"").await;
                    connection.response_to("GET").await.ok();
                    calls.fetch_add(1, SeqCst);
                }
            })
        })
        .collect();
    let mut early = 0;
    for round in 0..TIMES {
        operated.write("api.binpb", descriptor_set_with(&format!("Extra{round}")));
        let before = calls.load(SeqCst);
        let outcome = operated.reload().await;
        assert_eq!(outcome["result"], "taken", "{outcome}");
        // Calls go on between the reloads.
        let waiting = async {
            while calls.load(SeqCst) == before && !callers.iter().any(|one| one.is_finished()) {
                tokio::task::yield_now().await;
            }
        };
        within("a call", waiting).await;
        if round == TIMES / 4 {
            early = operated.gateway.memory();
        }
    }
    stop.store(true, SeqCst);
    for caller in callers {
        caller.await.unwrap();
    }
    assert!(calls.load(SeqCst) >= TIMES);
    // A snapshot that stayed would cost a megabyte and more.
    let late = operated.gateway.memory();
    assert!(
        late < early + (24 << 20),
        "{} KiB after a quarter, {} KiB after all",
        early >> 10,
        late >> 10
    );
    let metrics = operated.metrics().await;
    assert!(metrics.contains("transom_reloads_total{result=\"taken\"} 100\n"), "{metrics}");
}

#[tokio::test]
async fn reload_leaves_a_stream_on_what_it_began_with() {
    let operated = Operated::start("").await;
    let mut stream = http1::Connection::open(operated.gateway.address).await;
    let path = "/v1/shelves/fiction/books:watch?follow=true";
    stream.send_request("GET", path, &[("accept", "application/x-ndjson")], b"").await;
    assert_eq!(stream.response_head().await.status, 200);
    stream.chunks_until("letters").await;
    let other = "services: { bookshelf.v1.Bookshelf.WatchBooks: { timeout: 60s } }\n";
    operated.write("transom.yaml", operated.configuration() + other);
    assert_eq!(operated.reload().await["result"], "taken");
    let create = http1::request(
        operated.gateway.address,
        "POST",
        "/v1/shelves/fiction/books",
        &[("content-type", "application/json")],
        br#"{"title": "While it streams", "author": "You"}"#,
    );
    create.await.ok();
    stream.chunks_until("While it streams").await;
}
