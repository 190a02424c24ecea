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
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderMap, uri::PathAndQuery};
use tokio::time::{Instant, Sleep, sleep, timeout_at};

use super::{
    endpoint::{Lane, Target},
    fault::Fault,
    http2::{Client, End, Link, Opened, ReplySide, RequestHead},
    settings,
    socket::{self, Socket, not_http2},
};
use crate::{coding::Codings, frame::Framed};

/// A live connection, as its lane holds it.
pub(super) struct Connection {
    client: Client,
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
    /// The head is on its way, and the body if it was given; here is what comes back.
    Opened(ReplySide),
    /// The connection takes no more streams. Nothing was sent.
    Gone,
    /// The head can't be sent on any connection: what is wrong with it.
    Invalid(&'static str),
}

impl Connection {
    /// A connection whose handshake is done.
    pub(super) fn new(client: Client) -> Self {
        let limit = AtomicUsize::new(client.max_streams());
        let (active, takes) = (AtomicUsize::new(0), AtomicU8::new(Codings::NONE.bits()));
        Self { client, load: Arc::new(Load { active, limit, takes }) }
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
        self.client.is_open()
    }

    /// Opens a stream and sends the request's head, and its body if that is at hand.
    pub(super) fn open(
        &self,
        target: &Target,
        path: &PathAndQuery,
        headers: &HeaderMap,
        body: Option<Framed>,
    ) -> Opening {
        let head = RequestHead {
            is_secure: target.address.is_tls(),
            authority: target.address.authority.as_str(),
            path: path.as_str(),
            headers,
        };
        match self.client.open(&head, body) {
            Opened::Stream(reply) => Opening::Opened(reply),
            Opened::Closed => Opening::Gone,
            Opened::Invalid(why) => Opening::Invalid(why),
        }
    }
}

/// Dials the target until HTTP/2 is spoken on both sides.
pub(super) async fn connect(target: &Target) -> Result<(Client, Link<Socket>), Fault> {
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

async fn handshake(socket: Socket) -> Result<(Client, Link<Socket>), Fault> {
    let (client, mut link) = Client::new(socket);
    poll_fn(|cx| match link.poll(cx) {
        Poll::Ready(end) => Poll::Ready(Err(handshake_fault(end))),
        Poll::Pending if link.is_greeted() => Poll::Ready(Ok(())),
        Poll::Pending => Poll::Pending,
    })
    .await?;
    Ok((client, link))
}

fn handshake_fault(end: End) -> Fault {
    match end {
        End::Broken(..) => not_http2(end),
        End::Closed | End::Lost(_) => Fault::new(
            "upstream_closed_early",
            "the backend closed the connection before it spoke HTTP/2",
            end,
        ),
    }
}

/// The task of one connection. It holds nothing that keeps the connection open: when lane and
/// calls are gone, it says goodbye to the peer and ends.
pub(super) struct Driver {
    link: Link<Socket>,
    load: Arc<Load>,
    lane: Weak<Lane>,
    keepalive: Option<Pings>,
    /// Whether the lane has been told that there will be no more calls.
    is_told: bool,
}

impl Driver {
    pub(super) fn new(link: Link<Socket>, connection: &Connection, lane: &Arc<Lane>) -> Self {
        let keepalive = lane.target.keepalive.as_ref().map(Pings::new);
        let (load, lane) = (connection.load.clone(), Arc::downgrade(lane));
        Self { link, load, lane, keepalive, is_told: false }
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

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if let Some(pings) = &mut self.keepalive
            && pings.poll_dead(cx, &self.link, self.load.active.load(SeqCst) > 0).is_ready()
        {
            return Poll::Ready(End::Lost("no answer to a ping".into()));
        }
        if let Poll::Ready(end) = self.link.poll(cx) {
            return Poll::Ready(end);
        }
        self.follow_peer();
        Poll::Pending
    }

    /// Tells the calls that wait for a stream what the peer has just changed.
    fn follow_peer(&mut self) {
        let limit = self.link.max_streams();
        let is_changed = self.load.limit.load(Relaxed) != limit;
        let is_lost = !self.link.is_open() && !self.is_told;
        if !is_changed && !is_lost {
            return;
        }
        self.load.limit.store(limit, SeqCst);
        self.is_told |= is_lost;
        let Some(lane) = self.lane.upgrade() else { return };
        if lane.has_waiters() {
            lane.review(is_changed);
        }
    }
}

/// HTTP/2 pings while calls are in flight.
struct Pings {
    interval: Duration,
    timeout: Duration,
    timer: Pin<Box<Sleep>>,
    awaiting: bool,
}

impl Pings {
    fn new(settings: &settings::Keepalive) -> Self {
        let settings::Keepalive { interval, timeout } = *settings;
        Self { interval, timeout, timer: Box::pin(sleep(interval)), awaiting: false }
    }

    /// Ready when a ping was not answered in time.
    fn poll_dead(&mut self, cx: &mut Context<'_>, link: &Link<Socket>, busy: bool) -> Poll<()> {
        loop {
            if self.awaiting && !link.awaits_pong() {
                self.awaiting = false;
                self.timer.as_mut().reset(Instant::now() + self.interval);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if self.awaiting {
                return Poll::Ready(());
            }
            if busy {
                link.ping();
                self.awaiting = true;
            }
            let pause = if self.awaiting { self.timeout } else { self.interval };
            self.timer.as_mut().reset(Instant::now() + pause);
        }
    }
}
