//! Reloads under load: no call fails, none is cut, and nothing stays behind.

use super::descriptor_set_with;
use crate::{
    resilience::bad_day::{
        load::{self, Door},
        table,
    },
    support::{http1, operated::Operated},
};

/// How often the descriptor is replaced.
const TIMES: usize = 100;

#[tokio::test]
async fn reload_of_a_descriptor_100_times_under_load_fails_no_call() {
    let operated = Operated::start("").await;
    let mut early = 0;
    let (figures, ()) = load::run(&Door::Tcp(operated.gateway.address), 4, async |load| {
        for round in 0..TIMES {
            operated.write("api.binpb", descriptor_set_with(&format!("Extra{round}")));
            let outcome = operated.reload().await;
            assert_eq!(outcome["result"], "taken", "{outcome}");
            // Calls go on between the reloads.
            load.calls(4).await;
            if round == TIMES / 4 {
                early = operated.gateway.memory();
            }
        }
    })
    .await;
    let fault = "a descriptor replaced 100 times";
    table::note(fault, &figures);
    figures.none_failed(fault);
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
