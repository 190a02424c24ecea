//! Takes connections from a listening socket until the drain begins.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
};

use super::connection::{self, Context};

/// How many connections the kernel keeps for us until we take them.
pub(super) const BACKLOG: i32 = 4096;

/// Takes the connections of one listening socket on one worker.
#[derive(Clone)]
pub(super) struct Acceptor {
    context: Arc<Context>,
    /// A permit for each connection that may be open.
    places: Arc<Semaphore>,
    draining: watch::Receiver<bool>,
    /// Every connection holds a clone.
    alive: mpsc::Sender<()>,
}

impl Acceptor {
    pub(super) fn new(
        context: Context,
        draining: watch::Receiver<bool>,
        alive: mpsc::Sender<()>,
    ) -> Self {
        let places = Arc::new(Semaphore::new(context.listen.max_connections));
        Self { context: Arc::new(context), places, draining, alive }
    }

    /// Accepts until the drain begins.
    pub(super) async fn run(mut self, socket: tokio::net::TcpListener) {
        loop {
            // Without a free place nothing is accepted: the kernel's backlog holds the peers back.
            let (places, mut draining) = (self.places.clone(), self.draining.clone());
            let next = async { (places.acquire_owned().await, socket.accept().await) };
            let (place, accepted) = tokio::select! {
                next = next => next,
                _ = draining.wait_for(|drain| *drain) => break,
            };
            match (place, accepted) {
                (Ok(place), Ok((stream, peer))) => self.serve(stream, peer, place),
                (_, Err(error)) if is_of_one_connection(&error) => {}
                (_, Err(error)) => {
                    // Out of file descriptors or memory: what is open goes on, and closing makes
                    // room.
                    tracing::warn!(%error, "can't accept connections for now");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                // Nobody closes the semaphore.
                (Err(_), _) => break,
            }
        }
        if let Ok(socket) = socket.into_std() {
            self.take_waiting(&socket);
        }
    }

    /// Takes the connections that the kernel has let in already: closing the socket would reset
    /// them.
    fn take_waiting(&mut self, socket: &TcpListener) {
        for _ in 0..BACKLOG {
            let Ok(place) = self.places.clone().try_acquire_owned() else { return };
            let Ok((stream, peer)) = socket.accept() else { return };
            let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            if let Ok(stream) = stream {
                self.serve(stream, peer, place);
            }
        }
    }

    fn serve(&self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        let Self { context, draining, alive, .. } = self.clone();
        let _ = stream.set_nodelay(true);
        let caller = context.caller(Some(peer), "http");
        tokio::spawn(async move {
            connection::serve(stream, caller, &context, draining).await;
            drop((place, alive));
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
