//! Streamed answers as they leave: frames that are ready together leave in one write, and the next
//! message is only asked for when the caller has taken what went before.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame};

use super::{
    codec::{Codec, Shape},
    compression, failure,
};
use crate::{
    coding::Coding,
    error::Error,
    exchange::Messages,
    frame,
    protocol::{Refusal, body::StreamedBody},
};

/// How many bytes of frames that are ready make one write.
const BATCH: usize = 32 << 10;

/// From so many bytes on a message goes out as it came in, without a copy.
const LARGE: usize = 8 << 10;

/// A call's messages in frames, and behind them the frame that tells how the call ended.
pub(super) struct StreamBody {
    shape: Arc<Shape>,
    codec: Codec,
    coding: Option<Coding>,
    messages: Messages,
    /// The payload whose prefix has left.
    payload: Option<Bytes>,
    /// What the write before took, in bytes, and some more.
    usual: usize,
    ended: bool,
    /// The error that the last frame told.
    told: Option<Refusal>,
}

impl StreamBody {
    pub(super) fn new(
        shape: Arc<Shape>,
        codec: Codec,
        coding: Option<Coding>,
        messages: Messages,
    ) -> Self {
        let (payload, told) = (None, None);
        Self { shape, codec, coding, messages, payload, usual: 0, ended: false, told }
    }

    /// Appends a message's frame. Of a large one only the prefix; its payload goes next.
    fn append(&mut self, message: Bytes, out: &mut Vec<u8>) -> Result<(), Error> {
        let is_packed = |length| self.coding.filter(|_| compression::is_worth(length));
        if self.codec == Codec::Proto {
            return match is_packed(message.len()) {
                Some(coding) => self.put(frame::COMPRESSED, coding.pack(&message)?, out),
                None => self.put(frame::MESSAGE, message, out),
            };
        }
        let begin = out.len();
        out.extend_from_slice(&[0; 5]);
        let written = self.shape.write_json(&message, out).and_then(|()| {
            let length = out.len() - begin - 5;
            match is_packed(length) {
                Some(coding) => coding.pack(&out[begin + 5..]).map(Some),
                None => {
                    out[begin..begin + 5].copy_from_slice(&prefix(frame::MESSAGE, length)?);
                    Ok(None)
                }
            }
        });
        if !matches!(written, Ok(None)) {
            out.truncate(begin);
        }
        match written? {
            Some(packed) => self.put(frame::COMPRESSED, packed, out),
            None => Ok(()),
        }
    }

    fn put(&mut self, flag: u8, payload: Bytes, out: &mut Vec<u8>) -> Result<(), Error> {
        out.extend_from_slice(&prefix(flag, payload.len())?);
        if payload.len() < LARGE {
            out.extend_from_slice(&payload);
        } else {
            self.payload = Some(payload);
        }
        Ok(())
    }

    fn fail(&mut self, error: &Error, out: &mut Vec<u8>) {
        failure::write_failure(error, &self.shape.plans, out);
        self.told = Some(Refusal::by(error));
        self.end();
    }

    fn end(&mut self) {
        self.ended = true;
        // What is left of the call ends now, not when the caller has read to the end.
        self.messages = Messages::none();
    }
}

fn prefix(flag: u8, length: usize) -> Result<[u8; 5], Error> {
    frame::prefix(flag, length).ok_or_else(|| {
        let message = "the backend's message is larger than the 4 GiB that a frame can hold";
        Error::new(crate::error::Code::ResourceExhausted, "message_too_large", message)
    })
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if let Some(payload) = this.payload.take() {
            return Poll::Ready(Some(Ok(Frame::data(payload))));
        }
        let mut out = Vec::new();
        while !this.ended && this.payload.is_none() && out.len() < BATCH {
            match this.messages.poll_message(cx) {
                Poll::Ready(Some(Ok(message))) => {
                    if out.capacity() == 0 {
                        // Where many messages are ready, one allocation holds them all.
                        out.reserve(this.usual.max(64));
                    }
                    if let Err(error) = this.append(message, &mut out) {
                        this.fail(&error, &mut out);
                    }
                }
                Poll::Ready(Some(Err(error))) => this.fail(&error, &mut out),
                Poll::Ready(None) => {
                    failure::write_end(&this.messages.take_trailers(), &mut out);
                    this.end();
                }
                Poll::Pending if out.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        if out.is_empty() {
            return Poll::Ready(None);
        }
        this.usual = out.len() + out.len() / 8;
        Poll::Ready(Some(Ok(Frame::data(out.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.payload.is_none()
    }
}

impl StreamedBody for StreamBody {
    fn told(&self) -> Option<Refusal> {
        self.told
    }
}
