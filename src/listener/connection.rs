//! One downstream connection, HTTP/1.1 or HTTP/2 as its first bytes say.

use std::{
    any::Any,
    convert::Infallible,
    pin::{Pin, pin},
    sync::Arc,
    task::{self, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::sync::watch;

use super::{
    activity::{Activity, CallInProgress, Verdict},
    handshake::Chosen,
    lodging::Lodgings,
    socket::Socket,
    stream::Stream,
};
use crate::{
    config::Listen,
    error::Error,
    gateway::Gateway,
    protocol::{
        Caller, ResponseBody,
        body::{Streamed, StreamedBody},
    },
};

/// What every connection of a worker shares.
pub(super) struct Context {
    pub(super) gateway: Arc<Gateway>,
    pub(super) listen: Listen,
    pub(super) worker: usize,
    /// Whether the drain's time is nearly over.
    pub(super) leaving: watch::Receiver<bool>,
}

/// hyper's own bound on a head lies above ours, so that ours answers with a body that tells more.
fn head_buffer(listen: &Listen) -> usize {
    listen.head_limit().saturating_mul(4).clamp(256 << 10, 16 << 20)
}

/// How long after its beginning a connection may have its first request, although we drain.
const GRACE: Duration = Duration::from_millis(250);

/// Serves a connection, in the protocol that TLS has settled if it did, until it ends, is idle or
/// slow for too long, or the drain has emptied it. `open` lives as long as the connection does, even
/// where a session has taken it over.
pub(super) async fn serve(
    stream: Stream,
    caller: Caller,
    chosen: Option<Chosen>,
    context: &Context,
    mut draining: watch::Receiver<bool>,
    open: Arc<dyn Any + Send + Sync>,
) {
    let listen = &context.listen;
    let activity = Activity::new();
    let leaving = context.leaving.clone();
    let lodging = Arc::new(Lodgings { activity: activity.clone(), open, leaving });
    let caller = Arc::new(caller.lodging(lodging));

    let gateway = &context.gateway;
    let service = service_fn(|request: Request<Incoming>| {
        let call = activity.begin_call();
        let (gateway, caller) = (gateway.clone(), caller.clone());
        async move {
            let response = gateway.serve(request, &caller).await;
            Ok::<_, Infallible>(keep_call(response, call))
        }
    });
    let only_http1 = matches!(chosen, Some(Chosen::Http1));
    let server = match chosen {
        None => builder(listen),
        Some(Chosen::Http1) => builder(listen).http1_only(),
        Some(Chosen::Http2) => builder(listen).http2_only(),
    };
    let io = TokioIo::new(Socket::new(stream, activity.clone()).only_http1(only_http1));
    let mut connection = pin!(server.serve_connection_with_upgrades(io, service));
    let mut look = pin!(tokio::time::sleep(listen.head_timeout.min(listen.idle_timeout)));
    let mut leave = pin!(told_to_leave(&mut draining, &activity));
    let mut leaving = false;
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    let peer = caller.peer.map(tracing::field::display);
                    tracing::debug!(peer, error, "downstream connection ended");
                }
                return;
            }
            () = leave.as_mut(), if !leaving => {
                leaving = true;
                connection.as_mut().graceful_shutdown();
            }
            () = look.as_mut() => {
                let next = match activity.verdict(listen.head_timeout, listen.idle_timeout) {
                    Verdict::Keep(time) => time,
                    Verdict::Retire => {
                        connection.as_mut().graceful_shutdown();
                        listen.head_timeout
                    }
                    Verdict::Cut => return,
                };
                look.as_mut().reset(tokio::time::Instant::now() + next);
            }
        }
    }
}

/// Waits for the drain. A peer that the drain meets between its connect and its first request has
/// the time to say it.
async fn told_to_leave(draining: &mut watch::Receiver<bool>, activity: &Activity) {
    let _ = draining.wait_for(|drain| *drain).await;
    if let Some(grace) = activity.youth(GRACE) {
        tokio::time::sleep(grace).await;
    }
}

fn builder(listen: &Listen) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(head_buffer(listen));
    builder
        .http2()
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .max_concurrent_streams(listen.max_streams)
        .max_header_list_size(head_buffer(listen) as u32)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .max_send_buf_size(256 << 10);
    builder
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
