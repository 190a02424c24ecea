//! One HTTP/2 connection: its handshake, the task that drives it, and pings that keep it honest.
//!
//! A connection is handed out only once the peer's SETTINGS are here. So a peer that speaks
//! HTTP/1, garbage or nothing fails the dial, within its time, and no call; and the limit of
//! concurrent streams is known before the first call.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{
            AtomicU8, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use h2::{
    Ping, PingPong, SendStream,
    client::{Builder, ResponseFuture, SendRequest},
};
use http::Request;
use tokio::{
    io::BufReader,
    time::{Instant, Sleep, sleep, timeout_at},
};

use super::{
    endpoint::{Lane, Target},
    fault::Fault,
    settings,
    socket::{self, Socket, not_http2},
};
use crate::{
    coding::Codings,
    cork::{Corked, Puller, cork},
    frame::Framed,
};

/// How much of one reply may be under way or unread.
const STREAM_WINDOW: u32 = 512 << 10;

/// How much is read at once. `h2` itself asks for 8 KiB at a time, which costs a large reply eight
/// times the system calls.
const READ_BUFFER: usize = 64 << 10;

/// Above what the streams of a connection can hold unread together, so that slow readers stall
/// their own calls and no others.
const CONNECTION_WINDOW: u32 = 1 << 30;

/// Larger frames than the standard's 16 KiB mean fewer messages that have to be put together.
const MAX_FRAME: u32 = 256 << 10;

/// Response heads and trailers, error details included.
const MAX_HEADERS: u32 = 64 << 10;

/// Cancelled streams that are remembered, because the peer may still be answering them.
const REMEMBERED_RESETS: usize = 1024;

/// What `h2` takes for the peer's limit before the peer told it. No peer can tell this one.
const UNTOLD: usize = usize::MAX - 1;

/// What `h2` drives for us.
pub(super) struct Link {
    connection: h2::client::Connection<BufReader<Corked<Socket>>, Framed>,
    /// What the library writes in a turn leaves at its end.
    puller: Puller<Socket>,
}

impl Link {
    /// Gives the library its turn; ready when the connection is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        let polled = Pin::new(&mut self.connection).poll(cx);
        if polled.is_pending() {
            self.puller.pull(cx);
        }
        polled
    }
}

/// A live connection, as its lane holds it.
pub(super) struct Connection {
    sender: SendRequest<Framed>,
    /// Shared with the driver, which must not keep the connection itself open.
    pub(super) load: Arc<Load>,
}

/// How many calls a connection carries.
#[derive(Debug)]
pub(super) struct Load {
    /// Calls in flight.
    pub(super) active: AtomicUsize,
    /// How many the peer allows.
    pub(super) limit: AtomicUsize,
    /// What the peer has told that it takes messages packed with, as [`Codings::bits`].
    takes: AtomicU8,
}

/// What came of opening a stream.
pub(super) enum Opening {
    /// The head is on its way, and here are both halves.
    Opened(ResponseFuture, SendStream<Framed>),
    /// The connection takes no more streams. Nothing was sent; the request is handed back.
    Gone(Request<()>),
    /// The request can't be sent on any connection.
    Invalid(h2::Error),
}

impl Connection {
    /// A connection whose handshake is done.
    pub(super) fn new(sender: SendRequest<Framed>) -> Self {
        let limit = AtomicUsize::new(sender.current_max_send_streams());
        let (active, takes) = (AtomicUsize::new(0), AtomicU8::new(Codings::NONE.bits()));
        Self { sender, load: Arc::new(Load { active, limit, takes }) }
    }

    /// What the peer takes messages packed with, as far as it has told on this connection.
    pub(super) fn takes(&self) -> Codings {
        Codings::from_bits(self.load.takes.load(Relaxed))
    }

    /// Notes what the peer has told.
    pub(super) fn learn(&self, takes: Codings) {
        self.load.takes.store(takes.bits(), Relaxed);
    }

    /// Whether another stream may be opened: no GOAWAY, no failure, stream ids left.
    pub(super) fn is_open(&self) -> bool {
        is_ready(&mut self.sender.clone())
    }

    /// Opens a stream and sends the request's head.
    pub(super) fn open(&self, request: Request<()>) -> Opening {
        // A clone, because `h2` lets a sender wait whose last stream is not open yet.
        let mut sender = self.sender.clone();
        if !is_ready(&mut sender) {
            return Opening::Gone(request);
        }
        match sender.send_request(request, false) {
            Ok((response, stream)) => Opening::Opened(response, stream),
            Err(error) => Opening::Invalid(error),
        }
    }
}

fn is_ready(sender: &mut SendRequest<Framed>) -> bool {
    // A sender that sent nothing itself is never pending.
    matches!(sender.poll_ready(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(())))
}

/// Dials the target until HTTP/2 is spoken on both sides.
pub(super) async fn connect(target: &Target) -> Result<(SendRequest<Framed>, Link), Fault> {
    let deadline = Instant::now() + target.connect_timeout;
    let socket = socket::connect(target, deadline).await?;
    match timeout_at(deadline, handshake(socket)).await {
        Ok(result) => result,
        Err(_) => Err(Fault::new(
            "upstream_connect_timeout",
            "the backend accepted a connection but did not speak HTTP/2 in time",
            "no SETTINGS frame within the connect timeout",
        )),
    }
}

async fn handshake(socket: Socket) -> Result<(SendRequest<Framed>, Link), Fault> {
    let (corked, puller) = cork(socket);
    let handshake = Builder::new()
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(MAX_FRAME)
        .max_header_list_size(MAX_HEADERS)
        .max_concurrent_reset_streams(REMEMBERED_RESETS)
        // Both would end the connection, and all calls on it, for what single calls did: frames
        // on streams that were cancelled, and unread small messages of a slow reader. The
        // windows bound the memory all the same.
        .max_local_error_reset_streams(None)
        .data_frame_budget(usize::MAX)
        .initial_max_send_streams(UNTOLD)
        .handshake(BufReader::with_capacity(READ_BUFFER, corked));
    let (sender, connection) = handshake.await.map_err(handshake_fault)?;
    let mut link = Link { connection, puller };
    poll_fn(|cx| match link.poll(cx) {
        Poll::Ready(Ok(())) => Poll::Ready(Err(closed_early("end of stream"))),
        Poll::Ready(Err(error)) => Poll::Ready(Err(handshake_fault(error))),
        Poll::Pending if link.connection.max_concurrent_send_streams() == UNTOLD => Poll::Pending,
        Poll::Pending => Poll::Ready(Ok(())),
    })
    .await?;
    Ok((sender, link))
}

fn handshake_fault(error: h2::Error) -> Fault {
    if error.is_io() { closed_early(error) } else { not_http2(error) }
}

fn closed_early(detail: impl std::fmt::Display) -> Fault {
    Fault::new(
        "upstream_closed_early",
        "the backend closed the connection before it spoke HTTP/2",
        detail,
    )
}

/// The task of one connection. It holds nothing that keeps the connection open: when lane and
/// calls are gone, it says goodbye to the peer and ends.
pub(super) struct Driver {
    link: Link,
    load: Arc<Load>,
    lane: Weak<Lane>,
    keepalive: Option<Pings>,
}

impl Driver {
    pub(super) fn new(mut link: Link, connection: &Connection, lane: &Arc<Lane>) -> Self {
        let keepalive = lane.target.keepalive.as_ref();
        let keepalive = keepalive.and_then(|settings| Pings::new(&mut link, settings));
        Self { link, load: connection.load.clone(), lane: Arc::downgrade(lane), keepalive }
    }

    /// Drives the connection to its end, and tells the lane.
    pub(super) async fn run(mut self) {
        let end = poll_fn(|cx| self.poll(cx)).await;
        let Some(lane) = self.lane.upgrade() else { return };
        tracing::debug!(endpoint = %lane.target.name, %end, "upstream connection closed");
        // What is left of the calls fails before the next ones are served.
        let load = self.load.clone();
        drop(self);
        lane.remove(&load);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<String> {
        if let Some(pings) = &mut self.keepalive
            && pings.poll_dead(cx, self.load.active.load(SeqCst) > 0).is_ready()
        {
            return Poll::Ready("no answer to a ping".to_owned());
        }
        match self.link.poll(cx) {
            Poll::Ready(Ok(())) => return Poll::Ready("closed".to_owned()),
            Poll::Ready(Err(error)) => return Poll::Ready(error.to_string()),
            Poll::Pending => {}
        }
        self.follow_peer();
        Poll::Pending
    }

    /// Tells the calls that wait for a stream what the peer has just changed.
    fn follow_peer(&mut self) {
        let limit = self.link.connection.max_concurrent_send_streams();
        let changed = self.load.limit.swap(limit, SeqCst) != limit;
        let Some(lane) = self.lane.upgrade() else { return };
        if lane.has_waiters() {
            lane.review(changed);
        }
    }
}

/// HTTP/2 pings while calls are in flight.
struct Pings {
    pings: PingPong,
    interval: Duration,
    timeout: Duration,
    timer: Pin<Box<Sleep>>,
    awaiting: bool,
}

impl Pings {
    fn new(link: &mut Link, settings: &settings::Keepalive) -> Option<Self> {
        let settings::Keepalive { interval, timeout } = *settings;
        let pings = link.connection.ping_pong()?;
        Some(Self { pings, interval, timeout, timer: Box::pin(sleep(interval)), awaiting: false })
    }

    /// Ready when a ping was not answered in time.
    fn poll_dead(&mut self, cx: &mut Context<'_>, busy: bool) -> Poll<()> {
        loop {
            if self.awaiting && self.pings.poll_pong(cx).is_ready() {
                self.awaiting = false;
                self.timer.as_mut().reset(Instant::now() + self.interval);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if self.awaiting {
                return Poll::Ready(());
            }
            self.awaiting = busy && self.pings.send_ping(Ping::opaque()).is_ok();
            let pause = if self.awaiting { self.timeout } else { self.interval };
            self.timer.as_mut().reset(Instant::now() + pause);
        }
    }
}
