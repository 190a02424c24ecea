//! The cases of the Autobahn test suite, against a method that answers each message with one.
//!
//! The suite itself (<https://github.com/crossbario/autobahn-testsuite>) runs on Python 2 alone, and
//! wants its messages back as they were. Here each case is told again, under its own number: a
//! message is a Chat message whose text comes back. Where the suite lets a server choose between a
//! strict and a lenient way, what is expected is what this server does. Left out are the cases that
//! differ from others in size alone (most of section 9) and those of compression (12 and 13),
//! which is not agreed to.

mod close;
mod frames;
mod utf8;

use std::net::SocketAddr;

use prost::Message as _;
use serde_json::{Value, json};
use transom::cli::demo::bookshelf::types::bookshelf::v1::ChatMessage;

use super::{
    client::{JSON, PROTO},
    raw::{BINARY, CLOSE, FIN, PING, PONG, Raw, TEXT, close as close_payload, frame},
};

const CHAT: &str = "/v1/shelves/science/books/tides:chat";

/// One case: what is sent, write by write, and what has to come.
#[derive(Default)]
struct Case {
    number: &'static str,
    binary: bool,
    sends: Vec<Vec<u8>>,
    /// The texts that come back.
    echoes: Vec<String>,
    /// Whether a fault later on may take echoes away that are on their way.
    races: bool,
    /// The payloads of pongs.
    pongs: Vec<Vec<u8>>,
    /// How the server closes; where it doesn't by itself, the client closes with 1000 at the end.
    close: Option<u16>,
}

impl Case {
    fn new(number: &'static str) -> Self {
        Self { number, ..Self::default() }
    }

    /// In `transom.proto`.
    fn binary(mut self) -> Self {
        self.binary = true;
        self
    }

    /// Sends frames, a write each.
    fn send(mut self, frame: Vec<u8>) -> Self {
        self.sends.push(frame);
        self
    }

    /// Sends what there is so far in writes of this many bytes.
    fn chopped(mut self, size: usize) -> Self {
        let all = self.sends.concat();
        self.sends = all.chunks(size).map(<[u8]>::to_vec).collect();
        self
    }

    /// Sends what there is so far in one write.
    fn at_once(self) -> Self {
        let size = self.sends.concat().len();
        self.chopped(size)
    }

    fn echo(mut self, text: impl Into<String>) -> Self {
        self.echoes.push(text.into());
        self
    }

    fn pong(mut self, payload: impl Into<Vec<u8>>) -> Self {
        self.pongs.push(payload.into());
        self
    }

    fn closes(mut self, code: u16) -> Self {
        self.close = Some(code);
        self
    }

    /// Closes for a fault that may overtake the echoes before it.
    fn fails(mut self, code: u16) -> Self {
        self.races = true;
        self.closes(code)
    }

    async fn run(self, address: SocketAddr) {
        let tongue = if self.binary { PROTO } else { JSON };
        let mut raw = Raw::open(address, CHAT, tongue).await;
        for bytes in &self.sends {
            // After a fault the server may take no more.
            if !raw.send(bytes).await {
                break;
            }
        }
        let (mut echoes, mut pongs, mut close) = (Vec::new(), Vec::new(), None);
        let mut asked = false;
        while close.is_none() {
            let complete = echoes.len() >= self.echoes.len() && pongs.len() >= self.pongs.len();
            if complete && self.close.is_none() && !asked {
                raw.send(frame(FIN | CLOSE, close_payload(1000, ""))).await;
                asked = true;
            }
            let Some((first, payload)) = raw.next().await else {
                panic!("{}: the connection ended without a close", self.number);
            };
            match first {
                first if first == FIN | PONG => pongs.push(payload),
                first if first == FIN | CLOSE => close = Some(payload),
                first if first & 0x0f == TEXT || first & 0x0f == BINARY || first & 0x0f == 0 => {
                    echoes.extend(self.text(first, payload, &mut raw).await);
                }
                _ => panic!("{}: {first:#x} {payload:?}", self.number),
            }
        }
        self.check(&echoes, &pongs, &close.unwrap());
        assert_eq!(raw.next().await, None, "{}: the server closes first", self.number);
    }

    /// The text of an echo, whose message may go on in further frames; none for a Status.
    async fn text(&self, first: u8, mut payload: Vec<u8>, raw: &mut Raw) -> Option<String> {
        let mut last = first & FIN == FIN;
        while !last {
            let (first, more) = raw.next().await.unwrap();
            assert_eq!(first & 0x0f, 0, "{}", self.number);
            payload.extend(more);
            last = first & FIN == FIN;
        }
        if first & 0x0f == BINARY {
            return Some(ChatMessage::decode(&payload[..]).unwrap().text);
        }
        let message: Value = serde_json::from_slice(&payload).unwrap();
        let is_answer = message["number"].is_number();
        is_answer.then(|| message["text"].as_str().unwrap_or_default().to_owned())
    }

    fn check(&self, echoes: &[String], pongs: &[Vec<u8>], close: &[u8]) {
        let number = self.number;
        assert_eq!(pongs, self.pongs, "{number}");
        let expected = &self.echoes[..if self.races { echoes.len() } else { self.echoes.len() }];
        assert!(echoes == expected, "{number}: {} echoes", echoes.len());
        let code = match close {
            // A close frame without a code is answered with one.
            [] => 1000,
            close => u16::from_be_bytes([close[0], close[1]]),
        };
        assert_eq!(code, self.close.unwrap_or(1000), "{number}");
        assert!(close.len() <= 125 && str::from_utf8(close.get(2..).unwrap_or_default()).is_ok());
    }
}

/// The JSON of a message with this text.
fn said(text: &str) -> Vec<u8> {
    json!({ "text": text }).to_string().into_bytes()
}

/// A text frame of a message with this text.
fn text(text: &str) -> Vec<u8> {
    frame(FIN | TEXT, said(text))
}

/// A message with a text of as many `*` as make it this long, and the text.
fn sized(length: usize) -> (Vec<u8>, String) {
    let text = "*".repeat(length - said("").len());
    (said(&text), text)
}

/// The same in protobuf.
fn sized_binary(length: usize) -> (Vec<u8>, String) {
    let overhead = match length {
        0 => 0,
        1..=129 => 2,
        130..=16386 => 3,
        16387.. => 4,
    };
    let text = "*".repeat(length.saturating_sub(overhead));
    let message = ChatMessage { text: text.clone(), ..Default::default() };
    (message.encode_to_vec(), text)
}

fn ping(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(FIN | PING, payload)
}

async fn run(cases: Vec<Case>, at_least: usize) {
    let rig = crate::support::Rig::start().await;
    assert!(cases.len() >= at_least, "only {} cases", cases.len());
    for case in cases {
        case.run(rig.gateway.address).await;
    }
}
