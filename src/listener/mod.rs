//! Sockets in: accept, TLS, HTTP/1.1 and HTTP/2 on the same port, drain.
//!
//! ```text
//! bind ─► accept ─► arrival: PROXY protocol, TLS ─► connection: HTTP ─► the gateway
//! ```
//!
//! Every worker is one thread with a runtime of its own, and accepts from clones of the same
//! sockets; a connection lives and dies on the worker that accepted it, with that worker's own
//! upstream connections, so that a call never crosses threads.

mod accept;
mod activity;
mod arrival;
mod attend;
mod bind;
mod connection;
mod handshake;
mod lodging;
mod proxy_protocol;
mod refusal;
mod service;
mod socket;
mod stream;

use std::{io, sync::Arc, thread, time::Duration};

use tokio::sync::{mpsc, watch};

pub use self::bind::BindError;
use self::{
    accept::Acceptor,
    bind::{Bound, Socket, SocketFile},
    connection::Context,
};
use crate::{
    config::{Address, Listen},
    gateway::Gateway,
    tls::{Live, Watch},
};

/// How long before the drain's end sessions are told to go, at most.
const LEAVE_TAKING: Duration = Duration::from_secs(2);

/// A running server. Dropping it without [`Server::drain`] ends its connections at once.
pub struct Server {
    addresses: Vec<Address>,
    /// The files of Unix sockets.
    files: Vec<SocketFile>,
    drain: watch::Sender<bool>,
    /// Tells sessions that the drain's time is nearly over.
    leave: watch::Sender<bool>,
    /// Closed once every worker thread has ended.
    ended: mpsc::Receiver<()>,
    /// Dropped, it ends the watch over certificates.
    _watched: std::sync::mpsc::Sender<()>,
}

/// A listener, ready to be given to the workers.
struct Opened<'l> {
    listen: &'l Listen,
    socket: Socket,
    tls: Option<Arc<Live>>,
}

/// A listener on one worker.
struct Place {
    socket: Socket,
    tls: Option<Arc<Live>>,
    context: Context,
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
        let (mut addresses, mut files) = (Vec::new(), Vec::new());
        let mut opened = Vec::new();
        for listen in listeners {
            let failed = |source| BindError { address: listen.address.clone(), source };
            let tls = open_tls(listen).map_err(failed)?;
            let Bound { socket, address, file } = bind::bind(listen).map_err(failed)?;
            addresses.push(address);
            files.extend(file);
            opened.push(Opened { listen, socket, tls });
        }
        let watched = watch_certificates(&opened);
        let (drain, draining) = watch::channel(false);
        let (leave, leaving) = watch::channel(false);
        let (running, ended) = mpsc::channel(1);
        for worker in 0..workers.max(1) {
            let mut places = Vec::new();
            for Opened { listen, socket, tls } in &opened {
                let failed = |source| BindError { address: listen.address.clone(), source };
                let socket = socket.try_clone().map_err(failed)?;
                let (gateway, listen) = (gateway.clone(), Listen::clone(listen));
                let leaving = leaving.clone();
                let context = Context { gateway, listen, worker, leaving };
                places.push(Place { socket, tls: tls.clone(), context });
            }
            let address = listeners.first().map(|listen| listen.address.clone());
            spawn_worker(worker, places, draining.clone(), running.clone()).map_err(|source| {
                BindError { address: address.unwrap_or(Address::Ip(([0; 4], 0).into())), source }
            })?;
        }
        Ok(Self { addresses, files, drain, leave, ended, _watched: watched })
    }

    /// The addresses that are listened on, in the order of the listeners, ports filled in.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Takes no new connections, lets requests in flight finish, and returns whether all of them
    /// did within `patience`; what is left then is cut off. Sessions, which may have no end of their
    /// own, are told to go a little before.
    pub async fn drain(mut self, patience: Duration) -> bool {
        // A successor may listen at the same path from now on.
        self.files.clear();
        let _ = self.drain.send(true);
        let leave_taking = LEAVE_TAKING.min(patience / 4);
        if tokio::time::timeout(patience - leave_taking, self.ended.recv()).await.is_ok() {
            return true;
        }
        let _ = self.leave.send(true);
        tokio::time::timeout(leave_taking, self.ended.recv()).await.is_ok()
    }
}

/// Reads the certificates. They have been checked with the configuration, but may have gone since.
fn open_tls(listen: &Listen) -> io::Result<Option<Arc<Live>>> {
    let live = listen.tls.as_ref().map(Live::load).transpose();
    let live = live.map_err(|problems| {
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        io::Error::new(io::ErrorKind::InvalidData, problems.join("\n"))
    });
    Ok(live?.map(Arc::new))
}

/// Watches the certificates of all listeners on a thread of its own, so that slow disks hold no
/// call up, for as long as the result lives.
fn watch_certificates(opened: &[Opened<'_>]) -> std::sync::mpsc::Sender<()> {
    let (watched, ended) = std::sync::mpsc::channel::<()>();
    let of = |opened: &Opened<'_>| {
        Some(Watch::new(opened.tls.clone()?, opened.listen.address.to_string()))
    };
    let mut watches: Vec<_> = opened.iter().filter_map(of).collect();
    if watches.is_empty() {
        return watched;
    }
    let watch = move || {
        // Nothing is ever sent, so what comes first is the time or the end.
        while ended.recv_timeout(Watch::INTERVAL) == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
        {
            watches.iter_mut().for_each(Watch::look);
        }
    };
    if let Err(error) = thread::Builder::new().name("certificates".into()).spawn(watch) {
        tracing::warn!(%error, "certificates are not watched, so new ones need a restart");
    }
    watched
}

fn spawn_worker(
    worker: usize,
    places: Vec<Place>,
    draining: watch::Receiver<bool>,
    running: mpsc::Sender<()>,
) -> io::Result<()> {
    let run = move || {
        if let Err(error) = run_worker(places, draining) {
            tracing::error!(worker, %error, "worker can't run");
        }
        drop(running);
    };
    thread::Builder::new().name(format!("worker-{worker}")).spawn(run).map(drop)
}

/// One worker's life: accept until the drain begins, then wait for its connections.
fn run_worker(places: Vec<Place>, draining: watch::Receiver<bool>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        // A connection holds a clone; all are gone when the channel closes.
        let (alive, mut all_gone) = mpsc::channel::<()>(1);
        let mut accepting = Vec::new();
        for Place { socket, tls, context } in places {
            let acceptor = Acceptor::new(context, tls, draining.clone(), alive.clone());
            accepting.push(tokio::spawn(acceptor.run(socket)));
        }
        drop(alive);
        for task in accepting {
            if let Ok(Err(error)) = task.await {
                return Err(error);
            }
        }
        all_gone.recv().await;
        Ok(())
    })
}

#[cfg(test)]
mod tests;
