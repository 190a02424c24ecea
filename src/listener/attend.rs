//! What happens to a connection from outside: the drain, and the passing of time.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http_body::Body;
use hyper::{
    body::Incoming,
    rt::{Read, Write, bounds::Http2ServerConnExec},
    server::conn::{http1::UpgradeableConnection, http2},
    service::HttpService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    time::{Instant, Sleep, sleep},
};

use super::{
    activity::{Activity, Verdict},
    socket::{Socket, Tongue},
};
use crate::{config::Listen, cork::Puller};

/// How long after its beginning a connection may have its first request, although we drain.
const GRACE: Duration = Duration::from_millis(250);

/// Watches over one connection.
pub(super) struct Overseer {
    activity: Arc<Activity>,
    head_timeout: Duration,
    idle_timeout: Duration,
    /// The one timer of a connection.
    look: Pin<Box<Sleep>>,
    /// The timer runs for the connection's next rest.
    looks_soon: bool,
    /// hyper has been told to leave, and stays for what is on its way.
    never_rests: bool,
    /// Ends when the drain has come to this connection; gone when it has been told.
    drain: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// What is to be done with a connection.
#[derive(Debug, PartialEq, Eq)]
enum Order {
    /// Take hyper off the socket: nothing happens.
    Rest,
    /// Close it kindly.
    Leave,
    /// Drop it.
    Cut,
}

impl Overseer {
    pub(super) fn new(
        listen: &Listen,
        activity: Arc<Activity>,
        draining: watch::Receiver<bool>,
    ) -> Self {
        let Listen { head_timeout, idle_timeout, .. } = *listen;
        let look = Box::pin(sleep(head_timeout.min(idle_timeout)));
        let drain: Pin<Box<dyn Future<Output = ()> + Send>> =
            Box::pin(drained(draining, activity.clone()));
        let drain = Some(drain);
        Self {
            activity,
            head_timeout,
            idle_timeout,
            look,
            looks_soon: false,
            never_rests: false,
            drain,
        }
    }

    fn look_after(&mut self, time: Duration) {
        self.look.as_mut().reset(Instant::now() + time);
    }

    /// The next thing to be done with a connection that rests or, if hyper is on it, doesn't.
    fn poll_order(&mut self, cx: &mut Context<'_>, rests: bool) -> Poll<Order> {
        if let Some(drain) = &mut self.drain
            && drain.as_mut().poll(cx).is_ready()
        {
            self.drain = None;
            return Poll::Ready(Order::Leave);
        }
        // Once for many calls: while they go on, the timer only finds that it has come too early.
        if !self.looks_soon
            && let Some(due) = self.rest_due(rests)
        {
            self.looks_soon = true;
            self.look_after(due.min(self.idle_timeout));
        }
        loop {
            ready!(self.look.as_mut().poll(cx));
            let verdict = self.activity.verdict(self.head_timeout, self.idle_timeout, rests);
            let rest_due = self.rest_due(rests);
            self.looks_soon = rest_due.is_some();
            match (verdict, rest_due) {
                (Verdict::Keep(_), Some(Duration::ZERO)) => return Poll::Ready(Order::Rest),
                (Verdict::Keep(time), due) => {
                    self.look_after(due.map_or(time, |due| due.min(time)))
                }
                (Verdict::Retire, _) => {
                    self.look_after(self.head_timeout);
                    return Poll::Ready(Order::Leave);
                }
                (Verdict::Cut, _) => return Poll::Ready(Order::Cut),
            }
        }
    }

    /// When a connection that doesn't rest yet may do so.
    fn rest_due(&self, rests: bool) -> Option<Duration> {
        if rests || self.never_rests { None } else { self.activity.rest_due() }
    }
}

/// Waits for the drain. A peer that the drain meets between its connect and its first request has
/// the time to say it.
async fn drained(mut draining: watch::Receiver<bool>, activity: Arc<Activity>) {
    let _ = draining.wait_for(|drain| *drain).await;
    if let Some(grace) = activity.youth(GRACE) {
        sleep(grace).await;
    }
}

/// Why nothing more comes from a socket that rested.
pub(super) enum Silence {
    /// It is to be closed kindly.
    Leave,
    /// It is of no use any more.
    Gone,
}

/// Waits with a bare socket until its peer speaks.
pub(super) async fn wait_for_bytes<S: AsyncRead + Unpin>(
    socket: &mut Socket<S>,
    overseer: &mut Overseer,
) -> Result<Tongue, Silence> {
    let verdict = overseer.activity.verdict(overseer.head_timeout, overseer.idle_timeout, true);
    if let Verdict::Keep(time) = verdict {
        overseer.look_after(time);
    }
    let spoken = std::future::poll_fn(|cx| {
        if let Poll::Ready(arrived) = socket.poll_arrival(cx) {
            return Poll::Ready(arrived.map_err(|_| Silence::Gone)?.ok_or(Silence::Leave));
        }
        match ready!(overseer.poll_order(cx, true)) {
            Order::Leave | Order::Rest => Poll::Ready(Err(Silence::Leave)),
            Order::Cut => Poll::Ready(Err(Silence::Gone)),
        }
    });
    let tongue = spoken.await?;
    // From here on a head is on its way.
    overseer.looks_soon = false;
    overseer.look_after(overseer.head_timeout.min(overseer.idle_timeout));
    Ok(tongue)
}

/// A connection as hyper drives it.
pub(super) trait Attended: Future<Output = hyper::Result<()>> + Unpin {
    /// Begins to close: at once if nothing is on its way, else afterwards.
    fn leave(&mut self);
}

impl<I, S, B> Attended for UpgradeableConnection<I, S>
where
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: Read + Write + Unpin + Send + 'static,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn leave(&mut self) {
        Pin::new(self).graceful_shutdown();
    }
}

impl<I, S, E, B> Attended for http2::Connection<I, S, E>
where
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: Read + Write + Unpin,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    E: Http2ServerConnExec<S::Future, B>,
{
    fn leave(&mut self) {
        Pin::new(self).graceful_shutdown();
    }
}

/// A connection of which all that is written in one turn leaves at its end.
pub(super) struct Turns<C, S> {
    pub(super) connection: C,
    pub(super) puller: Puller<S>,
}

impl<C: Attended, S: AsyncWrite + Unpin> Future for Turns<C, S> {
    type Output = hyper::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = Pin::new(&mut self.connection).poll(cx);
        if polled.is_pending() {
            self.puller.pull(cx);
        }
        polled
    }
}

impl<C: Attended, S: AsyncWrite + Unpin> Attended for Turns<C, S> {
    fn leave(&mut self) {
        self.connection.leave();
    }
}

/// How hyper's part in a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// hyper can be taken off: nothing is on its way.
    Rested,
    /// The connection is closed, or has become something else.
    Over(hyper::Result<()>),
    /// It is to be dropped.
    Cut,
}

/// Drives a connection until it ends, or may rest.
pub(super) async fn attend(connection: &mut impl Attended, overseer: &mut Overseer) -> End {
    let mut resting = false;
    let end = std::future::poll_fn(|cx| {
        loop {
            if let Poll::Ready(ended) = Pin::new(&mut *connection).poll(cx) {
                let rested = resting && ended.is_ok();
                return Poll::Ready(if rested { End::Rested } else { End::Over(ended) });
            }
            if std::mem::take(&mut resting) {
                // Something was on its way after all; it closes when that is done.
                overseer.activity.set_resting(false);
                overseer.never_rests = true;
            }
            match ready!(overseer.poll_order(cx, false)) {
                Order::Rest => {
                    // Between calls hyper takes its leave at once, and leaves the socket open if
                    // told to: so it also confirms that nothing is on its way.
                    resting = true;
                    overseer.activity.set_resting(true);
                    connection.leave();
                }
                Order::Leave => connection.leave(),
                Order::Cut => return Poll::Ready(End::Cut),
            }
        }
    });
    let end = end.await;
    overseer.activity.set_resting(false);
    end
}
