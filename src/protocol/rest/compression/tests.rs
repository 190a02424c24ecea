//! Which answers are packed, and how they leave.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::header::ACCEPT_ENCODING;
use http_body::{Body, Frame};
use http_body_util::BodyExt;

use super::*;
use crate::{
    coding::Unpacker,
    error::Code,
    protocol::{Refusal, body::StreamedBody},
};

/// What a caller takes that names this coding alone.
fn only(coding: Coding) -> Accepts {
    let name = HeaderValue::from_static(coding.name());
    Accepts::of(&HeaderMap::from_iter([(ACCEPT_ENCODING, name)]))
}

/// A body that gives these one by one, and waits where there is `None`.
struct Script(VecDeque<Option<Result<Frame<Bytes>, Error>>>);

impl Body for Script {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.0.pop_front() {
            Some(None) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            frame => Poll::Ready(frame.flatten()),
        }
    }
}

impl StreamedBody for Script {
    fn told(&self) -> Option<Refusal> {
        Some(Refusal { code: Code::Aborted, reason: "told" })
    }
}

fn data(text: &'static str) -> Option<Result<Frame<Bytes>, Error>> {
    Some(Ok(Frame::data(text.into())))
}

fn script(frames: impl IntoIterator<Item = Option<Result<Frame<Bytes>, Error>>>) -> ResponseBody {
    ResponseBody::stream(Script(frames.into_iter().collect()))
}

fn answer(body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn text(length: usize) -> String {
    (0..)
        .map(|number| format!("{number},"))
        .flat_map(|one| one.into_bytes())
        .take(length)
        .map(char::from)
        .collect()
}

#[test]
fn answer_is_packed_only_where_that_is_allowed_and_worth_it() {
    let (large, small) = (text(2000), text(1000));
    let kind = |kind: &'static str| [("content-type", kind)];
    for (body, status, headers, packed) in [
        (&large, 200, &[][..], true),
        (&large, 503, &[], true),
        (&small, 200, &[], false),
        (&large, 206, &[], false),
        (&large, 200, &[("content-encoding", "br")], false),
        (&large, 200, &[("content-range", "bytes 0-1/2")], false),
        (&large, 200, &[("cache-control", "max-age=5, No-Transform")], false),
        (&large, 200, &[("cache-control", "max-age=5")], true),
        (&large, 200, &[("content-digest", "sha-256=:AA==:")], false),
        (&large, 200, &kind("image/png"), false),
        (&large, 200, &kind("image/svg+xml"), true),
        (&large, 200, &kind("application/octet-stream"), false),
        (&large, 200, &kind("text/html; charset=utf-8"), true),
        (&large, 200, &kind("application/problem+json"), true),
        (&large, 200, &kind("nonsense"), false),
    ] {
        let mut response = answer(ResponseBody::whole(body.clone()));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        for (name, value) in headers {
            response.headers_mut().insert(*name, HeaderValue::from_static(value));
        }
        let before = response.headers().get(CONTENT_ENCODING).cloned();
        let after = Compression::default().apply(only(Coding::Gzip), response);
        let coding = after.headers().get(CONTENT_ENCODING).cloned();
        assert_eq!(coding != before, packed, "{status} {headers:?}");
    }
    let response = Compression::default().apply(only(Coding::Gzip), answer(ResponseBody::Empty));
    assert!(!response.headers().contains_key("vary"));
}

#[test]
fn headers_tell_of_the_packed_answer() {
    let mut response = answer(ResponseBody::whole(text(5000)));
    for (name, value) in
        [("etag", "\"v1\""), ("accept-ranges", "bytes"), ("content-length", "5000")]
    {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let response = Compression::default().apply(only(Coding::Gzip), response);
    let headers = response.headers();
    assert_eq!(headers[CONTENT_ENCODING], "gzip");
    assert_eq!(headers[ETAG], "W/\"v1\"");
    assert_eq!(headers["vary"], "accept-encoding");
    assert!(!headers.contains_key(ACCEPT_RANGES) && !headers.contains_key(CONTENT_LENGTH));
    // A caller that takes no coding learns that another would.
    let plain = Compression::default().apply(Accepts::default(), answer(ResponseBody::whole("{}")));
    assert_eq!(plain.headers()["vary"], "accept-encoding");
    assert!(!plain.headers().contains_key(CONTENT_ENCODING));
}

#[test]
fn body_that_packing_makes_larger_goes_as_it_is() {
    let noise: Vec<u8> = (0..3000_u64)
        .map(|n| {
            (n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31).wrapping_mul(n | 1) >> 40) as u8
        })
        .collect();
    let response =
        Compression::default().apply(only(Coding::Gzip), answer(ResponseBody::whole(noise)));
    assert!(!response.headers().contains_key(CONTENT_ENCODING));
}

#[tokio::test]
async fn large_body_is_packed_in_turns() {
    let text = text(1 << 20);
    for coding in Coding::ALL {
        let policy = Compression { codings: vec![coding], min_size: 0 };
        let whole = answer(ResponseBody::whole(text.clone()));
        let mut body = policy.apply(only(coding), whole).into_body();
        let mut waits = 0;
        let mut packed = Vec::new();
        while let Some(frame) = std::future::poll_fn(|cx| {
            let polled = Pin::new(&mut body).poll_frame(cx);
            waits += u32::from(polled.is_pending());
            polled
        })
        .await
        {
            packed.extend(frame.unwrap().into_data().unwrap());
        }
        assert_eq!(coding.unpack(&packed, text.len()).unwrap(), text, "{coding:?}");
        assert!(waits >= 8, "{coding:?} gave others {waits} turns");
    }
}

#[tokio::test]
async fn stream_is_flushed_whenever_it_waits_and_its_trailers_come_last() {
    let trailers =
        HeaderMap::from_iter([("x-cost".parse().unwrap(), HeaderValue::from_static("1"))]);
    for coding in Coding::ALL {
        let frames = [data("one,"), data("two"), None, data("three"), None, None];
        let end = [data(""), Some(Ok(Frame::trailers(trailers.clone())))];
        let packer = Packer::for_stream(coding).unwrap();
        let mut body = Packed::new(packer, script(frames.into_iter().chain(end)));
        let mut unpacker = Unpacker::new(coding, 1000).unwrap();
        for group in ["one,two", "three"] {
            let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(unpacker.push(&frame).unwrap(), group, "{coding:?}");
        }
        let end = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(unpacker.push(&end).unwrap(), "");
        assert_eq!(unpacker.finish().unwrap(), "");
        assert_eq!(body.frame().await.unwrap().unwrap().into_trailers().unwrap(), trailers);
        assert!(body.frame().await.is_none());
        assert_eq!(body.told().unwrap().reason, "told");
    }
}

#[tokio::test]
async fn stream_that_breaks_off_has_no_end_of_its_coding() {
    for coding in Coding::ALL {
        let error = Error::new(Code::Unavailable, "gone", "gone");
        let packer = Packer::for_stream(coding).unwrap();
        let mut body = Packed::new(packer, script([data("so far"), Some(Err(error))]));
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        let mut unpacker = Unpacker::new(coding, 1000).unwrap();
        assert_eq!(unpacker.push(&frame).unwrap(), "so far", "{coding:?}");
        assert!(unpacker.finish().is_err());
        assert_eq!(body.frame().await.unwrap().unwrap_err().reason(), "gone");
        assert!(body.frame().await.is_none());
    }
}
