//! SIGTERM and SIGINT: what is in flight ends well, nothing new begins.

use tokio::net::TcpStream;

use crate::support::{Rig, within};

#[tokio::test]
async fn drain_with_nothing_in_flight_ends_at_once_with_0() {
    for signal in ["TERM", "INT"] {
        let mut rig = Rig::start().await;
        let mut idle = rig.http1().await;
        idle.send_request("GET", "/v1/books", &[], b"").await;
        idle.response().await.ok();
        rig.gateway.signal(signal).await;
        assert_eq!(rig.gateway.wait().await.code(), Some(0));
        assert!(idle.is_closed().await);
    }
}

#[tokio::test]
async fn drain_lets_a_call_in_flight_finish_and_closes_its_connection() {
    let mut rig = Rig::start().await;
    let mut connection = rig.http1().await;
    connection.send_request("GET", "/v1/wait/1s", &[], b"").await;
    within("the call", rig.bookshelf.wait_for_begun(1)).await;
    rig.gateway.signal("TERM").await;
    let response = connection.response().await;
    response.ok();
    assert!(connection.is_closed().await);
    assert_eq!(rig.gateway.wait().await.code(), Some(0));
    assert_eq!(rig.bookshelf.cancelled(), 0);
}

#[tokio::test]
async fn drain_takes_no_new_connection() {
    let mut rig = Rig::start().await;
    let mut connection = rig.http1().await;
    connection.send_request("GET", "/v1/wait/2s", &[], b"").await;
    within("the call", rig.bookshelf.wait_for_begun(1)).await;
    rig.gateway.signal("TERM").await;
    // The signal is on its way; soon nobody listens any more.
    within("the end of listening", async {
        while TcpStream::connect(rig.gateway.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    connection.response().await.ok();
    assert_eq!(rig.gateway.wait().await.code(), Some(0));
}

#[tokio::test]
async fn drain_says_goaway_and_lets_streams_of_http2_finish() {
    let mut rig = Rig::start().await;
    let mut connection = rig.http2().await;
    let stream = connection.open_stream("GET", "/v1/wait/1s", &[], true).await;
    within("the call", rig.bookshelf.wait_for_begun(1)).await;
    rig.gateway.signal("TERM").await;
    stream.response().await.ok();
    let end = within("the connection's end", connection.ended).await.unwrap();
    assert!(end.is_ok(), "{end:?}");
    assert_eq!(rig.gateway.wait().await.code(), Some(0));
}

#[tokio::test]
async fn second_signal_ends_it_without_waiting() {
    let mut rig = Rig::start().await;
    let mut connection = rig.http1().await;
    connection.send_request("GET", "/v1/wait/3600s", &[("x-request-timeout", "3600")], b"").await;
    within("the call", rig.bookshelf.wait_for_begun(1)).await;
    rig.gateway.signal("TERM").await;
    rig.gateway.signal("TERM").await;
    rig.gateway.wait().await;
}
