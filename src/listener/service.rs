//! What hyper calls for each request, and how long a call lasts.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{self, Poll},
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::{
    body::Incoming,
    service::{Service, service_fn},
};

use super::activity::{Activity, CallInProgress};
use crate::{
    config::SecurityHeaders,
    error::Error,
    gateway::Gateway,
    protocol::{
        Caller, ResponseBody,
        body::{Streamed, StreamedBody},
    },
};

/// The gateway as hyper sees it on one connection.
pub(super) fn service(
    gateway: &Arc<Gateway>,
    caller: &Arc<Caller>,
    activity: &Arc<Activity>,
    security: Option<&Arc<SecurityHeaders>>,
) -> impl Service<
    Request<Incoming>,
    Response = Response<ResponseBody>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<ResponseBody>, Infallible>> + Send + 'static,
> + Send
+ 'static {
    let (gateway, caller, activity) = (gateway.clone(), caller.clone(), activity.clone());
    let security = security.cloned();
    service_fn(move |request: Request<Incoming>| {
        let call = activity.begin_call(!request.body().is_end_stream());
        let (gateway, caller) = (gateway.clone(), caller.clone());
        let security = security.clone();
        let is_connect = request.method() == Method::CONNECT;
        async move {
            let mut response = gateway.serve(request, &caller).await;
            if let Some(security) = security {
                security.dress(caller.scheme == "https", response.headers_mut());
            }
            if is_connect && response.status().is_success() {
                call.becomes_tunnel();
            }
            Ok(keep_call(response, call))
        }
    })
}

/// A response that still has a body to send counts as a call until the body's end.
fn keep_call(response: Response<ResponseBody>, call: CallInProgress) -> Response<ResponseBody> {
    response.map(|body| match body {
        ResponseBody::Stream(inner) => ResponseBody::stream(Busy { inner, _call: call }),
        whole => whole,
    })
}

/// A streamed body and the call that it belongs to.
struct Busy {
    inner: Streamed,
    _call: CallInProgress,
}

impl Body for Busy {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.inner.as_mut().poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl StreamedBody for Busy {}
