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

use super::{
    binding::{Binding, RequestShape},
    fault,
    negotiate::Content,
};
use crate::{
    coding::Coding,
    error::Error,
    exchange::{MessageStream, Messages},
    protocol::{
        Upload,
        unpacked::{Bound, Unpacked},
        whole::whole,
    },
    transcode::{Elements, Framing},
};

/// The body of a request, the codings undone that were applied in this order.
///
/// # Errors
/// As of [`Unpacked::new`].
pub(super) fn unpacked(
    binding: &Binding,
    body: Upload,
    codings: &[Coding],
) -> Result<Unpacked, Error> {
    let limit = binding.limits.request_message;
    let bound = match binding.rule.method.client_streaming {
        true => Bound::Stream(limit),
        false => Bound::Message(limit),
    };
    Unpacked::new(body, codings, bound)
}

/// The messages of a request whose path and query have become `tail`, wire bytes that follow the
/// body's own.
pub(super) fn messages(
    binding: &Arc<Binding>,
    content: Content,
    content_type: Option<Bytes>,
    tail: Result<Vec<u8>, Error>,
    body: Unpacked,
) -> Messages {
    let tail = match tail {
        Ok(tail) => tail,
        Err(error) => return Messages::failed(error),
    };
    let takes_none = matches!(binding.request, RequestShape::Nothing);
    if takes_none && body.is_end_stream() {
        return Messages::one(tail.into());
    }
    let binding = binding.clone();
    if takes_none || !binding.rule.method.client_streaming {
        let content_type = content_type.unwrap_or_default();
        return whole(body, binding.limits.request_message, move |body| {
            binding.request(body.as_slice(), content, &content_type, &tail)
        });
    }
    let source = Source { binding: binding.clone(), tail, body };
    match binding.request {
        RequestShape::RawWhole | RequestShape::RawField(_) => Messages::stream(Pieces {
            source,
            content_type: content_type.unwrap_or_default(),
            first: true,
            ended: false,
        }),
        RequestShape::Nothing | RequestShape::Message | RequestShape::Field(_) => {
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

/// What every kind of stream reads from.
struct Source {
    binding: Arc<Binding>,
    tail: Vec<u8>,
    body: Unpacked,
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
                Ok(None) => match ready!(self.source.body.poll_data(cx)) {
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
            match ready!(self.source.body.poll_data(cx)) {
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
