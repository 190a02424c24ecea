//! The request's body as messages: read only when somebody wants them.
//!
//! ```text
//! {"title":"Dune"}            + path, query    ─►  one message
//! [{…},{…}]  or  {…}\n{…}\n   + path, query    ─►  a message an element; path and query on the first
//! raw bytes                   + path, query    ─►  HttpBody pieces as they arrive
//! ```
//!
//! What is wrong with path, query or body is told by the messages, not before: the method's stages
//! come first, and a caller who may not call learns nothing else.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::Body as _;

use super::{
    binding::{Binding, RequestShape},
    fault,
    negotiate::Content,
};
use crate::{
    error::Error,
    exchange::{MessageStream, Messages},
    protocol::{Upload, gathered::Gathered},
    transcode::{Elements, Framing},
};

/// The messages of a request whose path and query have become `tail`, wire bytes that follow the
/// body's own.
pub(super) fn messages(
    binding: &Arc<Binding>,
    content: Content,
    content_type: Option<Bytes>,
    tail: Result<Vec<u8>, Error>,
    body: Upload,
) -> Messages {
    let tail = match tail {
        Ok(tail) => tail,
        Err(error) => return Messages::stream(Failed(Some(error))),
    };
    if matches!(binding.request, RequestShape::Nothing) && body.is_end_stream() {
        return Messages::one(tail.into());
    }
    let source = Source { binding: binding.clone(), tail, body, read: 0 };
    if !binding.rule.method.client_streaming {
        let content_type = content_type.unwrap_or_default();
        return Messages::stream(Whole {
            source,
            content,
            content_type,
            gathered: Some(Gathered::Nothing),
        });
    }
    match binding.request {
        RequestShape::Nothing => Messages::stream(Whole {
            source,
            content,
            content_type: Bytes::new(),
            gathered: Some(Gathered::Nothing),
        }),
        RequestShape::RawWhole | RequestShape::RawField(_) => Messages::stream(Pieces {
            source,
            content_type: content_type.unwrap_or_default(),
            first: true,
            ended: false,
        }),
        RequestShape::Message | RequestShape::Field(_) => {
            let kind = match content {
                Content::Lines => Framing::Lines,
                Content::Sequence => Framing::Records,
                _ => Framing::Array,
            };
            let elements = Elements::new(kind, binding.limits.request_message);
            Messages::stream(Streamed { source, elements, count: 0, ended: false, failed: false })
        }
    }
}

/// What every kind of request reads from.
struct Source {
    binding: Arc<Binding>,
    tail: Vec<u8>,
    body: Upload,
    /// Bytes of the body so far.
    read: u64,
}

impl Source {
    /// The next piece of the body.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let polled = self.body.poll_data(cx);
        if let Poll::Ready(Some(Ok(data))) = &polled {
            self.read += data.len() as u64;
        }
        polled
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

/// A body that is one message.
struct Whole {
    source: Source,
    content: Content,
    content_type: Bytes,
    /// Gone once it has been read.
    gathered: Option<Gathered>,
}

impl MessageStream for Whole {
    fn poll_message(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        let Whole { source, content, content_type, gathered } = &mut *self;
        let Some(body) = gathered else { return Poll::Ready(None) };
        let limit = source.binding.limits.request_message;
        while let Some(data) = ready!(source.poll_data(cx)) {
            let expected = source.body.size_hint().lower().saturating_add(source.read);
            if let Err(error) = data.and_then(|data| body.push(data, expected, limit)) {
                *gathered = None;
                return Poll::Ready(Some(Err(error)));
            }
        }
        let body = gathered.take().unwrap_or_default();
        let body = body.as_slice();
        Poll::Ready(Some(source.binding.request(body, *content, content_type, &source.tail)))
    }
}

/// A body whose elements are the messages of a stream.
struct Streamed {
    source: Source,
    elements: Elements,
    /// How many messages there have been.
    count: u64,
    /// No more bytes come.
    ended: bool,
    /// No more messages come: there was an error.
    failed: bool,
}

impl Streamed {
    fn poll_element(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            match self.elements.next_element() {
                Ok(Some(element)) => return Poll::Ready(Some(self.message(&element))),
                Ok(None) if self.ended => return Poll::Ready(None),
                Ok(None) => match ready!(self.source.poll_data(cx)) {
                    Some(Ok(data)) => self.elements.push(data),
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => {
                        self.ended = true;
                        self.elements.end();
                    }
                },
                Err(error) => return Poll::Ready(Some(Err(fault::elements(&error)))),
            }
        }
    }

    /// The message of an element; the first one gets what path and query set.
    fn message(&mut self, element: &[u8]) -> Result<Bytes, Error> {
        self.count += 1;
        let Source { binding, tail, .. } = &self.source;
        let tail: &[u8] = if self.count == 1 { tail } else { &[] };
        binding.element(element, tail, |error| fault::element(error, self.count))
    }
}

impl MessageStream for Streamed {
    fn poll_message(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        if self.failed {
            return Poll::Ready(None);
        }
        let polled = self.poll_element(cx);
        self.failed = matches!(polled, Poll::Ready(Some(Err(_))));
        polled
    }
}

/// A body of raw bytes that becomes HttpBody messages, a piece each, however long it is.
struct Pieces {
    source: Source,
    content_type: Bytes,
    first: bool,
    ended: bool,
}

impl MessageStream for Pieces {
    fn poll_message(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let data = loop {
            match ready!(self.source.poll_data(cx)) {
                Some(Ok(data)) if data.is_empty() => {}
                Some(Ok(data)) => break data,
                Some(Err(error)) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.ended = true;
                    // A backend learns path, query and content type even if there are no bytes.
                    if !self.first {
                        return Poll::Ready(None);
                    }
                    break Bytes::new();
                }
            }
        };
        let first = std::mem::take(&mut self.first);
        let Pieces { source, content_type, .. } = &*self;
        let (content_type, tail) =
            if first { (&content_type[..], &source.tail[..]) } else { (&[][..], &[][..]) };
        Poll::Ready(Some(Ok(source.binding.raw(content_type, &data, tail))))
    }
}
