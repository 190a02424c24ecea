//! How a stream ends that must not look complete.

use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;

use crate::error::Error;

/// The error of a body that breaks off, told once what was written before has left.
pub struct BreakOff {
    error: Option<Error>,
    waited: bool,
}

impl BreakOff {
    /// A body that is to end with this error.
    pub fn new(error: Error) -> Self {
        Self { error: Some(error), waited: false }
    }

    /// The last of the body: nothing for a turn, then the error, then the end.
    pub fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if std::mem::replace(&mut self.waited, true) {
            return Poll::Ready(self.error.take().map(Err));
        }
        // A body that waits is flushed: else the error would take back the head, and what has been
        // written, before any of it has left.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
