//! What a backend says in HTTP/2: wherever it is cut, the calls end alike, and what the client says
//! is frames.
//!
//! ```text
//!     input = cuts octets
//! ```
//!
//! Two calls are open when the octets come: number 1 is whole, number 3 is still being sent. The
//! octets of the peer's SETTINGS are put before them, so that an input needn't have them.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::HeaderMap;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use transom::{
    frame::Framed,
    upstream::http2::{Client, End, Event, Link, Opened, ReplySide, RequestHead},
};

use super::Cuts;

/// SETTINGS that say nothing.
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

/// What the client says before anything else.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a stream can hold unread.
const WINDOW: usize = 512 << 10;

/// Checks one input.
pub fn check(input: &[u8]) {
    let Some((lengths, octets)) = super::split_cuts(input) else { return };
    let octets = [&SETTINGS, octets].concat();
    let whole = run(Cuts::None, &octets);
    for cuts in [Cuts::Each, Cuts::Lengths(lengths)] {
        assert_eq!(run(cuts, &octets), whole);
    }
}

/// How the connection ended, and what came of both calls.
fn run(cuts: Cuts<'_>, octets: &[u8]) -> (End, [String; 2]) {
    let line = Line::default();
    let (client, mut link) = Client::new(Pipe(line.clone()));
    let headers = HeaderMap::new();
    let head = RequestHead { is_secure: false, authority: "b", path: "/a.B/C", headers: &headers };
    let open = |body: Option<Framed>| match client.open(&head, body) {
        Opened::Stream(reply) => reply,
        other => panic!("{other:?}"),
    };
    let mut first = open(Framed::new(Bytes::from_static(b"ask")));
    let mut second = open(None);
    let mut request = second.request_side();
    // What is to leave has left before anything comes.
    assert!(turn(&mut link).is_none());
    request.send(Framed::new(Bytes::from(vec![7; 100_000])).expect("a frame"));
    assert!(turn(&mut link).is_none());
    // A piece without octets would be the end.
    let pieces = cuts.pieces(octets).into_iter().filter(|piece| !piece.is_empty());
    line.lock().expect("no panic").coming = Some(pieces.collect());
    let end = loop {
        if let Some(end) = turn(&mut link) {
            break end;
        }
    };
    assert_frames(&line.lock().expect("no panic").gone);
    (end, [read(&mut first), read(&mut second)])
}

fn turn(link: &mut Link<Pipe>) -> Option<End> {
    match link.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(end) => Some(end),
        Poll::Pending => None,
    }
}

/// All that comes of a call, as text.
fn read(reply: &mut ReplySide) -> String {
    let (mut text, mut data) = (String::new(), Vec::new());
    loop {
        match reply.poll_event(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => panic!("the connection is over and the call is not"),
            Poll::Ready(Event::Data(piece)) => data.extend_from_slice(&piece),
            Poll::Ready(Event::Head(head)) => text += &format!("{head:?}"),
            Poll::Ready(Event::End(end)) => {
                assert!(data.len() <= WINDOW);
                return text + &format!("{data:?}{end:?}");
            }
        }
    }
}

/// What the client said is the preface and whole frames, on streams of its own.
fn assert_frames(octets: &[u8]) {
    let mut rest = octets.strip_prefix(PREFACE).expect("a preface");
    while let Some([a, b, c, _, _, stream @ ..]) = rest.first_chunk::<9>() {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let stream = u32::from_be_bytes(*stream);
        assert!(matches!(stream, 0 | 1 | 3), "a frame on stream {stream}");
        rest = rest.get(9 + length..).expect("a whole frame");
    }
    assert!(rest.is_empty());
}

/// A socket that takes all, and gives what it is told to.
struct Pipe(Line);

type Line = Arc<Mutex<Ends>>;

#[derive(Default)]
struct Ends {
    /// What comes, and then the end; nothing yet if there is none.
    coming: Option<VecDeque<Bytes>>,
    /// What was taken.
    gone: Vec<u8>,
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut ends = self.0.lock().expect("no panic");
        let Some(coming) = &mut ends.coming else { return Poll::Pending };
        if let Some(mut piece) = coming.pop_front() {
            let rest = piece.split_off(piece.len().min(buffer.remaining()));
            buffer.put_slice(&piece);
            if !rest.is_empty() {
                coming.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.lock().expect("no panic").gone.extend_from_slice(octets);
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
