//! What is long costs time and no memory: it passes through, and is never there as a whole.

use crate::support::{Rig, http1};

/// More than any buffer on the way, and less than half of what passes.
const BOUND: usize = 12 << 20;

const TEXT: &str = "/v1/shelves/science/books/tides/text";

/// Reads a chunked body to its end without keeping it; gives its length.
async fn read_through(connection: &mut http1::Connection) -> usize {
    let mut length = 0;
    loop {
        match connection.chunk().await.expect("a body that ends well") {
            chunk if chunk.is_empty() => return length,
            chunk => length += chunk.len(),
        }
    }
}

#[tokio::test]
async fn download_of_raw_bytes_of_any_length_costs_no_memory() {
    let rig = Rig::start().await;
    let text = rig.get(TEXT).await.body.len();
    let repeat = (48 << 20) / text;
    let before = rig.gateway.memory();
    let mut connection = rig.http1().await;
    let path = format!("{TEXT}?piece_size=65536&repeat={repeat}");
    connection.send_request("GET", &path, &[], b"").await;
    connection.response_head().await;
    assert_eq!(read_through(&mut connection).await, text * repeat);
    let grown = rig.gateway.memory().saturating_sub(before);
    assert!(grown < BOUND, "grew by {grown} bytes");
}

#[tokio::test]
async fn stream_of_any_number_of_messages_costs_no_memory() {
    let rig = Rig::start().await;
    let watch = "/v1/shelves/fiction/books:watch";
    rig.get(watch).await.ok();
    let before = rig.gateway.memory();
    let mut connection = rig.http1().await;
    let headers = [("accept", "application/x-ndjson")];
    connection.send_request("GET", &format!("{watch}?repeat=100000"), &headers, b"").await;
    connection.response_head().await;
    let length = read_through(&mut connection).await;
    let grown = rig.gateway.memory().saturating_sub(before);
    assert!(length > 2 * BOUND, "{length} bytes are too few to tell");
    assert!(grown < BOUND, "grew by {grown} bytes while {length} passed");
}
