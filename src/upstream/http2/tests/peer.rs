//! A peer that says what a test tells it to, octet by octet, and takes down what it hears.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::JoinHandle,
};

use super::{Client, soon};
use crate::upstream::http2::{
    End,
    frame::{self, FrameHead, HEAD, PREFACE, flag, kind},
};

/// A frame as the peer hears it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

/// The peer's end of a connection.
pub(super) struct Peer(DuplexStream);

/// `:status: 200`, the grpc content type, and `grpc-status: 0`, as HPACK has them.
pub(super) const OK: &[u8] = b"\x88";
pub(super) const STATUS: &[u8] = b"\x00\x0bgrpc-status\x010";

/// The octets of a frame.
pub(super) fn octets(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::write(&mut out, kind, flags, stream, payload);
    out
}

pub(super) fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let pairs = settings.iter();
    let payload: Vec<u8> = pairs
        .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect();
    octets(kind::SETTINGS, 0, 0, &payload)
}

pub(super) fn headers(stream: u32, block: &[u8]) -> Vec<u8> {
    octets(kind::HEADERS, flag::END_HEADERS, stream, block)
}

pub(super) fn trailers(stream: u32, block: &[u8]) -> Vec<u8> {
    octets(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, stream, block)
}

pub(super) fn data(stream: u32, payload: &[u8]) -> Vec<u8> {
    octets(kind::DATA, 0, stream, payload)
}

/// A whole reply with this body.
pub(super) fn reply(stream: u32, body: &[u8]) -> Vec<u8> {
    [headers(stream, OK), data(stream, body), trailers(stream, STATUS)].concat()
}

/// A connection whose peer has heard the client's beginning and said nothing.
pub(super) async fn connect() -> (Client, JoinHandle<End>, Peer) {
    connect_through(1 << 20).await
}

/// The same over a pipe that holds so many bytes.
pub(super) async fn connect_through(size: usize) -> (Client, JoinHandle<End>, Peer) {
    let (ours, theirs) = tokio::io::duplex(size);
    let (client, mut link) = Client::new(ours);
    let driver = tokio::spawn(std::future::poll_fn(move |cx| link.poll(cx)));
    let mut peer = Peer(theirs);
    let mut preface = vec![0; PREFACE.len()];
    soon(peer.0.read_exact(&mut preface)).await.unwrap();
    assert_eq!(preface, PREFACE);
    assert_eq!(peer.hear().await.unwrap().kind, kind::SETTINGS);
    assert_eq!(peer.hear().await.unwrap().kind, kind::WINDOW_UPDATE);
    (client, driver, peer)
}

/// A connection whose peer has sent these settings, which have been acknowledged.
pub(super) async fn greeted(pairs: &[(u16, u32)]) -> (Client, JoinHandle<End>, Peer) {
    let (client, driver, mut peer) = connect().await;
    peer.say(&settings(pairs)).await;
    let heard = peer.hear().await.unwrap();
    assert_eq!((heard.kind, heard.flags), (kind::SETTINGS, flag::ACK));
    (client, driver, peer)
}

impl Peer {
    pub(super) async fn say(&mut self, octets: &[u8]) {
        soon(self.0.write_all(octets)).await.unwrap();
    }

    /// Says what may not be heard to its end.
    pub(super) async fn shout(&mut self, octets: &[u8]) {
        let _ = soon(self.0.write_all(octets)).await;
    }

    /// The next frame; `None` at the end.
    pub(super) async fn hear(&mut self) -> Option<Heard> {
        let mut head = [0; HEAD];
        soon(self.0.read_exact(&mut head)).await.ok()?;
        let FrameHead { length, kind, flags, stream } = FrameHead::read(&head)?;
        let mut payload = vec![0; length];
        soon(self.0.read_exact(&mut payload)).await.ok()?;
        Some(Heard { kind, flags, stream, payload })
    }

    /// The next frame of this kind; others are passed over.
    pub(super) async fn hear_of(&mut self, kind: u8) -> Heard {
        loop {
            let heard = self.hear().await.expect("the connection ended");
            if heard.kind == kind {
                return heard;
            }
        }
    }

    /// All that is said until the end.
    pub(super) async fn hear_all(&mut self) -> Vec<Heard> {
        let mut all = Vec::new();
        while let Some(heard) = self.hear().await {
            all.push(heard);
        }
        all
    }
}
