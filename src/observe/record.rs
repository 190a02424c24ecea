//! What one request's line in the access log is gathered in, while the request goes its way.
//!
//! A record is written when the answer's last byte has been taken, or when the caller has left
//! before: dropping it writes it. Nobody who has no log pays for one.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body::{Body, Frame, SizeHint};

use super::{access, request_id};
use crate::{
    error::{Code, Error},
    exchange::{Exchange, Identity, Journal},
    protocol::{
        Call, Caller, Refusal, ResponseBody,
        body::{Streamed, StreamedBody},
    },
};

/// One request, as far as it has come.
pub struct Record {
    begun: Instant,
    http_method: Method,
    uri: Uri,
    version: Version,
    peer: Option<SocketAddr>,
    identity: Option<Arc<Identity>>,
    request_id: HeaderValue,
    request_bytes: u64,
    protocol: &'static str,
    rpc: Option<String>,
    route: Option<Arc<str>>,
    status: StatusCode,
    code: Code,
    reason: Option<&'static str>,
    response_bytes: u64,
    journal: Arc<Journal>,
}

impl Record {
    /// The record of a request that has just come in; `None` while there is no access log.
    pub fn begin<B: Body>(request: &Request<B>, caller: &Caller) -> Option<Box<Self>> {
        access::enabled().then(|| {
            Box::new(Self {
                begun: Instant::now(),
                http_method: request.method().clone(),
                uri: request.uri().clone(),
                version: request.version(),
                peer: caller.peer,
                identity: caller.identity.clone(),
                request_id: request_id::take_or_make(request.headers()),
                request_bytes: request.body().size_hint().lower(),
                protocol: "",
                rpc: None,
                route: None,
                // What a caller that leaves before the answer is logged with.
                status: Code::Cancelled.http_status(),
                code: Code::Cancelled,
                reason: Some("caller_left"),
                response_bytes: 0,
                journal: Arc::default(),
            })
        })
    }

    /// The protocol that the request speaks is known.
    pub fn entered(&mut self, protocol: &'static str) {
        self.protocol = protocol;
    }

    /// A door has opened the call; the backend gets to know the request's id.
    pub fn opened(&mut self, call: &mut Call) {
        let Exchange { method, metadata, journal, .. } = &mut call.exchange;
        self.rpc = Some(method.full_name.clone());
        self.route = Some(call.route.clone());
        metadata.insert(request_id::HEADER, self.request_id.clone());
        *journal = Some(self.journal.clone());
    }

    /// How the request ended, as far as that is known.
    fn end(&mut self, refusal: Option<Refusal>) {
        self.code = refusal.map_or(Code::Ok, |refusal| refusal.code);
        self.reason = refusal.map(|refusal| refusal.reason);
    }
}

/// Lets the record follow the answer to its last byte.
pub fn follow(
    record: Option<Box<Record>>,
    mut response: Response<ResponseBody>,
) -> Response<ResponseBody> {
    let Some(mut record) = record else { return response };
    record.status = response.status();
    record.end(response.extensions().get().copied());
    // The caller gets the word by which its request is found in the log.
    response.headers_mut().insert(request_id::HEADER, record.request_id.clone());
    response.map(|body| match body {
        ResponseBody::Empty => ResponseBody::Empty,
        ResponseBody::Whole(bytes) => {
            record.response_bytes = bytes.len() as u64;
            ResponseBody::Whole(bytes)
        }
        ResponseBody::Stream(inner) => {
            let ended = false;
            ResponseBody::stream(Followed { inner, record, ended })
        }
    })
}

/// A streamed answer and its record.
struct Followed {
    inner: Streamed,
    record: Box<Record>,
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
                self.record.response_bytes += length as u64;
                // Nothing comes behind trailers, and nobody asks for it.
                self.ended |= frame.is_trailers();
            }
            Poll::Ready(Some(Err(error))) => {
                self.ended = true;
                self.record.end(Some(Refusal::by(error)));
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
        let has_left = !self.ended && self.record.journal.upstream_status.get().is_none();
        if let Some(refusal) = self.inner.told().or(has_left.then_some(left)) {
            self.record.end(Some(refusal));
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        access::emit(&access::AccessRecord {
            rpc: self.rpc.as_deref(),
            route: self.route.as_deref(),
            http_method: &self.http_method,
            path: self.uri.path(),
            protocol: self.protocol,
            http_version: self.version,
            http_status: self.status,
            grpc_status: self.code,
            total: self.begun.elapsed(),
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            journal: Some(&self.journal),
            request_id: self.request_id.to_str().unwrap_or_default(),
            peer: self.peer,
            client: self.identity.as_deref().map(Identity::name),
            reason: self.reason,
        });
    }
}
