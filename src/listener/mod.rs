//! Sockets in: accept, TLS, HTTP/1.1 and HTTP/2 on the same port, drain.
//!
//! ```text
//! bind ─► accept ─► arrival: PROXY protocol, TLS ─► connection: HTTP ─► the gateway
//! ```
//!
//! Every worker is one thread with a runtime of its own, and accepts from clones of the same
//! sockets; a connection lives and dies on the worker that accepted it, with that worker's own
//! upstream connections, so that a call never crosses threads. Listeners come and go while the
//! workers stay.

mod accept;
mod activity;
mod arrival;
mod attend;
mod bind;
mod connection;
mod handshake;
mod listening;
mod lodging;
mod proxy_protocol;
mod refusal;
mod service;
mod socket;
mod stream;

use std::{io, sync::Arc, thread, time::Duration};

use tokio::sync::{mpsc, watch};

pub use self::bind::BindError;
pub(crate) use self::{
    accept::Accepting,
    bind::{Socket, SocketFile, bind},
};
use self::{accept::Acceptor, connection::Context, listening::Listener};
use crate::{
    config::{Address, Listen},
    gateway::Gateway,
    tls::Live,
};

/// How long before the drain's end sessions are told to go, at most.
const LEAVE_TAKING: Duration = Duration::from_secs(2);

/// A running server. Dropping it without [`Server::drain`] ends its connections at once.
pub struct Server {
    gateway: Arc<Gateway>,
    listeners: Vec<Listener>,
    workers: Vec<mpsc::UnboundedSender<Place>>,
    /// Closed once every worker thread has ended.
    ended: mpsc::Receiver<()>,
}

/// One listener on one worker.
struct Place {
    socket: Socket,
    tls: Option<Arc<Live>>,
    context: Context,
    draining: watch::Receiver<bool>,
}

impl Server {
    /// Binds every address and starts the workers.
    ///
    /// # Errors
    /// The first address that can't be listened on, be it for its certificates.
    pub fn start(
        gateway: Arc<Gateway>,
        listeners: &[Listen],
        workers: usize,
    ) -> Result<Self, BindError> {
        let (running, ended) = mpsc::channel(1);
        let mut server = Self { gateway, listeners: Vec::new(), workers: Vec::new(), ended };
        // Bound before any thread is there, so that a failure leaves none behind.
        let opened: Result<Vec<_>, _> = listeners.iter().map(Listener::open).collect();
        let opened = opened?;
        for worker in 0..workers.max(1) {
            let (orders, taken) = mpsc::unbounded_channel();
            spawn_worker(worker, taken, running.clone()).map_err(|source| {
                let address = listeners.first().map(|listen| listen.address.clone());
                BindError { address: address.unwrap_or(Address::Ip(([0; 4], 0).into())), source }
            })?;
            server.workers.push(orders);
        }
        let places: Result<Vec<_>, _> = opened.iter().map(|one| server.places(one)).collect();
        server.give(places?);
        server.listeners = opened;
        Ok(server)
    }

    /// The addresses that are listened on, in the order of the listeners, ports filled in.
    pub fn addresses(&self) -> Vec<Address> {
        self.listeners.iter().map(|listener| listener.address.clone()).collect()
    }

    /// Listens as `listeners` say from now on. One that has not changed goes on as it is; where only
    /// settings have, new connections find the new ones and the others are drained, as are those of a
    /// listener that is gone; sessions of these are told to go after `patience`.
    ///
    /// # Errors
    /// The first address that can't be listened on; then everything goes on as it was.
    pub fn update(&mut self, listeners: &[Listen], patience: Duration) -> Result<(), BindError> {
        let mut old: Vec<_> = self.listeners.iter().map(Some).collect();
        let mut plan = Vec::new();
        for listen in listeners {
            let same = |one: &Option<&Listener>| one.is_some_and(|one| one.listen == *listen);
            let there = |one: &Option<&Listener>| {
                one.is_some_and(|one| one.listen.address == listen.address)
            };
            let place = old.iter().position(same).or_else(|| old.iter().position(there));
            let found = place.and_then(|place| old[place].take());
            plan.push(match found {
                Some(found) if found.listen == *listen => (place, None),
                Some(found) => (place, Some(found.reopen(listen)?)),
                None => (None, Some(Listener::open(listen)?)),
            });
        }
        let new = plan.iter().filter_map(|(_, new)| new.as_ref());
        let places: Result<Vec<_>, _> = new.map(|one| self.places(one)).collect();
        let places = places?;
        // From here on nothing fails.
        let mut old: Vec<_> = self.listeners.drain(..).map(Some).collect();
        for (place, new) in plan {
            let found = place.and_then(|place| old[place].take());
            match (found, new) {
                (Some(found), Some(mut new)) => {
                    new.file = found.retire(patience);
                    self.listeners.push(new);
                }
                (found, new) => self.listeners.extend(found.or(new)),
            }
        }
        for gone in old.into_iter().flatten() {
            tracing::info!(listener = %gone.address, "no longer listening");
            drop(gone.retire(patience));
        }
        self.give(places);
        Ok(())
    }

    /// What each worker needs to accept from a listener.
    fn places(&self, listener: &Listener) -> Result<Vec<Place>, BindError> {
        let place = |worker| listener.place(self.gateway.clone(), worker);
        (0..self.workers.len()).map(place).collect()
    }

    fn give(&self, places: Vec<Vec<Place>>) {
        for (place, worker) in
            places.into_iter().flat_map(|places| places.into_iter().zip(&self.workers))
        {
            // A worker that can't run has told why.
            let _ = worker.send(place);
        }
    }

    /// Takes no new connections, lets requests in flight finish, and returns whether all of them
    /// did within `patience`; what is left then is cut off. Sessions, which may have no end of their
    /// own, are told to go a little before.
    pub async fn drain(mut self, patience: Duration) -> bool {
        self.workers.clear();
        // Files and sockets go first: a successor may listen there from now on.
        let leaves: Vec<_> = self.listeners.drain(..).map(Listener::close).collect();
        let leave_taking = LEAVE_TAKING.min(patience / 4);
        if tokio::time::timeout(patience - leave_taking, self.ended.recv()).await.is_ok() {
            return true;
        }
        drop(leaves);
        tokio::time::timeout(leave_taking, self.ended.recv()).await.is_ok()
    }
}

fn spawn_worker(
    worker: usize,
    orders: mpsc::UnboundedReceiver<Place>,
    running: mpsc::Sender<()>,
) -> io::Result<()> {
    let run = move || {
        if let Err(error) = run_worker(orders) {
            tracing::error!(worker, %error, "worker can't run");
        }
        drop(running);
    };
    thread::Builder::new().name(format!("worker-{worker}")).spawn(run).map(drop)
}

/// One worker's life: accept wherever it is told to until the drain begins, then wait for its
/// connections.
fn run_worker(mut orders: mpsc::UnboundedReceiver<Place>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        // Those who accept and their connections hold clones; all are gone when the channel closes.
        let (alive, mut all_gone) = mpsc::channel::<()>(1);
        while let Some(Place { socket, tls, context, draining }) = orders.recv().await {
            let acceptor = Acceptor::new(context, tls, draining, alive.clone());
            tokio::spawn(async move {
                if let Err(error) = acceptor.run(socket).await {
                    tracing::error!(%error, "a worker can't accept connections");
                }
            });
        }
        drop(alive);
        all_gone.recv().await;
        Ok(())
    })
}

#[cfg(test)]
mod tests;
