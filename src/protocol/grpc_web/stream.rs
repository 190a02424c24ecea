//! The body of an answer: frames, and last the frame of the trailers.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};

use super::base64;
use crate::{
    error::Error,
    frame::{TRAILERS, prefix},
    protocol::{
        Refusal,
        body::StreamedBody,
        outgoing::{Gathered, Outgoing},
        status,
    },
};

/// The most octets that a prefix takes.
const PREFIX: usize = 5;

/// Messages in frames, and their end in one more.
pub(super) struct FrameBody {
    outgoing: Outgoing,
    /// Whether all of it leaves as base64.
    text: bool,
    next: Next,
    /// The error that the trailers tell of.
    told: Option<Refusal>,
}

/// What leaves next.
enum Next {
    Messages,
    /// A large message whose prefix has left.
    Payload(Bytes),
    Nothing,
}

impl FrameBody {
    pub(super) fn new(outgoing: Outgoing, text: bool) -> Self {
        Self { outgoing, text, next: Next::Messages, told: None }
    }

    fn gather(&mut self, cx: &mut Context<'_>) -> Poll<Vec<u8>> {
        let mut out = Vec::new();
        match ready!(self.outgoing.poll_gather(cx, &mut out)) {
            Gathered::More => {}
            // Text is made of a copy in any case.
            Gathered::Large(payload) if self.text => out.extend_from_slice(&payload),
            Gathered::Large(payload) => self.next = Next::Payload(payload),
            Gathered::End(end) => {
                self.next = Next::Nothing;
                match end {
                    Ok(metadata) => append_trailers(&status::of_success(metadata), &mut out),
                    Err(error) => {
                        self.told = Some(Refusal::by(&error));
                        append_trailers(&status::of_error(&error), &mut out);
                    }
                }
            }
        }
        Poll::Ready(out)
    }
}

impl Body for FrameBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        match std::mem::replace(&mut this.next, Next::Messages) {
            Next::Messages => {}
            Next::Payload(payload) => return Poll::Ready(Some(Ok(Frame::data(payload)))),
            Next::Nothing => {
                this.next = Next::Nothing;
                return Poll::Ready(None);
            }
        }
        let out = ready!(this.gather(cx));
        Poll::Ready(Some(Ok(Frame::data(written(out, this.text)))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.next, Next::Nothing)
    }
}

impl StreamedBody for FrameBody {
    fn told(&self) -> Option<Refusal> {
        self.told
    }
}

/// Bytes as they leave, in this form.
pub(super) fn written(bytes: Vec<u8>, text: bool) -> Bytes {
    if text { base64::write(&bytes).into() } else { bytes.into() }
}

/// Appends the frame of the trailers: lines of HTTP/1.1, their names in lower case.
pub(super) fn append_trailers(trailers: &HeaderMap, out: &mut Vec<u8>) {
    let begin = out.len();
    out.extend_from_slice(&[0; PREFIX]);
    for (name, value) in trailers {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    // Trailers come out of a bounded head, far from what four octets can tell.
    if let Some(prefix) = prefix(TRAILERS, out.len() - begin - PREFIX) {
        out[begin..begin + PREFIX].copy_from_slice(&prefix);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_are_lines_in_a_frame() {
        let mut trailers = HeaderMap::new();
        trailers.append("x-a", "1".parse().unwrap());
        trailers.append("x-a", "2".parse().unwrap());
        trailers.append("grpc-status", "0".parse().unwrap());
        let mut out = b"before".to_vec();
        append_trailers(&trailers, &mut out);
        let text = b"x-a: 1\r\nx-a: 2\r\ngrpc-status: 0\r\n";
        assert_eq!(out, [&b"before\x80\0\0\0\x20"[..], text].concat());
    }
}
