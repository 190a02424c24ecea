//! Several listeners of one program, and limits of each.

use super::{BOOK, serve};
use crate::support::{authority::Authority, http1, tls::Client};

#[tokio::test]
async fn several_listeners_serve_each_in_its_own_way() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ca");
    authority.write("a", &["localhost"]);
    let listen = "  - address: 127.0.0.1:0\n  - address: 127.0.0.1:0\n    tls: { certificates: \
                  [{ certificate: a.pem, key: a.key }] }\n  - address: \"[::1]:0\"\n    max_head: 1 \
                  KiB\n  - address: unix:a.sock\n";
    let (_bookshelf, gateway) = serve(&folder, listen).await;
    let starts = ["http://127.", "https://127.", "http://[::1]:", "unix:/"];
    assert_eq!(gateway.urls.len(), starts.len());
    assert!(gateway.urls.iter().zip(starts).all(|(url, start)| url.starts_with(start)));

    let long = [("x-long", "a".repeat(2000))];
    let long: Vec<_> = long.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let response = http1::request(gateway.listener(0), "GET", BOOK, &long, b"").await;
    response.ok();
    let response = http1::request(gateway.listener(2), "GET", BOOK, &long, b"").await;
    response.refusal(431, 8);
    let stream = Client::of(&authority).connect(gateway.listener(1)).await.unwrap();
    let path = folder.path().join("a.sock");
    let unix = tokio::net::UnixStream::connect(path).await.unwrap();
    let tls = http1::Connection::over(stream, "localhost");
    for mut connection in [tls, http1::Connection::over(unix, "localhost")] {
        connection.send_request("GET", BOOK, &[], b"").await;
        connection.response().await.ok();
    }
}

#[tokio::test]
async fn connection_over_the_limit_waits_on_its_listener_alone() {
    let folder = tempfile::tempdir().unwrap();
    let listen = "  - address: 127.0.0.1:0\n    max_connections: 1\n  - address: 127.0.0.1:0\n";
    let (_bookshelf, gateway) = serve(&folder, listen).await;
    let mut first = http1::Connection::open(gateway.listener(0)).await;
    first.send_request("GET", BOOK, &[], b"").await;
    first.response().await.ok();
    let mut second = http1::Connection::open(gateway.listener(0)).await;
    second.send_request("GET", BOOK, &[], b"").await;
    // The other listener has places of its own; its answers show that the worker has had the time.
    for _ in 0..20 {
        http1::request(gateway.listener(1), "GET", BOOK, &[], b"").await.ok();
    }
    assert!(!second.has_answer(), "served over the limit");
    drop(first);
    second.response().await.ok();
}
