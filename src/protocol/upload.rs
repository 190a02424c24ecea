//! The body of a request, of which the rest is read and dropped when nobody wants it any more.
//!
//! An answer that comes before the caller has said all (413, for example) must still reach a caller
//! that only listens when it has. Were the body just let go of, HTTP/1.1 would close the connection
//! without having said so in the answer, and the caller's next request would meet the end; HTTP/2
//! would reset the stream, for which some clients forget the answer (RFC 9113 §8.1 forbids it).

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, header::EXPECT};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::{runtime::Handle, time::timeout};

use crate::error::{Code, Error, Origin};

/// How long the caller may go on sending what nobody wants.
const PATIENCE: Duration = Duration::from_secs(3);

/// A request's body; dropping it reads on for a while.
pub struct Upload {
    /// Gone once it has ended, or failed.
    body: Option<Incoming>,
    /// The caller waits to be asked for the body, so it needn't be read to be rid of it.
    waits: bool,
}

impl Upload {
    /// The body of the request with these headers.
    pub fn new(body: Incoming, headers: &HeaderMap) -> Self {
        let body = Some(body).filter(|body| !body.is_end_stream());
        let waits = body.is_some() && headers.contains_key(EXPECT);
        Self { body, waits }
    }

    /// The next piece of the body; trailers are passed over.
    ///
    /// # Errors
    /// The body breaks off: CANCELLED where the caller has reset its stream, and INVALID_ARGUMENT
    /// over HTTP/1.1, where it may still listen.
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            return Poll::Ready(match ready!(Pin::new(&mut *self).poll_frame(cx)) {
                None => None,
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => Some(Ok(data)),
                    Err(_) => continue,
                },
                Some(Err(error)) => Some(Err(broken(error))),
            });
        }
    }
}

fn broken(error: hyper::Error) -> Error {
    let is_reset = std::error::Error::source(&error).is_some_and(|source| source.is::<h2::Error>());
    let code = if is_reset { Code::Cancelled } else { Code::InvalidArgument };
    Error::new(code, "broken_body", "the request's body broke off before its end")
        .with_origin(Origin::Downstream)
        .with_source(error)
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(cx);
        self.waits = false;
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let body = self.body.take().filter(|body| !self.waits && !body.is_end_stream());
        if let Some((body, runtime)) = body.zip(Handle::try_current().ok()) {
            runtime.spawn(timeout(PATIENCE, read_to_end(body)));
        }
    }
}

async fn read_to_end(mut body: Incoming) {
    let next = |cx: &mut Context<'_>| Pin::new(&mut body).poll_frame(cx);
    let mut next = std::future::poll_fn(next);
    while let Some(Ok(_)) = (&mut next).await {}
}
