//! Sockets in: accept, serve HTTP/1.1 and HTTP/2 on the same port, drain.
//!
//! Every worker is one thread with a runtime of its own, and accepts from clones of the same
//! sockets; a connection lives and dies on the worker that accepted it, with that worker's own
//! upstream connections, so that a call never crosses threads.

mod accept;
mod activity;
mod attend;
mod connection;
mod refusal;
mod service;
mod socket;

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
    time::Duration,
};

use tokio::sync::{mpsc, watch};

use self::{accept::Acceptor, connection::Context};
use crate::{config::Listen, gateway::Gateway};

/// A running server. Dropping it without [`Server::drain`] ends its connections at once.
pub struct Server {
    addresses: Vec<SocketAddr>,
    drain: watch::Sender<bool>,
    /// Closed once every worker thread has ended.
    ended: mpsc::Receiver<()>,
}

/// An address that could not be listened on.
#[derive(Debug)]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// Why not.
    pub source: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, source } = self;
        write!(f, "can't listen on {address}: {source}")?;
        if source.kind() == io::ErrorKind::AddrInUse {
            f.write_str("; stop what listens there, or choose another address")?;
        }
        Ok(())
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl Server {
    /// Binds every address and starts the workers.
    ///
    /// # Errors
    /// The first address that can't be listened on.
    pub fn start(
        gateway: Arc<Gateway>,
        listeners: &[Listen],
        workers: usize,
    ) -> Result<Self, BindError> {
        let mut addresses = Vec::new();
        let mut sockets = Vec::new();
        for listen in listeners {
            let address = listen.address.0;
            let failed = |source| BindError { address, source };
            let socket = bind(address).map_err(failed)?;
            addresses.push(socket.local_addr().map_err(failed)?);
            sockets.push((socket, listen));
        }
        let (drain, draining) = watch::channel(false);
        let (running, ended) = mpsc::channel(1);
        for worker in 0..workers.max(1) {
            let mut doors = Vec::new();
            for (socket, listen) in &sockets {
                let failed = |source| BindError { address: listen.address.0, source };
                let socket = socket.try_clone().map_err(failed)?;
                let (gateway, listen) = (gateway.clone(), Listen::clone(listen));
                doors.push((socket, Context { gateway, listen, worker }));
            }
            spawn_worker(worker, doors, draining.clone(), running.clone())?;
        }
        Ok(Self { addresses, drain, ended })
    }

    /// The addresses that are listened on, ports filled in.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Takes no new connections, lets requests in flight finish, and returns whether all of them
    /// did within `patience`; what is left then is cut off.
    pub async fn drain(mut self, patience: Duration) -> bool {
        let _ = self.drain.send(true);
        tokio::time::timeout(patience, self.ended.recv()).await.is_ok()
    }
}

/// Listens with the backlog that a busy server wants; an address still in TIME_WAIT is no obstacle.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(accept::BACKLOG)?;
    Ok(socket.into())
}

fn spawn_worker(
    worker: usize,
    doors: Vec<(TcpListener, Context)>,
    draining: watch::Receiver<bool>,
    running: mpsc::Sender<()>,
) -> Result<(), BindError> {
    let address = doors.first().map_or(([0; 4], 0).into(), |(_, door)| door.listen.address.0);
    let run = move || {
        if let Err(error) = run_worker(doors, draining) {
            tracing::error!(worker, %error, "worker can't run");
        }
        drop(running);
    };
    let spawned = thread::Builder::new().name(format!("worker-{worker}")).spawn(run);
    spawned.map(drop).map_err(|source| BindError { address, source })
}

/// One worker's life: accept until the drain begins, then wait for its connections.
fn run_worker(
    doors: Vec<(TcpListener, Context)>,
    draining: watch::Receiver<bool>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        // A connection holds a clone; all are gone when the channel closes.
        let (alive, mut all_gone) = mpsc::channel::<()>(1);
        let mut accepting = Vec::new();
        for (socket, context) in doors {
            let socket = tokio::net::TcpListener::from_std(socket)?;
            let acceptor = Acceptor::new(context, draining.clone(), alive.clone());
            accepting.push(tokio::spawn(acceptor.run(socket)));
        }
        drop(alive);
        for task in accepting {
            let _ = task.await;
        }
        all_gone.recv().await;
        Ok(())
    })
}

#[cfg(test)]
mod tests;
