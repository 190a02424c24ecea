//! One downstream connection, HTTP/1.1 or HTTP/2 as its first bytes say.
//!
//! ```text
//!            bytes come                 HTTP/1.1, between calls for a moment
//! socket ─────────────────► hyper ───────────────────────────────────────────► socket
//! ```
//!
//! hyper keeps some 25 KiB for a connection, whether it is used or not. So it is put on the socket
//! when the peer speaks, and taken off again when it falls silent: what is left of an idle
//! connection is the socket, a timer, and what is known of the caller.

use std::{any::Any, sync::Arc};

use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    sync::watch,
};

use super::{
    activity::Activity,
    attend::{End, Overseer, Silence, Turns, attend, wait_for_bytes},
    handshake::Chosen,
    lodging::Lodgings,
    service::service,
    socket::{Socket, Tongue},
};
use crate::{config::Listen, cork::cork, gateway::Gateway, protocol::Caller};

/// How much of an HTTP/2 connection is read at once. The library itself reads into what is left of
/// a buffer, which for small calls means more system calls than there is to read.
const READ_BUFFER: usize = 16 << 10;

/// How many bytes of an HTTP/2 stream wait in the library for a caller who does not read: two of the
/// writes that streams are gathered into.
const SEND_BUFFER: usize = 64 << 10;

/// How many headers of HTTP/1.1 the library takes if it isn't told otherwise.
const LIBRARY_HEADERS: usize = 100;

/// What every connection of a worker shares.
pub(super) struct Context {
    pub(super) gateway: Arc<Gateway>,
    pub(super) listen: Listen,
    pub(super) worker: usize,
    /// Whether the drain's time is nearly over.
    pub(super) leaving: watch::Receiver<bool>,
}

/// Serves a connection, in the protocol that TLS has settled if it did, until it ends, is idle or
/// slow for too long, or the drain has emptied it. `open` lives as long as the connection does, even
/// where a session has taken it over.
pub(super) async fn serve<S>(
    stream: S,
    caller: Caller,
    chosen: Option<Chosen>,
    context: &Context,
    draining: watch::Receiver<bool>,
    open: Arc<dyn Any + Send + Sync>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Activity::new();
    let leaving = context.leaving.clone();
    let lodging = Arc::new(Lodgings { activity: activity.clone(), open, leaving });
    let caller = Arc::new(caller.lodging(lodging));
    let mut overseer = Overseer::new(&context.listen, activity.clone(), draining);
    let mut socket = Socket::new(stream, activity.clone());
    let security = context.listen.security_headers.clone().map(Arc::new);
    loop {
        let tongue = match wait_for_bytes(&mut socket, &mut overseer).await {
            Ok(tongue) => match chosen {
                Some(Chosen::Http1) => Tongue::Http1,
                Some(Chosen::Http2) => Tongue::Http2,
                None => tongue,
            },
            Err(Silence::Leave) => return drop(socket.shutdown().await),
            Err(Silence::Gone) => return,
        };
        let service = service(&context.gateway, &caller, &activity, security.as_ref());
        if tongue == Tongue::Http2 {
            activity.note_http2();
            let (corked, puller) = cork(socket);
            let io = TokioIo::new(BufReader::with_capacity(READ_BUFFER, corked));
            let connection = builder2(&context.listen).serve_connection(io, service);
            let mut connection = Box::new(Turns { connection, puller });
            return report(attend(&mut *connection, &mut overseer).await, &caller);
        }
        let connection = builder1(&context.listen).serve_connection(TokioIo::new(socket), service);
        // On the heap, as it isn't there most of the time.
        let mut connection = Box::new(connection.with_upgrades());
        let end = attend(&mut *connection, &mut overseer).await;
        let parts = connection.into_parts();
        match (end, parts) {
            (End::Rested, Some(parts)) => {
                socket = parts.io.into_inner();
                socket.unread(parts.read_buf);
                count_rest();
            }
            // A protocol door has the socket; its connection counts as open until it is closed.
            (End::Over(Ok(())), None) => return activity.closed().await,
            (end, _) => return report(end, &caller),
        }
    }
}

/// Tells the log of a connection that ended badly.
fn report(end: End, caller: &Caller) {
    if let End::Over(Err(error)) = end {
        let peer = caller.peer.map(tracing::field::display);
        tracing::debug!(peer, %error, "downstream connection ended");
    }
}

/// hyper's own bound on a head lies above ours, so that ours answers with a body that tells more.
fn head_buffer(listen: &Listen) -> usize {
    listen.head_limit().saturating_mul(4).clamp(256 << 10, 16 << 20)
}

fn builder1(listen: &Listen) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None).max_buf_size(head_buffer(listen));
    // The library's own count lies above ours, as with the bytes; what it counts past its usual
    // hundred costs an allocation a request.
    if listen.max_headers > LIBRARY_HEADERS {
        builder.max_headers(listen.max_headers.saturating_mul(2));
    }
    builder
}

fn builder2(listen: &Listen) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .max_concurrent_streams(listen.max_streams)
        .max_header_list_size(head_buffer(listen) as u32)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .max_send_buf_size(SEND_BUFFER);
    builder
}

/// Counts a rest, for the tests, which can't see one from outside.
#[cfg(test)]
fn count_rest() {
    RESTS.set(RESTS.get() + 1);
}

#[cfg(not(test))]
#[inline(always)]
fn count_rest() {}

#[cfg(test)]
thread_local! {
    /// How often connections of this thread have come to rest.
    static RESTS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests;
