//! The request's body as messages: read only when somebody wants them.
//!
//! ```text
//! {"text":"hi"}                                    ─►  one message
//! 00 0000000d {"text":"hi"}  00 0000000d {…}  …    ─►  a message a frame
//! ```

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::Body as _;

use super::{
    codec::{Codec, Shape},
    compression, fault,
};
use crate::{
    coding::Coding,
    error::Error,
    exchange::{MessageStream, Messages},
    frame::{self, FrameReader},
    protocol::{
        Upload,
        gathered::{Gathered, over_limit},
    },
};

/// The message that a body is.
pub(super) fn whole(
    shape: &Arc<Shape>,
    codec: Codec,
    coding: Option<Coding>,
    body: Upload,
) -> Messages {
    let reader = Reader { shape: shape.clone(), codec, coding };
    Messages::stream(Whole { reader, body, read: 0, gathered: Some(Gathered::Nothing) })
}

/// The messages in a body's frames: any number where the caller streams, else exactly one.
pub(super) fn frames(
    shape: &Arc<Shape>,
    codec: Codec,
    coding: Option<Coding>,
    body: Upload,
) -> Messages {
    let limit = shape.limits.request_message;
    let frames = FrameReader::new(limit).accept(frame::COMPRESSED);
    let reader = Reader { shape: shape.clone(), codec, coding };
    let many = Frames { reader, body, frames, ended: false, failed: false };
    if shape.method.client_streaming {
        Messages::stream(many)
    } else {
        Messages::stream(Single { many: Some(many), message: None })
    }
}

/// The message that a query holds. What is wrong with it is told when it is asked for, as of a body:
/// who may not call learns nothing else.
pub(super) fn given(
    shape: &Arc<Shape>,
    codec: Codec,
    coding: Option<Coding>,
    message: Result<Bytes, Error>,
) -> Messages {
    let reader = Reader { shape: shape.clone(), codec, coding };
    let limit = shape.limits.request_message;
    let read = |message: Bytes| {
        if message.len() > limit { Err(over_limit(limit)) } else { reader.read(message) }
    };
    match message.and_then(read) {
        Ok(message) => Messages::one(message),
        Err(error) => Messages::stream(Failed(Some(error))),
    }
}

/// A message that can't be made.
struct Failed(Option<Error>);

impl MessageStream for Failed {
    fn poll_message(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        Poll::Ready(self.0.take().map(Err))
    }
}

/// Makes wire bytes of a message as it came.
struct Reader {
    shape: Arc<Shape>,
    codec: Codec,
    coding: Option<Coding>,
}

impl Reader {
    fn read(&self, message: Bytes) -> Result<Bytes, Error> {
        let limit = self.shape.limits.request_message;
        self.shape.read(self.codec, compression::unpack(self.coding, message, limit)?)
    }
}

/// A body that is one message.
struct Whole {
    reader: Reader,
    body: Upload,
    /// Bytes of the body so far.
    read: u64,
    /// Gone once it has been read.
    gathered: Option<Gathered>,
}

impl MessageStream for Whole {
    fn poll_message(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        let Whole { reader, body, read, gathered } = &mut *self;
        let Some(message) = gathered else { return Poll::Ready(None) };
        let limit = reader.shape.limits.request_message;
        while let Some(data) = ready!(body.poll_data(cx)) {
            let pushed = data.and_then(|data| {
                *read += data.len() as u64;
                message.push(data, body.size_hint().lower().saturating_add(*read), limit)
            });
            if let Err(error) = pushed {
                *gathered = None;
                return Poll::Ready(Some(Err(error)));
            }
        }
        let message = gathered.take().unwrap_or_default().into_bytes();
        Poll::Ready(Some(reader.read(message)))
    }
}

/// A body of frames.
struct Frames {
    reader: Reader,
    body: Upload,
    frames: FrameReader,
    /// No more bytes come.
    ended: bool,
    /// No more messages come: there was an error.
    failed: bool,
}

impl Frames {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            match self.frames.next_frame() {
                Ok(Some(frame)) => return Poll::Ready(Some(self.read(frame))),
                Ok(None) if self.ended && self.frames.is_between_frames() => {
                    return Poll::Ready(None);
                }
                Ok(None) if self.ended => return Poll::Ready(Some(Err(fault::cut_frame()))),
                Ok(None) => match ready!(self.body.poll_data(cx)) {
                    Some(Ok(data)) => self.frames.push(data),
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => self.ended = true,
                },
                Err(fault) => return Poll::Ready(Some(Err(fault::frame(fault)))),
            }
        }
    }

    fn read(&self, frame: frame::Frame) -> Result<Bytes, Error> {
        if frame.flag & frame::COMPRESSED == 0 {
            return self.reader.shape.read(self.reader.codec, frame.payload);
        }
        if self.reader.coding.is_none() {
            return Err(fault::compressed_frame());
        }
        self.reader.read(frame.payload)
    }
}

impl MessageStream for Frames {
    fn poll_message(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        if self.failed {
            return Poll::Ready(None);
        }
        let polled = self.poll_frame(cx);
        self.failed = matches!(polled, Poll::Ready(Some(Err(_))));
        polled
    }
}

/// A body of one frame, given out when it is sure that no second one follows.
struct Single {
    /// Gone at the end.
    many: Option<Frames>,
    message: Option<Bytes>,
}

impl MessageStream for Single {
    fn poll_message(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            let Some(many) = &mut self.many else { return Poll::Ready(None) };
            let outcome = match ready!(many.poll_frame(cx)) {
                Some(Ok(message)) if self.message.is_none() => {
                    self.message = Some(message);
                    continue;
                }
                Some(Ok(_)) => Err(fault::not_one("more were")),
                Some(Err(error)) => Err(error),
                None => self.message.take().ok_or_else(|| fault::not_one("none was")),
            };
            self.many = None;
            return Poll::Ready(Some(outcome));
        }
    }
}
