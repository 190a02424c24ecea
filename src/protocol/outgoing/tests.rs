//! What is written together and what by itself.

use std::{collections::VecDeque, future::poll_fn, pin::Pin};

use super::*;
use crate::{
    coding::Coding,
    exchange::MessageStream,
    frame::{Frame, FrameReader},
};

/// What a backend does next.
enum Step {
    Message(Bytes),
    Pause,
    Fail,
}

struct Steps(VecDeque<Step>);

impl MessageStream for Steps {
    fn poll_message(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        Poll::Ready(match self.0.pop_front() {
            None => None,
            Some(Step::Message(message)) => Some(Ok(message)),
            Some(Step::Fail) => Some(Err(Error::unavailable("gone", "gone"))),
            Some(Step::Pause) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        })
    }
}

fn message(size: usize) -> Step {
    Step::Message(vec![7; size].into())
}

/// Every write, and how it ended.
async fn writes(steps: Vec<Step>) -> (Vec<Vec<u8>>, Result<Metadata, Error>) {
    let mut outgoing = Outgoing::new(Messages::stream(Steps(steps.into())), None);
    let mut writes = Vec::new();
    loop {
        let mut out = Vec::new();
        let gathered = poll_fn(|cx| outgoing.poll_gather(cx, &mut out)).await;
        if !out.is_empty() {
            writes.push(out);
        }
        match gathered {
            Gathered::More => {}
            Gathered::Large(payload) => writes.push(payload.to_vec()),
            Gathered::End(end) => return (writes, end),
        }
    }
}

fn frames(writes: &[Vec<u8>]) -> Vec<Frame> {
    let mut reader = FrameReader::new(usize::MAX).accept(COMPRESSED);
    let mut frames = Vec::new();
    for write in writes {
        reader.push(Bytes::copy_from_slice(write));
        while let Some(frame) = reader.next_frame().unwrap() {
            frames.push(frame);
        }
    }
    assert!(reader.is_between_frames());
    frames
}

#[tokio::test]
async fn messages_that_are_ready_leave_in_one_write_up_to_its_size() {
    let (out, end) = writes((0..1000).map(|_| message(100)).collect()).await;
    assert!(end.is_ok());
    assert_eq!(frames(&out).len(), 1000);
    assert_eq!(out.len(), 4, "{:?}", out.iter().map(Vec::len).collect::<Vec<_>>());
}

#[tokio::test]
async fn message_that_is_ready_waits_for_no_other() {
    let steps = vec![message(1), Step::Pause, message(2), message(3), Step::Pause];
    let (out, _) = writes(steps).await;
    assert_eq!(out.iter().map(Vec::len).collect::<Vec<_>>(), [6, 15]);
}

#[tokio::test]
async fn large_message_is_not_copied() {
    let (out, _) = writes(vec![message(10), message(LARGE), message(10)]).await;
    assert_eq!(out.iter().map(Vec::len).collect::<Vec<_>>(), [20, LARGE, 15]);
    let found = frames(&out);
    assert_eq!(found[1].payload.len(), LARGE);
    assert_eq!(found.len(), 3);
}

#[tokio::test]
async fn error_comes_behind_what_was_ready_before_it() {
    let (out, end) = writes(vec![message(1), Step::Fail, message(2)]).await;
    assert_eq!(frames(&out).len(), 1);
    assert_eq!(end.unwrap_err().reason(), "gone");
}

#[test]
fn packed_message_is_flagged() {
    let packed = Packed { coding: Some(Coding::Gzip), bytes: Bytes::from_static(b"abc") };
    let bound = crate::exchange::Bound { limit: 10, origin: crate::error::Origin::Upstream };
    let messages = Messages::one_packed(packed, bound, Metadata::new());
    let frame = frame_at_hand(&messages, None).unwrap().unwrap();
    assert_eq!(frame, b"\x01\0\0\0\x03abc");
    let large = Messages::one(vec![0; LARGE].into());
    assert!(frame_at_hand(&large, None).unwrap().is_none());
    assert!(frame_at_hand(&Messages::none(), None).unwrap().is_none());
}
