//! Pings, silence, and frames that break the rules.

use std::time::Duration;

use serde_json::Value;

use super::raw::{BINARY, CLOSE, FIN, PING, PONG, Raw, TEXT, close, frame};
use crate::support::{Rig, with_time_enough, within};

const CHAT: &str = "/v1/shelves/science/books/tides:chat";
const WATCH: &str = "/v1/shelves/nothing/books:watch?follow=true";

fn code(payload: &[u8]) -> u16 {
    u16::from_be_bytes([payload[0], payload[1]])
}

#[tokio::test]
async fn caller_is_pinged_and_lives_on_while_it_answers() {
    // Who is too busy to answer between two pings is taken to be gone.
    with_time_enough(async |interval| {
        let rig = Rig::with_policy(&format!("websocket: {{ ping: {interval}ms }}")).await;
        let mut raw = Raw::open(rig.gateway.address, CHAT, &[]).await;
        let mut pings = 0;
        while let Some((first, payload)) = raw.next().await {
            if first == FIN | TEXT {
                let answer: Value = serde_json::from_slice(&payload).unwrap();
                assert_eq!(answer["text"], "alive");
                return true;
            }
            assert_eq!(first, FIN | PING);
            raw.send(frame(FIN | PONG, payload)).await;
            pings += 1;
            if pings == 5 {
                raw.send(frame(FIN | TEXT, r#"{"text":"alive"}"#)).await;
            }
        }
        false
    })
    .await;
}

#[tokio::test]
async fn caller_who_answers_no_ping_is_gone() {
    let rig = Rig::with_policy("websocket: { ping: 50ms }").await;
    let mut raw = Raw::open(rig.gateway.address, WATCH, &[]).await;
    assert_eq!(raw.next().await.unwrap().0, FIN | PING);
    assert_eq!(raw.next().await, None);
    within("the call's end", rig.bookshelf.wait_for_cancelled(1)).await;
}

#[tokio::test]
async fn session_without_a_message_is_closed_after_the_idle_limit() {
    // It answers pings, which are no messages; else it would be gone before.
    with_time_enough(async |interval| {
        let idle = 5 * interval;
        let policy = format!("websocket: {{ ping: {interval}ms, idle: {idle}ms }}");
        let rig = Rig::with_policy(&policy).await;
        let begin = std::time::Instant::now();
        let mut raw = Raw::open(rig.gateway.address, WATCH, &[]).await;
        while let Some((first, payload)) = raw.next().await {
            if first == FIN | CLOSE {
                assert_eq!(code(&payload), 1001);
                let reason = str::from_utf8(&payload[2..]).unwrap();
                assert!(reason.contains("no message"), "{reason}");
                assert!(begin.elapsed() >= Duration::from_millis(idle.into()));
                within("the call's end", rig.bookshelf.wait_for_cancelled(1)).await;
                return true;
            }
            assert_eq!(first, FIN | PING);
            raw.send(frame(FIN | PONG, payload)).await;
        }
        false
    })
    .await;
}

#[tokio::test]
async fn frame_without_a_mask_is_1002() {
    let rig = Rig::start().await;
    let mut raw = Raw::open(rig.gateway.address, CHAT, &[]).await;
    raw.send([FIN | TEXT, 2, b'{', b'}']).await;
    let (first, payload) = raw.next().await.unwrap();
    assert_eq!((first, code(&payload)), (FIN | CLOSE, 1002));
    assert_eq!(raw.next().await, None);
}

#[tokio::test]
async fn message_that_says_it_is_past_the_limit_is_1009_before_it_comes() {
    let rig = Rig::start().await;
    for length in [(4_u64 << 20) + 1, u64::MAX >> 1, u64::MAX] {
        let mut raw = Raw::open(rig.gateway.address, CHAT, &[]).await;
        let head = [&[FIN | BINARY, 0x80 | 127][..], &length.to_be_bytes(), &[0; 4]].concat();
        raw.send(head).await;
        let (first, payload) = raw.next().await.unwrap();
        assert_eq!((first, code(&payload)), (FIN | CLOSE, 1009), "{length}");
        assert_eq!(raw.next().await, None);
    }
}

#[tokio::test]
async fn message_of_fragments_past_the_limit_is_1009() {
    let rig = Rig::with_policy("max_request_message: 1000").await;
    let mut raw = Raw::open(rig.gateway.address, CHAT, &[]).await;
    raw.send(frame(TEXT, "a".repeat(600))).await;
    raw.send(frame(0, "a".repeat(600))).await;
    let (first, payload) = raw.next().await.unwrap();
    assert_eq!((first, code(&payload)), (FIN | CLOSE, 1009));
}

#[tokio::test]
async fn session_cut_at_each_byte_of_its_frames_is_the_same_session() {
    let rig = Rig::start().await;
    let frames = [
        frame(TEXT, r#"{"text":"#),
        frame(FIN | PING, "still there?"),
        frame(FIN, "\"κόσμε\"}"),
        frame(FIN | TEXT, ""),
    ]
    .concat();
    for cut in 1..frames.len() {
        let mut raw = Raw::open(rig.gateway.address, CHAT, &[]).await;
        raw.send(&frames[..cut]).await;
        tokio::task::yield_now().await;
        raw.send(&frames[cut..]).await;
        assert_eq!(raw.next().await.unwrap(), (FIN | PONG, b"still there?".to_vec()), "{cut}");
        let (first, payload) = raw.next().await.unwrap();
        let answer: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!((first, answer["text"].as_str()), (FIN | TEXT, Some("κόσμε")), "{cut}");
        assert_eq!(raw.next().await.unwrap(), (FIN | CLOSE, close(1000, "")), "{cut}");
    }
}
