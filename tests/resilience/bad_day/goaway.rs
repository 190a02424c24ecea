//! A backend that says GOAWAY in the middle of calls, and that it has not looked at the last ones.
//!
//! It is made of bare frames, for no library lets its user choose the last stream. No retry policy
//! is set: what a backend says that it never saw is sent again whatever the method (gRFC A6,
//! transparent retries), and nothing is sent twice.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
};

use super::{CALLS, LANES, load, table};
use crate::{resilience::site::Site, support::backend};

/// How many calls a connection answers at once.
const GOOD: usize = 20;

/// How many it then waits for, to refuse all but the first of them.
const HELD: usize = 3;

/// The frame kinds and flags that occur (RFC 9113 §6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const ACK_OR_END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `:status: 200` and `content-type: application/grpc` (RFC 7541: indexed, and a literal).
const HEAD: &[u8] = b"\x88\x0f\x10\x10application/grpc";

/// `grpc-status: 0`.
const TRAILERS: &[u8] = b"\x00\x0bgrpc-status\x010";

/// What all connections have in common.
#[derive(Clone)]
struct Day {
    /// Whether nothing is held or refused any more.
    calm: watch::Receiver<bool>,
    answered: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

impl Day {
    fn answer(&self, out: &mut Vec<u8>, stream: u32) {
        self.answered.fetch_add(1, SeqCst);
        frame(out, HEADERS, END_HEADERS, stream, HEAD);
        frame(out, DATA, 0, stream, &[0; 5]);
        frame(out, HEADERS, END_HEADERS | ACK_OR_END_STREAM, stream, TRAILERS);
    }

    /// Serves one connection to its end.
    async fn serve(mut self, mut stream: TcpStream) {
        let mut buffer = BytesMut::new();
        let (mut good, mut held, mut is_leaving) = (0, Vec::new(), false);
        let mut out = Vec::new();
        frame(&mut out, SETTINGS, 0, 0, &[]);
        let mut is_greeted = false;
        loop {
            if stream.write_all(&out).await.is_err() {
                return;
            }
            out.clear();
            let is_calm = *self.calm.borrow_and_update();
            tokio::select! {
                read = stream.read_buf(&mut buffer) => if matches!(read, Ok(0) | Err(_)) { return },
                changed = self.calm.changed(), if !is_calm => changed.unwrap(),
            }
            if !is_greeted && buffer.len() >= 24 {
                buffer.advance(24);
                is_greeted = true;
            }
            while let Some(call) = is_greeted.then(|| next_call(&mut buffer, &mut out)).flatten() {
                match call {
                    _ if is_leaving => _ = self.refused.fetch_add(1, SeqCst),
                    call if good < GOOD => {
                        good += 1;
                        self.answer(&mut out, call);
                    }
                    call => held.push(call),
                }
            }
            if *self.calm.borrow() && !is_leaving {
                held.drain(..).for_each(|call| self.answer(&mut out, call));
            } else if held.len() >= HELD {
                let last = held[0];
                let payload = [last.to_be_bytes(), 0_u32.to_be_bytes()].concat();
                frame(&mut out, GOAWAY, 0, 0, &payload);
                self.answer(&mut out, last);
                self.refused.fetch_add(held.len() - 1, SeqCst);
                held.clear();
                is_leaving = true;
            }
        }
    }
}

/// Takes frames out of the buffer up to the next end of a request; gives its stream.
fn next_call(buffer: &mut BytesMut, out: &mut Vec<u8>) -> Option<u32> {
    while buffer.len() >= 9 {
        let length = u32::from_be_bytes([0, buffer[0], buffer[1], buffer[2]]) as usize;
        if buffer.len() < 9 + length {
            return None;
        }
        let (kind, flags) = (buffer[3], buffer[4]);
        let stream = u32::from_be_bytes([buffer[5], buffer[6], buffer[7], buffer[8]]);
        buffer.advance(9 + length);
        let is_end = flags & ACK_OR_END_STREAM != 0;
        match kind {
            SETTINGS if !is_end => frame(out, SETTINGS, ACK_OR_END_STREAM, 0, &[]),
            DATA | HEADERS if is_end => return Some(stream),
            _ => {}
        }
    }
    None
}

#[tokio::test]
async fn bad_day_goaway_below_calls_in_flight_loses_none_and_repeats_none() {
    let calm = watch::Sender::new(false);
    let day = Day { calm: calm.subscribe(), answered: Arc::default(), refused: Arc::default() };
    let (answered, refused) = (day.answered.clone(), day.refused.clone());
    let address = backend::raw(move |stream| day.clone().serve(stream)).await;
    let site = Site::before(&[address], "", "").await;
    let fault = "GOAWAY below calls in flight, again and again (no retry policy)";
    let (figures, ()) = load::run(&site.door(), LANES, async |load| {
        load.calls(2 * CALLS).await;
        calm.send_replace(true);
    })
    .await;
    table::note(fault, &figures);
    figures.none_failed(fault);
    assert_eq!(answered.load(SeqCst), figures.calls(), "each is answered once");
    assert!(refused.load(SeqCst) > 0, "no call was refused");
}
