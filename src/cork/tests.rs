//! What leaves when, what a full or broken socket does, and that every byte arrives in order.

use std::{future::poll_fn, task::Waker};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

/// What has arrived and can be read at once.
fn arrived(peer: &mut DuplexStream) -> Vec<u8> {
    let mut space = vec![0; 1 << 20];
    let mut buffer = ReadBuf::new(&mut space);
    let _ = Pin::new(peer).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer);
    buffer.filled().to_vec()
}

fn pull(puller: &Puller<DuplexStream>) {
    puller.pull(&mut Context::from_waker(Waker::noop()));
}

#[tokio::test]
async fn small_writes_leave_together_when_pulled() {
    let (near, mut far) = duplex(1 << 20);
    let (mut corked, puller) = cork(near);
    for part in ["a", "bc", "d"] {
        corked.write_all(part.as_bytes()).await.unwrap();
        corked.flush().await.unwrap();
    }
    assert!(arrived(&mut far).is_empty());
    pull(&puller);
    assert_eq!(arrived(&mut far), b"abcd");
}

#[tokio::test]
async fn large_write_takes_what_is_held_along_at_once() {
    let (near, mut far) = duplex(1 << 20);
    let (mut corked, puller) = cork(near);
    let large = vec![7; HELD];
    corked.write_all(b"head").await.unwrap();
    corked.write_all(&large).await.unwrap();
    let came = arrived(&mut far);
    pull(&puller);
    let came = [came, arrived(&mut far)].concat();
    assert_eq!(came, [b"head", &large[..]].concat());
}

#[tokio::test]
async fn reader_that_is_slow_gets_every_byte_in_order() {
    let (near, mut far) = duplex(1000);
    let (mut corked, puller) = cork(near);
    let sent: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    let expected = sent.clone();
    let writer = tokio::spawn(async move {
        let (mut at, mut size) = (0, 1);
        while at < sent.len() {
            let end = (at + size).min(sent.len());
            corked.write_all(&sent[at..end]).await.unwrap();
            poll_fn(|cx| {
                puller.pull(cx);
                Poll::Ready(())
            })
            .await;
            (at, size) = (end, size * 3 % 50_000);
        }
        corked.shutdown().await.unwrap();
    });
    let mut came = Vec::new();
    far.read_to_end(&mut came).await.unwrap();
    writer.await.unwrap();
    assert!(came == expected);
}

#[tokio::test]
async fn no_more_is_held_than_the_bound() {
    let (near, _far) = duplex(10);
    let (mut corked, _puller) = cork(near);
    let mut held = 0;
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(written) = Pin::new(&mut corked).poll_write(&mut cx, &[1; 1000]) {
        held += written.unwrap();
    }
    assert!((HELD - 1000..=HELD + 1000).contains(&held), "{held}");
}

#[tokio::test]
async fn socket_that_breaks_fails_the_next_flush() {
    let (near, far) = duplex(10);
    let (mut corked, puller) = cork(near);
    corked.write_all(b"hello").await.unwrap();
    drop(far);
    pull(&puller);
    let error = corked.flush().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn shutdown_sends_what_is_held() {
    let (near, mut far) = duplex(1 << 10);
    let (mut corked, _puller) = cork(near);
    corked.write_all(b"goodbye").await.unwrap();
    corked.shutdown().await.unwrap();
    let mut came = String::new();
    far.read_to_string(&mut came).await.unwrap();
    assert_eq!(came, "goodbye");
}
