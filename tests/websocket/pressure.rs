//! Backpressure: nobody's haste fills the gateway's memory, and nobody's departure is missed for it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc;

use super::{
    client::{JSON, Over, Session},
    raw::{FIN, PING, Raw, TEXT, frame},
};
use crate::support::{Gateway, Rig, backend, rig, within};

const CHAT: &str = "/v1/shelves/science/books/tides:chat";
const WATCH: &str = "/v1/shelves/fiction/books:watch";

/// The most that anything here may grow by, in bytes: sockets and windows, and no stream.
const BOUND: usize = 32 << 20;

/// Other calls, while which a stream would grow if anything took it in.
async fn serve_others(gateway: &Gateway) {
    let mut connection = crate::support::http1::Connection::open(gateway.address).await;
    for _ in 0..500 {
        connection.send_request("GET", "/nothing", &[], b"").await;
        assert_eq!(connection.response().await.status, 404);
    }
}

async fn gateway(upstream: std::net::SocketAddr, policy: &str) -> (Gateway, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let set = rig::write_descriptor_set(&folder);
    let config = folder.path().join("transom.yaml");
    std::fs::write(&config, rig::configuration(&set, upstream, policy)).unwrap();
    (Gateway::serve(&["--config", config.to_str().unwrap()]).await, folder)
}

#[tokio::test]
async fn backend_does_not_run_ahead_of_a_caller_who_does_not_read() {
    let sent = Arc::new(AtomicU64::new(0));
    let count = sent.clone();
    // 16 KiB in a frame of the gRPC kind, for ever: a book's title.
    let title = vec![b'a'; 16 << 10];
    let book = [&[0x12, 0x80, 0x80, 0x01][..], &title].concat();
    let message = [&[0][..], &(book.len() as u32).to_be_bytes(), &book].concat();
    let message = Bytes::from(message);
    let endless = backend::http2(move |asked: backend::Asked, mut reply| {
        let (message, count) = (message.clone(), count.clone());
        async move {
            backend::read_all(asked.into_body()).await;
            let Ok(mut stream) = reply.send_response(backend::head(), false) else { return };
            loop {
                stream.reserve_capacity(message.len());
                while stream.capacity() < message.len() {
                    let more = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
                    if !matches!(more, Some(Ok(_))) {
                        return;
                    }
                }
                if stream.send_data(message.clone(), false).is_err() {
                    return;
                }
                count.fetch_add(message.len() as u64, SeqCst);
            }
        }
    })
    .await;
    for over in [Over::Http1, Over::Http2] {
        let (gateway, _folder) = gateway(endless, "").await;
        sent.store(0, SeqCst);
        let mut session = Session::open_over(over, gateway.address, WATCH, JSON).await;
        session.json().await;
        let before = gateway.memory();
        serve_others(&gateway).await;
        assert!(sent.load(SeqCst) < BOUND as u64, "{over:?}: {} bytes ahead", sent.load(SeqCst));
        let grown = gateway.memory().saturating_sub(before);
        assert!(grown < BOUND, "{over:?}: grew by {grown} bytes");
        // What was held back comes when it is read.
        for _ in 0..1000 {
            assert_eq!(session.json().await["title"].as_str().unwrap().len(), 16 << 10);
        }
    }
}

/// A backend that answers no call and reads none; it tells of those that are left.
async fn deaf() -> (std::net::SocketAddr, mpsc::UnboundedReceiver<()>) {
    let (sender, left) = mpsc::unbounded_channel();
    let address = backend::http2(move |asked: backend::Asked, mut reply| {
        let sender = sender.clone();
        async move {
            let _body = asked.into_body();
            let _ = std::future::poll_fn(|cx| reply.poll_reset(cx)).await;
            let _ = sender.send(());
        }
    })
    .await;
    (address, left)
}

#[tokio::test]
async fn caller_does_not_run_ahead_of_a_backend_that_does_not_read() {
    let (deaf, mut left) = deaf().await;
    let (gateway, _folder) = gateway(deaf, "websocket: { ping: 100ms }").await;
    let mut raw = Raw::open(gateway.address, CHAT, &[]).await;
    let message = frame(FIN | TEXT, json!({ "text": "a".repeat(16 << 10) }).to_string());
    let before = gateway.memory();
    let sent = Arc::new(AtomicU64::new(0));
    let count = sent.clone();
    let sending = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        while let Ok(written) = raw.stream.write(&message).await {
            count.fetch_add(written as u64, SeqCst);
        }
    });
    serve_others(&gateway).await;
    assert!(sent.load(SeqCst) < BOUND as u64, "{} bytes ahead", sent.load(SeqCst));
    let grown = gateway.memory().saturating_sub(before);
    assert!(grown < BOUND / 2, "grew by {grown} bytes");
    assert!(!sending.is_finished(), "one that only waits is not gone");
    // It vanishes in the middle of all that; a ping finds nobody.
    sending.abort();
    within("the call's end", left.recv()).await.unwrap();
}

#[tokio::test]
async fn caller_who_vanishes_while_the_backend_does_not_read_is_noticed_at_once() {
    let (deaf, mut left) = deaf().await;
    let (gateway, _folder) = gateway(deaf, "websocket: { ping: none, idle: none }").await;
    for over in [Over::Http1, Over::Http2] {
        let mut session = Session::open_over(over, gateway.address, CHAT, JSON).await;
        // More than the backend's window and the gateway's queue, and no more than may be read ahead.
        for _ in 0..7 {
            session.send(json!({ "text": "a".repeat(16 << 10) }).to_string()).await;
        }
        drop(session);
        within("the call's end", left.recv()).await.unwrap();
    }
}

#[tokio::test]
async fn pings_without_end_of_a_caller_who_does_not_read_cost_no_memory() {
    let rig = Rig::start().await;
    let mut raw = Raw::open(rig.gateway.address, CHAT, &[]).await;
    let pings = frame(FIN | PING, "a".repeat(125)).repeat(1000);
    let before = rig.gateway.memory();
    let sending = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        while raw.stream.write_all(&pings).await.is_ok() {}
    });
    serve_others(&rig.gateway).await;
    let grown = rig.gateway.memory().saturating_sub(before);
    assert!(grown < BOUND / 2, "grew by {grown} bytes");
    sending.abort();
}

#[tokio::test]
async fn long_message_leaves_in_several_frames() {
    let rig = Rig::start().await;
    let text = "é".repeat(300_000);
    let mut session = Session::open(rig.gateway.address, CHAT).await;
    session.send(json!({ "text": text }).to_string()).await;
    assert_eq!(session.json().await["text"], text);
    let mut raw = Raw::open(rig.gateway.address, CHAT, &[]).await;
    raw.send(frame(FIN | TEXT, json!({ "text": text }).to_string())).await;
    let mut whole = Vec::new();
    for count in 0.. {
        let (first, payload) = raw.next().await.unwrap();
        assert_eq!(first & 0x0f, if count == 0 { TEXT } else { 0 });
        assert!(payload.len() <= 128 << 10);
        whole.extend(payload);
        if first & FIN == FIN {
            assert!(count > 2);
            break;
        }
    }
    let answer: serde_json::Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!(answer["text"], text);
}

#[tokio::test]
async fn messages_that_are_ready_together_leave_in_few_writes() {
    use tokio::io::AsyncReadExt;
    let rig = Rig::start().await;
    let path = format!("{WATCH}?repeat=500");
    let mut raw = Raw::open(rig.gateway.address, &path, &[]).await;
    let mut all = Vec::new();
    let mut reads = 0;
    let mut piece = vec![0; 1 << 20];
    loop {
        match within("bytes", raw.stream.read(&mut piece)).await.unwrap() {
            0 => break,
            length => all.extend_from_slice(&piece[..length]),
        }
        reads += 1;
    }
    let frames = memchr::memmem::find_iter(&all, br#"{"name":"shelves/"#).count();
    assert_eq!(frames, 1000);
    assert!(reads < frames / 4, "{reads} writes for {frames} messages");
}
