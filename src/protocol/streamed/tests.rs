//! What is written together and what by itself, and how bodies end.

use std::collections::VecDeque;

use http_body_util::BodyExt;

use super::*;
use crate::{
    coding::Coding,
    exchange::{Bound, MessageStream},
    frame::{self, COMPRESSED, FrameReader},
    protocol::{outgoing::FrameWriter, status},
};

/// Frames, and an end of one kind.
struct Frames {
    writer: FrameWriter,
    breaks: bool,
}

impl Form for Frames {
    fn takes_packed(&self) -> bool {
        self.writer.takes_packed()
    }

    fn room(&self, length: usize) -> usize {
        self.writer.room(length)
    }

    fn append(&mut self, message: Packed, out: &mut Vec<u8>) -> Result<Option<Bytes>, Error> {
        if &message.bytes[..] == b"unfit" {
            return Err(Error::new(crate::error::Code::Internal, "unfit", "unfit"));
        }
        self.writer.append(message, out)
    }

    fn end(&mut self, end: Result<Metadata, &Error>, _: &mut Vec<u8>) -> End {
        match end {
            Err(_) if self.breaks => End::BreakOff,
            end => End::Trailers(Box::new(status::of(end))),
        }
    }
}

fn form() -> Frames {
    Frames { writer: FrameWriter::default(), breaks: false }
}

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

fn stream(steps: Vec<Step>, form: Frames) -> StreamBody<Frames> {
    StreamBody::new(Messages::stream(Steps(steps.into())), form)
}

/// Every write, and the status that it ended with.
async fn writes(steps: Vec<Step>) -> (Vec<Bytes>, Option<Refusal>, HeaderMap) {
    let mut body = stream(steps, form());
    let mut writes = Vec::new();
    loop {
        match body.frame().await.unwrap().unwrap().into_data() {
            Ok(data) => {
                assert!(!data.is_empty(), "an empty write is no write");
                writes.push(data);
            }
            Err(frame) => {
                assert!(body.is_end_stream() && body.frame().await.is_none());
                return (writes, body.told(), frame.into_trailers().unwrap());
            }
        }
    }
}

fn frames(writes: &[Bytes]) -> Vec<frame::Frame> {
    let mut reader = FrameReader::new(usize::MAX).accept(COMPRESSED);
    let mut frames = Vec::new();
    for write in writes {
        reader.push(write.clone());
        while let Some(frame) = reader.next_frame().unwrap() {
            frames.push(frame);
        }
    }
    assert!(reader.is_between_frames());
    frames
}

#[tokio::test]
async fn messages_that_are_ready_leave_in_one_write_up_to_its_size() {
    let (out, told, trailers) = writes((0..1000).map(|_| message(100)).collect()).await;
    assert_eq!((told, trailers["grpc-status"].to_str().unwrap()), (None, "0"));
    assert_eq!(frames(&out).len(), 1000);
    assert_eq!(out.len(), 4, "{:?}", out.iter().map(Bytes::len).collect::<Vec<_>>());
}

#[tokio::test]
async fn message_that_is_ready_waits_for_no_other() {
    let steps = vec![message(1), Step::Pause, message(2), message(3), Step::Pause];
    let (out, ..) = writes(steps).await;
    assert_eq!(out.iter().map(Bytes::len).collect::<Vec<_>>(), [6, 15]);
}

#[tokio::test]
async fn large_message_is_not_copied() {
    let (out, ..) = writes(vec![message(10), message(LARGE), message(10)]).await;
    assert_eq!(out.iter().map(Bytes::len).collect::<Vec<_>>(), [20, LARGE, 15]);
    let found = frames(&out);
    assert_eq!(found[1].payload.len(), LARGE);
    assert_eq!(found.len(), 3);
}

#[tokio::test]
async fn error_comes_behind_what_was_ready_before_it() {
    let unfit = Step::Message(Bytes::from_static(b"unfit"));
    for (failing, reason) in [(Step::Fail, "gone"), (unfit, "unfit")] {
        let (out, told, _) = writes(vec![message(1), failing, message(2)]).await;
        assert_eq!(frames(&out).len(), 1);
        assert_eq!(told.unwrap().reason, reason);
    }
}

#[tokio::test]
async fn form_without_words_for_an_error_breaks_off_when_all_has_left() {
    let mut body = stream(vec![message(1), Step::Fail], Frames { breaks: true, ..form() });
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap().len(), 6);
    assert!(!body.is_end_stream());
    assert_eq!(body.frame().await.unwrap().unwrap_err().reason(), "gone");
    assert!(body.frame().await.is_none());
    assert_eq!(body.told(), None);
}

#[tokio::test]
async fn first_message_that_was_waited_for_comes_first() {
    for size in [3, LARGE] {
        let rest = Messages::stream(Steps(vec![message(1)].into()));
        let first = Bytes::from(vec![7; size]);
        let body = StreamBody::begun(Some(first), rest, form()).unwrap();
        let all = body.collect().await.unwrap().to_bytes();
        let found = frames(&[all]);
        assert_eq!(found.iter().map(|one| one.payload.len()).collect::<Vec<_>>(), [size, 1]);
    }
    assert!(StreamBody::begun(Some("unfit".into()), Messages::none(), form()).is_err());
}

#[test]
fn small_message_that_is_at_hand_is_written_at_once_as_it_crossed_the_wire() {
    let packed = || {
        let packed = Packed { coding: Some(Coding::Gzip), bytes: Bytes::from_static(b"abc") };
        let bound = Bound { limit: 10, origin: crate::error::Origin::Upstream };
        Messages::one_packed(packed, bound, Metadata::new())
    };
    let ResponseBody::Trailed(frame, _) = body(packed(), form()).unwrap() else { panic!() };
    assert_eq!(frame, &b"\x01\0\0\0\x03abc"[..]);
    let writer = FrameWriter { json: None, coding: Some(Coding::Zstd) };
    let plain = Frames { writer, breaks: false };
    assert!(matches!(body(packed(), plain).unwrap(), ResponseBody::Stream(_)), "to be unpacked");
    let large = Messages::one(vec![0; LARGE].into());
    assert!(matches!(body(large, form()).unwrap(), ResponseBody::Stream(_)));
    assert!(matches!(body(Messages::none(), form()).unwrap(), ResponseBody::Stream(_)));
    assert!(body(Messages::one("unfit".into()), form()).is_err());
}

#[tokio::test]
async fn large_message_is_packed_where_that_is_asked_for() {
    let writer = FrameWriter { json: None, coding: Some(Coding::Gzip) };
    let mut body = stream(vec![message(3), message(50_000)], Frames { writer, breaks: false });
    let found = frames(&[body.frame().await.unwrap().unwrap().into_data().unwrap()]);
    assert_eq!(found.iter().map(|one| one.flag).collect::<Vec<_>>(), [0, COMPRESSED]);
    assert_eq!(Coding::Gzip.unpack(&found[1].payload, 50_000).unwrap().len(), 50_000);
}
