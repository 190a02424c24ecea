//! HTTP/2 connections that mean harm: what each of them costs, and that nobody else notices.
//!
//! The frames are written by hand (RFC 9113 §4), for no client library lets one do such things.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::{BOOK, serve};
use crate::support::{Gateway, http1, within};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Error codes of a GOAWAY (RFC 9113 §7).
const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const FRAME_SIZE_ERROR: u32 = 6;
const ENHANCE_YOUR_CALM: u32 = 11;

/// What one attack may cost, in bytes; the floods send more.
const BOUND: usize = 48 << 20;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The header block of a request (RFC 7541): pseudo-headers, all but the path and the host from
/// the static table.
fn request(method: &str, path: &str) -> Vec<u8> {
    let mut block = vec![if method == "GET" { 0x82 } else { 0x83 }, 0x86, 0x04, path.len() as u8];
    block.extend(path.as_bytes());
    block.extend([0x01, 1, b'a']);
    block
}

/// A connection of an attacker, past the preface.
struct Attacker {
    reading: OwnedReadHalf,
    writing: OwnedWriteHalf,
}

impl Attacker {
    async fn connect(gateway: &Gateway) -> Self {
        Self::with_settings(gateway, &[]).await
    }

    async fn with_settings(gateway: &Gateway, settings: &[u8]) -> Self {
        let stream = TcpStream::connect(gateway.address).await.unwrap();
        let (reading, mut writing) = stream.into_split();
        let begin =
            [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &*frame(SETTINGS, 0, 0, settings)].concat();
        writing.write_all(&begin).await.unwrap();
        Self { reading, writing }
    }

    async fn send(&mut self, bytes: &[u8]) {
        let _ = within("room to send", self.writing.write_all(bytes)).await;
    }

    /// The next frame: kind, flags, stream, payload. None at the end.
    async fn next(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        next(&mut self.reading).await
    }

    /// The error code that the connection is closed with; none if it ends without.
    async fn goaway(&mut self) -> Option<u32> {
        goaway(&mut self.reading).await
    }
}

async fn next(reading: &mut OwnedReadHalf) -> Option<(u8, u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    within("a frame", reading.read_exact(&mut head)).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    within("a payload", reading.read_exact(&mut payload)).await.ok()?;
    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    Some((head[3], head[4], stream, payload))
}

async fn goaway(reading: &mut OwnedReadHalf) -> Option<u32> {
    let mut code = None;
    while let Some((kind, _, _, payload)) = next(reading).await {
        if kind == GOAWAY {
            code = Some(u32::from_be_bytes([payload[4], payload[5], payload[6], payload[7]]));
        }
    }
    code
}

/// A gateway with one worker, so that everybody shares a thread with the attacker.
struct Stage {
    gateway: Gateway,
    bookshelf: transom::cli::demo::bookshelf::Bookshelf,
    before: usize,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (bookshelf, gateway) = serve(&folder, "  - address: 127.0.0.1:0\n").await;
        http1::request(gateway.address, "GET", BOOK, &[], b"").await.ok();
        let before = gateway.memory();
        Self { gateway, bookshelf, before, _folder: folder }
    }

    /// Others are served, and the memory is bounded.
    async fn check(&self) {
        self.check_bounded(BOUND).await;
    }

    async fn check_bounded(&self, bound: usize) {
        for _ in 0..5 {
            http1::request(self.gateway.address, "GET", BOOK, &[], b"").await.ok();
        }
        let cost = self.gateway.memory().saturating_sub(self.before);
        assert!(cost < bound, "the attack cost {cost} bytes");
    }

    /// Sends the same again and again until the connection is closed, or `rounds` are over, while
    /// what comes is read; gives the code of the GOAWAY.
    async fn flood(&self, begin: &[u8], again: &[u8], rounds: usize) -> Option<u32> {
        let mut attacker = Attacker::connect(&self.gateway).await;
        attacker.send(begin).await;
        let Attacker { mut reading, mut writing } = attacker;
        let again = again.to_vec();
        let sending = tokio::spawn(async move {
            for _ in 0..rounds {
                if writing.write_all(&again).await.is_err() {
                    break;
                }
            }
            let _ = writing.shutdown().await;
        });
        let (code, ()) = tokio::join!(goaway(&mut reading), self.check());
        within("the flood's end", sending).await.unwrap();
        self.check().await;
        code
    }

    /// The same, but nothing is read, until nothing more can be sent.
    async fn flood_unread(&self, again: &[u8]) {
        let mut attacker = Attacker::connect(&self.gateway).await;
        let stuck = async {
            loop {
                let sent = attacker.writing.write_all(again);
                // Long enough for the other side to take something, if it ever will.
                match tokio::time::timeout(Duration::from_millis(500), sent).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) | Err(_) => break,
                }
            }
        };
        tokio::join!(within("backpressure", stuck), self.check());
        self.check().await;
        drop(attacker);
    }
}

#[tokio::test]
async fn http2_rapid_reset_is_told_to_calm_down() {
    let stage = Stage::set().await;
    let block = request("GET", "/v1/wait/3600s");
    let mut attacker = Attacker::connect(&stage.gateway).await;
    let mut burst = Vec::new();
    for number in 0..20_000 {
        let stream = 2 * number + 1;
        burst.extend(frame(HEADERS, END_STREAM | END_HEADERS, stream, &block));
        burst.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    let Attacker { mut reading, mut writing } = attacker;
    let sending = tokio::spawn(async move { writing.write_all(&burst).await });
    let (code, ()) = tokio::join!(goaway(&mut reading), stage.check());
    assert_eq!(code, Some(ENHANCE_YOUR_CALM));
    let _ = within("the end", sending).await;
    stage.check().await;
    assert!(stage.bookshelf.begun() < 1000, "{} calls got through", stage.bookshelf.begun());
    attacker = Attacker::connect(&stage.gateway).await;
    attacker.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &request("GET", BOOK))).await;
    while let Some((kind, _, stream, _)) = attacker.next().await {
        if (kind, stream) == (HEADERS, 1) {
            return;
        }
    }
    panic!("a new connection is not served");
}

#[tokio::test]
async fn http2_resets_one_by_one_leave_no_call_behind() {
    let stage = Stage::set().await;
    let begun = stage.bookshelf.begun();
    let mut attacker = Attacker::connect(&stage.gateway).await;
    let block = request("GET", "/v1/wait/3600s");
    for number in 0..300 {
        let stream = 2 * number + 1;
        attacker.send(&frame(HEADERS, END_STREAM | END_HEADERS, stream, &block)).await;
        // The answer to a ping shows that the stream before it has been seen.
        attacker.send(&frame(PING, 0, 0, &[1; 8])).await;
        while attacker.next().await.is_some_and(|(kind, ..)| kind != PING) {}
        attacker.send(&frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())).await;
    }
    let begun = stage.bookshelf.begun() - begun;
    within("the calls' end", stage.bookshelf.wait_for_cancelled(begun)).await;
    stage.check().await;
}

#[tokio::test]
async fn http2_continuation_flood_is_cut_short() {
    let stage = Stage::set().await;
    // A literal of 2,000 bytes without indexing, again and again.
    let mut field = vec![0x00, 1, b'x', 0x7f, 0xd1, 0x0e];
    field.extend([b'a'; 2000]);
    for (begin, fragment) in [
        (request("GET", BOOK), field.repeat(8)),
        (request("GET", BOOK), Vec::new()),
        (Vec::new(), Vec::new()),
    ] {
        let begin = frame(HEADERS, END_STREAM, 1, &begin);
        let again = frame(CONTINUATION, 0, 1, &fragment);
        let again = again.repeat((16_000 / again.len()).max(1));
        let code = stage.flood(&begin, &again, 10_000).await;
        assert!(code.is_some_and(|code| code != 0), "{code:?}");
    }
}

#[tokio::test]
async fn http2_header_bomb_is_refused() {
    let stage = Stage::set().await;
    let mut attacker = Attacker::connect(&stage.gateway).await;
    // A field of 4,000 bytes goes into the table, and is named by one byte many times: 4 MiB.
    let mut block = request("GET", BOOK);
    block.extend([0x40, 1, b'x', 0x7f, 0xa1, 0x1e]);
    block.extend([b'a'; 4000]);
    block.extend([0xbe; 1000]);
    for stream in [1, 3, 5] {
        attacker.send(&frame(HEADERS, END_STREAM | END_HEADERS, stream, &block)).await;
        let refused = loop {
            match attacker.next().await {
                Some((HEADERS, _, at, payload)) if at == stream => break payload,
                Some((RST_STREAM | GOAWAY, ..)) | None => break Vec::new(),
                Some(_) => {}
            }
        };
        // `:status: 200` is the index 8 of the static table.
        assert_ne!(refused.first(), Some(&0x88), "served");
    }
    stage.check().await;
}

#[tokio::test]
async fn http2_floods_of_control_frames_cost_nothing_but_their_connection() {
    let stage = Stage::set().await;
    for again in [
        frame(PING, 0, 0, &[7; 8]),
        frame(SETTINGS, 0, 0, &[]),
        frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff]),
        frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 16]),
        frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()),
        frame(0xfa, 0, 0, &[7; 8]),
    ] {
        let again = again.repeat(16_000 / again.len());
        stage.flood(&[], &again, 100).await;
    }
    for again in [frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, &[])] {
        stage.flood_unread(&again.repeat(16_000 / again.len())).await;
    }
}

#[tokio::test]
async fn http2_flood_of_empty_data_is_told_to_calm_down() {
    let stage = Stage::set().await;
    let begin = frame(HEADERS, END_HEADERS, 1, &request("POST", "/v1/shelves/a/books:import"));
    let again = frame(DATA, 0, 1, &[]).repeat(1000);
    assert_eq!(stage.flood(&begin, &again, 1000).await, Some(ENHANCE_YOUR_CALM));
    // Padding alone is no data either.
    let again = frame(DATA, 8, 1, &[255; 256]).repeat(60);
    let code = stage.flood(&begin, &again, 1000).await;
    assert!(code.is_some_and(|code| code != 0), "{code:?}");
}

#[tokio::test]
async fn http2_abuse_of_windows_is_an_error() {
    let stage = Stage::set().await;
    let full = frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes());
    let none = frame(WINDOW_UPDATE, 0, 0, &0_u32.to_be_bytes());
    let large = frame(SETTINGS, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff]);
    // Which of the two codes it is differs between the cases, and from the letter of the RFC.
    for bytes in [full, none, large] {
        let mut attacker = Attacker::connect(&stage.gateway).await;
        attacker.send(&bytes).await;
        let code = attacker.goaway().await;
        assert!(matches!(code, Some(PROTOCOL_ERROR | FLOW_CONTROL_ERROR)), "{code:?}");
    }
    let mut attacker = Attacker::connect(&stage.gateway).await;
    attacker.send(&[0x01, 0x00, 0x01, DATA, 0, 0, 0, 0, 1]).await;
    assert_eq!(attacker.goaway().await, Some(FRAME_SIZE_ERROR));
    stage.check().await;
}

#[tokio::test]
async fn http2_peer_that_opens_no_window_holds_little_memory() {
    let stage = Stage::set().await;
    let mut attacker = Attacker::with_settings(&stage.gateway, &[0, 4, 0, 0, 0, 0]).await;
    let block = request("GET", "/v1/shelves/fiction/books:watch?follow=true&repeat=1000000");
    for number in 0..100 {
        attacker.send(&frame(HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, &block)).await;
    }
    let mut answered = 0;
    while answered < 100 {
        let (kind, ..) = attacker.next().await.expect("heads need no window");
        answered += usize::from(kind == HEADERS);
    }
    // Each stream may have a window's worth from the backend, half a mebibyte, and what waits to be
    // sent; all that the backend has to say would be gigabytes.
    stage.check_bounded(100 << 20).await;
    drop(attacker);
    within("the calls' end", stage.bookshelf.wait_for_cancelled(100)).await;
}
