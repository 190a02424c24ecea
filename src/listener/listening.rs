//! One listener's life: opened, perhaps given other settings, and put away.
//!
//! Its socket is kept beside those of the workers, so that a listener whose settings change is the
//! same to the kernel: nobody who connects meanwhile is turned away.

use std::{fs, io, os::unix::fs::PermissionsExt, sync::Arc, thread, time::Duration};

use tokio::sync::watch;

use super::{
    BindError, Place,
    bind::{self, Bound, OWNER_ALONE, Socket, SocketFile},
    connection::Context,
};
use crate::{
    config::{Address, Listen},
    gateway::Gateway,
    tls::{Live, Watch},
};

/// A listener that is open. Dropping it drains its connections, and its sessions leave at once.
pub(super) struct Listener {
    /// How it was configured.
    pub(super) listen: Listen,
    /// Where it listens, the port filled in.
    pub(super) address: Address,
    /// The file of a Unix socket.
    pub(super) file: Option<SocketFile>,
    socket: Socket,
    tls: Option<Arc<Live>>,
    drain: watch::Sender<bool>,
    leave: watch::Sender<bool>,
    /// Dropped, it ends the watch over certificates.
    _watched: Option<std::sync::mpsc::Sender<()>>,
}

impl Listener {
    /// Listens.
    pub(super) fn open(listen: &Listen) -> Result<Self, BindError> {
        let failed = |source| BindError { address: listen.address.clone(), source };
        let tls = open_tls(listen).map_err(failed)?;
        let bound = bind::bind(listen).map_err(failed)?;
        Ok(Self::of(listen, bound, tls))
    }

    /// The same socket with other settings. The old listener goes on until it is retired.
    pub(super) fn reopen(&self, listen: &Listen) -> Result<Self, BindError> {
        let failed = |source| BindError { address: listen.address.clone(), source };
        let tls = open_tls(listen).map_err(failed)?;
        let socket = self.socket.try_clone().map_err(failed)?;
        if let (Address::Unix(path), true) = (&listen.address, listen.mode != self.listen.mode) {
            let mode = listen.mode.unwrap_or(OWNER_ALONE);
            fs::set_permissions(path, fs::Permissions::from_mode(mode.0)).map_err(failed)?;
        }
        let bound = Bound { socket, address: self.address.clone(), file: None };
        Ok(Self::of(listen, bound, tls))
    }

    fn of(listen: &Listen, bound: Bound, tls: Option<Arc<Live>>) -> Self {
        let Bound { socket, address, file } = bound;
        let watched = tls.clone().map(|tls| watch(tls, &listen.address));
        let ((drain, _), (leave, _)) = (watch::channel(false), watch::channel(false));
        let listen = listen.clone();
        Self { listen, address, file, socket, tls, drain, leave, _watched: watched }
    }

    /// What a worker needs to accept from it.
    pub(super) fn place(&self, gateway: Arc<Gateway>, worker: usize) -> Result<Place, BindError> {
        let failed = |source| BindError { address: self.listen.address.clone(), source };
        let socket = self.socket.try_clone().map_err(failed)?;
        let (listen, leaving) = (self.listen.clone(), self.leave.subscribe());
        let context = Context { gateway, listen, worker, leaving };
        Ok(Place { socket, tls: self.tls.clone(), context, draining: self.drain.subscribe() })
    }

    /// Accepts nothing more and drains; sessions leave when the result is dropped.
    pub(super) fn close(self) -> watch::Sender<bool> {
        let Self { drain, leave, file, socket, .. } = self;
        // Before the workers close theirs: the kernel must not queue for nobody.
        drop((file, socket));
        let _ = drain.send(true);
        leave
    }

    /// The same while the server goes on: sessions leave after `patience`. Gives the socket's file,
    /// which a successor may need.
    pub(super) fn retire(mut self, patience: Duration) -> Option<SocketFile> {
        let file = self.file.take();
        let leave = self.close();
        tokio::spawn(async move {
            tokio::time::sleep(patience).await;
            drop(leave);
        });
        file
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

/// Watches the certificates of a listener on a thread of its own, so that slow disks hold no call
/// up, for as long as the result lives.
fn watch(live: Arc<Live>, address: &Address) -> std::sync::mpsc::Sender<()> {
    let (watched, ended) = std::sync::mpsc::channel::<()>();
    let mut watch = Watch::new(live, address.to_string());
    let run = move || {
        // Nothing is ever sent, so what comes first is the time or the end.
        while ended.recv_timeout(Watch::INTERVAL) == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
        {
            watch.look();
        }
    };
    if let Err(error) = thread::Builder::new().name("certificates".into()).spawn(run) {
        tracing::warn!(%error, "certificates are not watched, so new ones need a restart");
    }
    watched
}
