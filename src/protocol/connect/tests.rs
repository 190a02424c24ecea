//! Streamed answers as they leave, by made-up backends.

use std::{
    collections::VecDeque,
    fs,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Body as _;
use http_body_util::BodyExt;

use super::stream::Frames;
use crate::{
    coding::Coding,
    error::{Code, Error},
    exchange::{MessageStream, Messages, Metadata},
    frame::{COMPRESSED, END_STREAM, FrameReader},
    protocol::{
        MethodPolicy, Refusal, body::StreamedBody, codec::Codec, outgoing::FrameWriter,
        shape::Shape, streamed::StreamBody,
    },
    schema::Schema,
    transcode::Plans,
};

const PROTO: &str = r#"
    syntax = "proto3";
    package echo;
    message Text { string text = 1; }
    service Echo { rpc Talk(stream Text) returns (stream Text); }
"#;

fn shape() -> Arc<Shape> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("echo.proto"), PROTO).unwrap();
    let (schema, problems) = Schema::builder().add_proto_folder(folder.path()).build();
    let schema = schema.unwrap_or_else(|| panic!("no schema: {problems:#?}"));
    let plans = Arc::new(Plans::compile(schema.pool(), schema.features()));
    let method = &schema.methods()[0];
    Arc::new(Shape::compile(method, &plans, &MethodPolicy::default()).unwrap())
}

/// Messages as a test gives them; `None` is a turn in which there is none.
struct Given(VecDeque<Option<Result<Bytes, Error>>>);

impl MessageStream for Given {
    fn poll_message(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        match self.0.pop_front() {
            None => Poll::Ready(None),
            Some(Some(message)) => Poll::Ready(Some(message)),
            Some(None) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn take_trailers(self: Pin<&mut Self>) -> Metadata {
        let mut trailers = Metadata::new();
        trailers.insert("x-cost", "7".parse().unwrap());
        trailers
    }
}

type Turn = Option<Result<Bytes, Error>>;

fn body(codec: Codec, coding: Option<Coding>, turns: Vec<Turn>) -> StreamBody<Frames> {
    let shape = shape();
    let json = (codec == Codec::Json).then(|| shape.clone());
    let form = Frames { writer: FrameWriter { json, coding }, plans: shape.plans.clone() };
    StreamBody::new(Messages::stream(Given(turns.into())), form)
}

/// A message with a text of this length, on the wire.
fn text(length: usize) -> Bytes {
    let mut wire = vec![0x0a];
    prost::encoding::encode_varint(length as u64, &mut wire);
    wire.resize(wire.len() + length, b'a');
    wire.into()
}

/// Everything that leaves, write by write.
async fn writes(body: &mut StreamBody<Frames>) -> Vec<Bytes> {
    let mut writes = Vec::new();
    while let Some(frame) = body.frame().await {
        writes.push(frame.unwrap().into_data().unwrap());
    }
    assert!(body.is_end_stream());
    writes
}

fn frames(writes: &[Bytes]) -> Vec<(u8, Bytes)> {
    let mut reader = FrameReader::new(1 << 30).accept(COMPRESSED | END_STREAM);
    reader.push(writes.concat().into());
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        frames.push((frame.flag, frame.payload));
    }
    assert!(reader.is_between_frames());
    frames
}

#[tokio::test]
async fn what_is_ready_together_leaves_in_one_write() {
    let turns = vec![Some(Ok(text(1))), Some(Ok(text(0))), None, Some(Ok(text(2)))];
    let mut body = body(Codec::Json, None, turns);
    let writes = writes(&mut body).await;
    assert_eq!(writes.len(), 2, "{writes:?}");
    let frames = frames(&writes);
    let json: Vec<_> = frames.iter().map(|(_, json)| str::from_utf8(json).unwrap()).collect();
    let end = r#"{"metadata":{"x-cost":["7"]}}"#;
    assert_eq!(json, [r#"{"text":"a"}"#, "{}", r#"{"text":"aa"}"#, end]);
    assert_eq!(frames[3].0, END_STREAM);
    assert_eq!(body.told(), None);
}

#[tokio::test]
async fn large_message_leaves_without_a_copy() {
    let large = text(100_000);
    let turns = vec![Some(Ok(text(1))), Some(Ok(large.clone())), Some(Ok(text(1)))];
    let writes = writes(&mut body(Codec::Proto, None, turns)).await;
    assert_eq!(writes[1].as_ptr(), large.as_ptr());
    let frames = frames(&writes);
    assert_eq!(frames.len(), 4);
    assert_eq!((frames[1].1.clone(), frames[2].1.clone()), (large, text(1)));
}

#[tokio::test]
async fn only_what_is_worth_it_is_packed() {
    for codec in [Codec::Proto, Codec::Json] {
        let turns = vec![Some(Ok(text(3))), Some(Ok(text(50_000)))];
        let writes = writes(&mut body(codec, Some(Coding::Gzip), turns)).await;
        let frames = frames(&writes);
        let flags: Vec<_> = frames.iter().map(|(flag, _)| *flag).collect();
        assert_eq!(flags, [0, COMPRESSED, END_STREAM]);
        assert!(Coding::Gzip.unpack(&frames[1].1, 1 << 20).unwrap().len() > 50_000);
    }
}

#[tokio::test]
async fn late_error_is_told_in_the_last_frame_and_to_the_log() {
    let why = [(http::HeaderName::from_static("x-why"), "\"so\"".parse().unwrap())];
    let error =
        Error::new(Code::Aborted, "late", "too late").with_metadata(why.into_iter().collect());
    let mut body = body(Codec::Proto, None, vec![Some(Ok(text(1))), Some(Err(error))]);
    let frames = frames(&writes(&mut body).await);
    let end =
        r#"{"error":{"code":"aborted","message":"too late"},"metadata":{"x-why":["\"so\""]}}"#;
    assert_eq!(frames[1], (END_STREAM, end.into()));
    assert_eq!(body.told(), Some(Refusal { code: Code::Aborted, reason: "late" }));
}

#[tokio::test]
async fn message_that_does_not_fit_its_schema_leaves_no_trace_but_its_error() {
    let broken = Bytes::from_static(b"\x0a\x01ab\x01broken");
    let mut body = body(Codec::Json, None, vec![Some(Ok(text(1))), Some(Ok(broken))]);
    let frames = frames(&writes(&mut body).await);
    assert_eq!(frames.len(), 2);
    assert!(frames[1].1.starts_with(br#"{"error":{"code":"internal""#), "{frames:?}");
    assert_eq!(body.told().unwrap().code, Code::Internal);
}
