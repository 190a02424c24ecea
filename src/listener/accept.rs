//! Takes connections from a listening socket until the drain begins.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
};

use super::{
    arrival::{self, Arrived},
    bind::{self, BACKLOG},
    connection::{self, Context},
    stream::Wire,
};
use crate::{
    meter::{CONNECTIONS, CONNECTIONS_OPENED, Counter, Gauge},
    tls::Live,
};

/// How long nothing is accepted where the machine has no room for more connections.
const NO_ROOM: Duration = Duration::from_millis(100);

/// A connection from the kernel, and where it comes from; a Unix socket's peers have no address.
type Accepted = (Wire, Option<SocketAddr>);

/// Takes the connections of one listening socket on one worker.
#[derive(Clone)]
pub(super) struct Acceptor {
    context: Arc<Context>,
    tls: Option<Arc<Live>>,
    /// A permit for each connection that may be open.
    places: Arc<Semaphore>,
    draining: watch::Receiver<bool>,
    /// Every connection holds a clone.
    alive: mpsc::Sender<()>,
    taken: Arc<Counter>,
    open: Arc<Gauge>,
}

/// A listening socket in the hands of a runtime.
pub(crate) enum Accepting {
    /// Of TCP.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

impl Accepting {
    /// Hands a socket to the runtime of whoever calls.
    ///
    /// # Errors
    /// The runtime doesn't take the socket.
    pub(crate) fn of(socket: bind::Socket) -> io::Result<Self> {
        match socket {
            bind::Socket::Tcp(socket) => TcpListener::from_std(socket).map(Self::Tcp),
            bind::Socket::Unix(socket) => UnixListener::from_std(socket).map(Self::Unix),
        }
    }

    /// The next connection. A peer that is gone before it was accepted is passed over; and where
    /// there is no room for more (file descriptors, memory), it is waited for: what is open goes on,
    /// and closing makes room.
    pub(crate) async fn next(&self) -> Accepted {
        loop {
            match self.accept().await {
                Ok(accepted) => return accepted,
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "can't accept connections for now");
                    tokio::time::sleep(NO_ROOM).await;
                }
            }
        }
    }

    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(socket) => {
                let (stream, peer) = socket.accept().await?;
                Ok((Wire::Tcp(stream), Some(peer)))
            }
            Self::Unix(socket) => Ok((Wire::Unix(socket.accept().await?.0), None)),
        }
    }

    /// Out of the runtime's hands.
    fn into_std(self) -> io::Result<bind::Socket> {
        match self {
            Self::Tcp(socket) => socket.into_std().map(bind::Socket::Tcp),
            Self::Unix(socket) => socket.into_std().map(bind::Socket::Unix),
        }
    }
}

/// A connection that waits already.
fn accept_waiting(socket: &bind::Socket) -> io::Result<Accepted> {
    match socket {
        bind::Socket::Tcp(socket) => {
            let (stream, peer) = socket.accept()?;
            stream.set_nonblocking(true)?;
            Ok((Wire::Tcp(TcpStream::from_std(stream)?), Some(peer)))
        }
        bind::Socket::Unix(socket) => {
            let (stream, _) = socket.accept()?;
            stream.set_nonblocking(true)?;
            Ok((Wire::Unix(UnixStream::from_std(stream)?), None))
        }
    }
}

impl Acceptor {
    pub(super) fn new(
        context: Context,
        tls: Option<Arc<Live>>,
        draining: watch::Receiver<bool>,
        alive: mpsc::Sender<()>,
    ) -> Self {
        let places = Arc::new(Semaphore::new(context.listen.max_connections));
        let runtime = context.gateway.runtime();
        let listener = &[&*context.listen.address.to_string()];
        let taken = runtime.meter().counter(&CONNECTIONS_OPENED, listener);
        let open = runtime.meter().gauge(&CONNECTIONS, listener);
        Self { context: Arc::new(context), tls, places, draining, alive, taken, open }
    }

    /// Accepts until the drain begins.
    ///
    /// # Errors
    /// The runtime doesn't take the socket.
    pub(super) async fn run(self, socket: bind::Socket) -> io::Result<()> {
        let socket = Accepting::of(socket)?;
        loop {
            // Without a free place nothing is accepted: the kernel's backlog holds the peers back.
            let (places, mut draining) = (self.places.clone(), self.draining.clone());
            let next = async { (places.acquire_owned().await, socket.next().await) };
            let (place, accepted) = tokio::select! {
                next = next => next,
                _ = draining.wait_for(|drain| *drain) => break,
            };
            // Nobody closes the semaphore.
            let Ok(place) = place else { break };
            self.serve(accepted, place);
        }
        self.take_waiting(&socket.into_std()?);
        Ok(())
    }

    /// Takes the connections that the kernel has let in already: closing the socket would reset
    /// them.
    fn take_waiting(&self, socket: &bind::Socket) {
        for _ in 0..BACKLOG {
            let Ok(place) = self.places.clone().try_acquire_owned() else { return };
            let Ok(accepted) = accept_waiting(socket) else { return };
            self.serve(accepted, place);
        }
    }

    fn serve(&self, (wire, peer): Accepted, place: OwnedSemaphorePermit) {
        let Self { context, tls, draining, alive, .. } = self.clone();
        self.taken.count();
        let counted = self.open.hold();
        tokio::spawn(async move {
            let open = Arc::new((place, alive, counted));
            let Context { listen, worker, .. } = &*context;
            // On the heap, as the task lives much longer.
            let arriving = arrival::receive(wire, peer, listen, tls.as_deref(), *worker);
            match Box::pin(arriving).await {
                Ok(Arrived { stream, caller, chosen }) => {
                    connection::serve(stream, caller, chosen, &context, draining, open).await;
                }
                Err(reason) => {
                    let (listener, peer) = (&listen.address, peer.map(tracing::field::display));
                    tracing::debug!(%listener, peer, reason, "downstream connection refused");
                }
            }
        });
    }
}

/// Whether accepting failed for a peer that is gone already, which is no concern of others.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
