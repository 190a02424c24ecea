//! Sockets in: accept, serve HTTP/1.1 and HTTP/2 on the same port, drain.
//!
//! Every worker is one thread with a runtime of its own, and accepts from clones of the same
//! sockets; a connection lives and dies on the worker that accepted it, with that worker's own
//! upstream connections, so that a call never crosses threads.

mod accept;
mod activity;
mod connection;
mod refusal;
mod socket;

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
    time::Duration,
};

use ipnet::IpNet;
use tokio::sync::{mpsc, watch};

use self::{accept::Acceptor, connection::Context};
use crate::gateway::Gateway;

/// What a server listens on, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The addresses; port 0 takes a free one.
    pub addresses: Vec<SocketAddr>,
    /// Peers whose `x-forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The number of worker threads, at least 1.
    pub workers: usize,
    /// How long a request's head may take to arrive.
    pub head_timeout: Duration,
    /// How long a connection may be idle.
    pub idle_timeout: Duration,
    /// How many connections a worker serves at once.
    pub connections: usize,
    /// How many streams an HTTP/2 connection may have open.
    pub streams: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            trusted_proxies: Vec::new(),
            workers: thread::available_parallelism().map_or(1, usize::from),
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(300),
            connections: 10_000,
            streams: 100,
        }
    }
}

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
    pub fn start(gateway: Arc<Gateway>, options: &Options) -> Result<Self, BindError> {
        let mut addresses = Vec::new();
        let mut sockets = Vec::new();
        for &address in &options.addresses {
            let failed = |source| BindError { address, source };
            let socket = bind(address).map_err(failed)?;
            addresses.push(socket.local_addr().map_err(failed)?);
            sockets.push(socket);
        }
        let (drain, draining) = watch::channel(false);
        let (running, ended) = mpsc::channel(1);
        for worker in 0..options.workers.max(1) {
            let sockets: io::Result<Vec<_>> = sockets.iter().map(TcpListener::try_clone).collect();
            let failed = |source| BindError { address: addresses[0], source };
            let sockets = sockets.map_err(failed)?;
            let context = Context { gateway: gateway.clone(), options: options.clone(), worker };
            let (draining, running) = (draining.clone(), running.clone());
            thread::Builder::new()
                .name(format!("worker-{worker}"))
                .spawn(move || {
                    if let Err(error) = run_worker(sockets, context, draining) {
                        tracing::error!(worker, %error, "worker can't run");
                    }
                    drop(running);
                })
                .map_err(failed)?;
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

/// One worker's life: accept until the drain begins, then wait for its connections.
fn run_worker(
    sockets: Vec<TcpListener>,
    context: Context,
    draining: watch::Receiver<bool>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        // A connection holds a clone; all are gone when the channel closes.
        let (alive, mut all_gone) = mpsc::channel::<()>(1);
        let acceptor = Acceptor::new(context, draining, alive);
        let mut accepting = Vec::new();
        for socket in sockets {
            let socket = tokio::net::TcpListener::from_std(socket)?;
            accepting.push(tokio::spawn(acceptor.clone().run(socket)));
        }
        drop(acceptor);
        for task in accepting {
            let _ = task.await;
        }
        all_gone.recv().await;
        Ok(())
    })
}
