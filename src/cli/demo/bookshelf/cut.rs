//! Whether what a caller sends was cut off.
//!
//! tonic and hyper end the messages of a caller that has reset the call just as they end those of
//! one that is done. A method that takes a stream would count what it has as all there is, and not
//! see that the caller left.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tonic::{Status, body::Body};

/// Whether a call's messages ended without their end; an extension of its request.
#[derive(Clone, Default)]
pub(super) struct Cut(Arc<AtomicBool>);

impl Cut {
    /// Whether they did, as far as they have been read.
    pub(super) fn is_cut(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A request that notices it.
pub(super) fn watch(mut request: http::Request<Body>) -> http::Request<Body> {
    let cut = Cut::default();
    request.extensions_mut().insert(cut.clone());
    request.map(|body| Body::new(Watched { body, cut }))
}

struct Watched {
    body: Body,
    cut: Cut,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let next = Pin::new(&mut self.body).poll_frame(cx);
        let cut = match &next {
            Poll::Ready(None) => !self.body.is_end_stream(),
            Poll::Ready(Some(frame)) => frame.is_err(),
            Poll::Pending => false,
        };
        if cut {
            self.cut.0.store(true, Ordering::Relaxed);
        }
        next
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
