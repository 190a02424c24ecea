//! Bodies of frames, sound and broken, cut anywhere.

use std::collections::VecDeque;

use bytes::{BufMut, BytesMut};

use super::*;
use crate::protocol::packing;

/// Pieces that are here, with a pause before each where the test wants one.
struct Given {
    pieces: VecDeque<Bytes>,
    pauses: bool,
    paused: bool,
}

impl Pieces for Given {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        self.paused = self.pauses && !self.paused;
        if self.paused {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.pieces.pop_front().map(Ok))
    }
}

fn given(pieces: &[&[u8]], pauses: bool) -> Given {
    let pieces = pieces.iter().map(|piece| Bytes::copy_from_slice(piece)).collect();
    Given { pieces, pauses, paused: false }
}

fn frame(flag: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = BytesMut::new();
    frame.put_u8(flag);
    frame.put_u32(payload.len() as u32);
    frame.put_slice(payload);
    frame.to_vec()
}

const STREAM: Terms = Terms {
    limit: 100,
    coding: None,
    names: &packing::GRPC,
    broken: Code::Internal,
    json: None,
    streaming: true,
    eager: true,
};
const SINGLE: Terms = Terms { streaming: false, ..STREAM };

async fn all(mut messages: Messages) -> Result<Vec<Bytes>, Error> {
    let mut all = Vec::new();
    while let Some(message) = messages.next().await {
        all.push(message?);
    }
    assert!(messages.next().await.is_none(), "the end is the end");
    Ok(all)
}

async fn failure(pieces: &[&[u8]], terms: Terms) -> Error {
    let mut messages = messages(given(pieces, false), terms);
    loop {
        match messages.next().await {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                assert!(messages.next().await.is_none(), "nothing comes behind an error");
                return error;
            }
            None => panic!("no failure"),
        }
    }
}

#[tokio::test]
async fn stream_cut_at_each_byte_has_the_same_messages() {
    let body = [frame(0, b"first"), frame(0, b""), frame(0, b"last")].concat();
    for cut in 0..=body.len() {
        for pauses in [false, true] {
            let given = given(&[&body[..cut], &body[cut..]], pauses);
            let found = all(messages(given, STREAM)).await.unwrap();
            assert_eq!(found, ["first", "", "last"], "cut at {cut}");
        }
    }
}

#[tokio::test]
async fn stream_that_ends_early_is_an_error_wherever_it_ends() {
    let body = [frame(0, b"first"), frame(0, b"last")].concat();
    for end in (1..body.len()).filter(|end| *end != 10) {
        let error = failure(&[&body[..end]], STREAM).await;
        assert_eq!((error.code(), error.reason()), (Code::Internal, "broken_frame"), "{end}");
    }
}

#[tokio::test]
async fn single_message_that_is_here_is_at_hand() {
    let body = frame(0, b"only");
    let found = messages(given(&[&body], false), SINGLE);
    assert_eq!(found.as_one().unwrap(), "only");
    let lazy = Terms { eager: false, ..SINGLE };
    assert!(!messages(given(&[&body], false), lazy.clone()).is_at_hand());
    for found in [messages(given(&[&body], false), lazy), messages(given(&[&body], true), SINGLE)] {
        assert_eq!(all(found).await.unwrap(), ["only"]);
    }
}

#[tokio::test]
async fn single_message_that_is_none_or_two_is_unimplemented() {
    let two = [frame(0, b"a"), frame(0, b"b")].concat();
    for eager in [false, true] {
        let terms = Terms { eager, ..SINGLE };
        let error = failure(&[&two], terms.clone()).await;
        assert_eq!((error.code(), error.reason()), (Code::Unimplemented, "request_message_count"));
        assert!(error.message().contains("more than one"));
        assert_eq!(failure(&[], terms.clone()).await.code(), Code::Unimplemented);
        let (first, rest) = two.split_at(7);
        assert_eq!(failure(&[first, rest], terms).await.code(), Code::Unimplemented);
    }
}

#[tokio::test]
async fn message_over_the_limit_is_resource_exhausted_by_its_prefix() {
    let error = failure(&[&frame(0, &[7; 101])[..5]], STREAM).await;
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert!(error.message().contains("101") && error.message().contains("100"));
}

#[tokio::test]
async fn flags_that_mean_nothing_are_told() {
    let error = failure(&[&frame(1, b"packed")], STREAM).await;
    assert!(error.message().contains("grpc-encoding"), "{}", error.message());
    assert_eq!(error.code(), Code::Internal);
    for flag in [2, 0x80, b'<'] {
        let error = failure(&[&frame(flag, b"a")], STREAM).await;
        assert_eq!((error.code(), error.reason()), (Code::Internal, "broken_frame"));
    }
}

#[tokio::test]
async fn packed_messages_come_as_they_are_or_plain() {
    let gzip = Terms { coding: Some(Coding::Gzip), ..STREAM };
    let packed = Coding::Gzip.pack(b"message").unwrap();
    let body = [frame(1, &packed), frame(0, b"plain")].concat();
    let plain = all(messages(given(&[&body], false), gzip.clone())).await.unwrap();
    assert_eq!(plain, ["message", "plain"]);
    let mut found = messages(given(&[&body], false), gzip);
    assert_eq!(found.coding(), Some(Coding::Gzip));
    let first = found.next_packed().await.unwrap().unwrap();
    assert_eq!(first, Packed { coding: Some(Coding::Gzip), bytes: packed });
    assert_eq!(found.next_packed().await.unwrap().unwrap(), Packed::plain("plain".into()));
    assert!(found.next_packed().await.is_none());
}

#[tokio::test]
async fn packed_messages_that_are_damaged_or_grow_too_large_are_told() {
    let gzip = Terms { coding: Some(Coding::Gzip), ..STREAM };
    let error = failure(&[&frame(1, b"no gzip")], gzip.clone()).await;
    assert_eq!(error.code(), Code::InvalidArgument);
    let bomb = Coding::Gzip.pack(&[0; 101]).unwrap();
    assert_eq!(failure(&[&frame(1, &bomb)], gzip).await.code(), Code::ResourceExhausted);
}
