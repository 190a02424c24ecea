//! Who sees a request from its head to its answer's last byte: for the meter always, for the access
//! log while there is one.
//!
//! A request ends when the last byte of its answer has been taken, or when its caller has left
//! before: dropping the witness tells of it. So a stream is told of once, at its end.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};

use super::Record;
use crate::{
    error::{Code, Error},
    exchange::Exchange,
    meter::{Shard, Tally},
    protocol::{
        Caller, Refusal, ResponseBody,
        body::{Streamed, StreamedBody},
        session::Ending,
    },
    schema::Method,
};

/// Sees one request. The default sees nothing.
#[derive(Default)]
pub struct Witness {
    tally: Option<Tally>,
    record: Option<Box<Record>>,
}

impl Witness {
    /// A request has just come in.
    pub fn begin<B: Body>(request: &Request<B>, caller: &Caller) -> Self {
        Self { tally: Some(Tally::begin()), record: Record::begin(request, caller) }
    }

    /// The protocol that the request speaks is known, by its name and its place on the meter.
    pub fn entered(&mut self, protocol: &'static str, place: usize) {
        self.tally.iter_mut().for_each(|tally| tally.speaks(place));
        self.record.iter_mut().for_each(|record| record.entered(protocol));
    }

    /// A door has opened the call; `shard` counts its method.
    pub fn opened(&mut self, exchange: &mut Exchange, route: &Arc<str>, shard: &Arc<Shard>) {
        self.tally.iter_mut().for_each(|tally| tally.calls(shard));
        self.record.iter_mut().for_each(|record| record.opened(exchange, route));
    }

    /// A door has refused a request that meant this method, which `shard` counts.
    pub fn meant(&mut self, method: &Method, shard: &Arc<Shard>) {
        self.tally.iter_mut().for_each(|tally| tally.calls(shard));
        self.record.iter_mut().for_each(|record| record.meant(method));
    }

    /// The answer that a session begins with.
    pub fn began(&mut self, response: &mut Response<ResponseBody>) {
        self.record.iter_mut().for_each(|record| record.answered(response));
    }

    /// A session has ended.
    pub fn parted(mut self, ending: &Ending) {
        self.end(ending.refusal);
        self.record.iter_mut().for_each(|record| record.parted(ending));
    }

    /// Follows the answer to its last byte. A request that has called no method is counted by
    /// `nowhere`.
    pub fn follow(
        mut self,
        mut response: Response<ResponseBody>,
        nowhere: &Arc<Shard>,
    ) -> Response<ResponseBody> {
        self.tally.iter_mut().for_each(|tally| tally.calls(nowhere));
        self.record.iter_mut().for_each(|record| record.answered(&mut response));
        self.end(response.extensions().get().copied());
        response.map(|body| match body {
            ResponseBody::Empty => ResponseBody::Empty,
            ResponseBody::Whole(bytes) => {
                self.sent(bytes.len());
                ResponseBody::Whole(bytes)
            }
            ResponseBody::Trailed(bytes, trailers) => {
                self.sent(bytes.len());
                ResponseBody::Trailed(bytes, trailers)
            }
            ResponseBody::Stream(inner) if self.tally.is_none() => ResponseBody::Stream(inner),
            ResponseBody::Stream(inner) => {
                let left = inner.size_hint().exact();
                ResponseBody::stream(Followed { inner, witness: self, left, ended: false })
            }
        })
    }

    fn sent(&mut self, bytes: usize) {
        self.record.iter_mut().for_each(|record| record.sent(bytes));
    }

    fn end(&mut self, refusal: Option<Refusal>) {
        let code = refusal.map_or(Code::Ok, |refusal| refusal.code);
        self.tally.iter_mut().for_each(|tally| tally.end(code));
        self.record.iter_mut().for_each(|record| record.end(refusal));
    }
}

/// A streamed answer and its witness.
struct Followed {
    inner: Streamed,
    witness: Witness,
    /// How many bytes are still to come, where that is known: nobody asks for what is behind them.
    left: Option<u64>,
    ended: bool,
}

impl Body for Followed {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = self.inner.as_mut().poll_frame(cx);
        match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                self.witness.sent(length);
                let left = self.left.map(|left| left.saturating_sub(length as u64));
                self.left = left;
                // Nothing comes behind trailers, and nobody asks for it.
                self.ended |= frame.is_trailers() || left == Some(0);
            }
            Poll::Ready(Some(Err(error))) => {
                self.ended = true;
                self.witness.end(Some(Refusal::by(error)));
            }
            Poll::Ready(None) => self.ended = true,
            Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl StreamedBody for Followed {
    fn told(&self) -> Option<Refusal> {
        self.inner.told()
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let left = Refusal { code: Code::Cancelled, reason: "caller_left" };
        let knows_the_end =
            self.witness.record.as_ref().is_some_and(|record| record.knows_the_end());
        let has_left = !self.ended && !knows_the_end && !self.inner.is_end_stream();
        if let Some(refusal) = self.inner.told().or(has_left.then_some(left)) {
            self.witness.end(Some(refusal));
        }
    }
}
