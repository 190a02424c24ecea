//! The body of a response: whole, or a stream that pushes back.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::Refusal;
use crate::error::{Code, Error};

/// What hyper writes downstream. The common cases take no allocation.
#[derive(Default)]
pub enum ResponseBody {
    /// No body.
    #[default]
    Empty,
    /// A body that is at hand.
    Whole(Bytes),
    /// A body that is at hand, and the trailers after it.
    Trailed(Bytes, Box<HeaderMap>),
    /// A body that arrives over time; an error ends the connection or stream visibly.
    Stream(Streamed),
}

/// A body that arrives over time.
pub type Streamed = Pin<Box<dyn StreamedBody>>;

/// What a body that arrives over time can tell besides its frames.
pub trait StreamedBody: Body<Data = Bytes, Error = Error> + Send {
    /// The error that the stream has ended with, where its form has told the caller of it and the
    /// body has ended well.
    fn told(&self) -> Option<Refusal> {
        None
    }
}

impl ResponseBody {
    /// A body that is at hand.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(bytes.into())
    }

    /// A body that arrives over time.
    pub fn stream(body: impl StreamedBody + 'static) -> Self {
        Self::Stream(Box::pin(body))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Trailed(bytes, trailers) => {
                if !bytes.is_empty() {
                    return Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))));
                }
                let trailers = std::mem::take(&mut **trailers);
                *self = Self::Empty;
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
            Self::Stream(body) => {
                // On HTTP/1.1 a panic would take the connection's task with it.
                let polled = catch_unwind(AssertUnwindSafe(|| body.as_mut().poll_frame(cx)));
                polled.unwrap_or_else(|panic| {
                    *self = Self::Empty;
                    Poll::Ready(Some(Err(bug(&*panic))))
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Trailed(..) => false,
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            // A length that is told would be one more header, of which no such caller knows.
            Self::Trailed(..) => SizeHint::default(),
            Self::Stream(body) => body.size_hint(),
        }
    }
}

/// The error of a request on which the gateway has panicked, which is a bug and is logged as one.
#[cold]
pub fn bug(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = text.unwrap_or("?"), "a request met a bug in the gateway");
    Error::new(Code::Internal, "bug", "the gateway failed on this request")
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    struct Faulty;

    impl Body for Faulty {
        type Data = Bytes;
        type Error = Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
            panic!("a bug")
        }
    }

    impl StreamedBody for Faulty {}

    #[tokio::test]
    async fn panic_in_a_stream_breaks_it_off_and_nothing_else() {
        let mut body = ResponseBody::stream(Faulty);
        let error = body.frame().await.unwrap().unwrap_err();
        assert_eq!((error.code(), error.reason()), (Code::Internal, "bug"));
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn body_at_hand_is_one_frame_of_known_length() {
        let mut body = ResponseBody::whole("hello");
        assert_eq!(body.size_hint().exact(), Some(5));
        assert!(!body.is_end_stream());
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "hello");
        assert!(body.is_end_stream() && body.frame().await.is_none());
        assert_eq!(ResponseBody::Empty.size_hint().exact(), Some(0));
    }

    #[tokio::test]
    async fn trailers_come_behind_the_body() {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-last", http::HeaderValue::from_static("1"));
        let body = ResponseBody::Trailed("hello".into(), Box::new(trailers.clone()));
        let collected = body.collect().await.unwrap();
        assert_eq!(collected.trailers(), Some(&trailers));
        assert_eq!(collected.to_bytes(), "hello");
        let mut bare = ResponseBody::Trailed(Bytes::new(), Box::new(trailers));
        assert!(bare.frame().await.unwrap().unwrap().is_trailers());
        assert!(bare.is_end_stream() && bare.frame().await.is_none());
    }
}
