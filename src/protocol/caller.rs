//! Who is on the other end of a downstream connection.

use std::{any::Any, fmt, future::pending, net::SocketAddr, sync::Arc};

use futures_util::future::BoxFuture;

use http::HeaderValue;
use ipnet::IpNet;

use crate::exchange::{Identity, Trust};

/// One downstream connection, as the doors and the log see it. Made once a connection, so that a
/// call only copies references.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The peer's address; none on a Unix socket.
    pub peer: Option<SocketAddr>,
    /// The gateway's own address on the connection; none on a Unix socket.
    pub local: Option<SocketAddr>,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The worker thread that serves the connection, from 0.
    pub worker: usize,
    /// The peer's IP address, ready as an `x-forwarded-for` value.
    pub forwarded_for: Option<HeaderValue>,
    /// Whether the peer is a proxy whose own forwarding headers are believed.
    pub trusted: bool,
    /// The networks of proxies that are believed, where the peer is one.
    pub proxies: Arc<[IpNet]>,
    /// Whom the client's certificate names, verified; none without one.
    pub identity: Option<Arc<Identity>>,
    /// What a request head may take, in bytes: path, query, header names and values.
    pub head_limit: usize,
    /// How many headers a request may have.
    pub header_limit: usize,
    /// What keeps the connection for a session; none where there are no sessions.
    pub lodging: Option<Arc<dyn Lodging>>,
}

/// A connection's side of sessions, which outlive their request.
pub trait Lodging: fmt::Debug + Send + Sync {
    /// Keeps the connection for a session.
    fn stay(&self) -> Stay;
}

/// A session's hold on its connection.
pub struct Stay {
    /// While it lives, the connection counts as open and busy.
    pub hold: Box<dyn Any + Send>,
    /// Completes when the gateway is about to shut down, and the session has to end.
    pub leave: BoxFuture<'static, ()>,
}

impl Caller {
    /// The caller of a connection from `peer`.
    pub fn new(peer: Option<SocketAddr>, scheme: &'static str, worker: usize) -> Self {
        let forwarded_for =
            peer.and_then(|peer| HeaderValue::from_str(&peer.ip().to_canonical().to_string()).ok());
        Self {
            peer,
            local: None,
            scheme,
            worker,
            forwarded_for,
            trusted: false,
            proxies: Arc::default(),
            identity: None,
            head_limit: 64 << 10,
            header_limit: 100,
            lodging: None,
        }
    }

    /// Lets sessions stay on the connection.
    pub fn lodging(mut self, lodging: Arc<dyn Lodging>) -> Self {
        self.lodging = Some(lodging);
        self
    }

    /// Keeps the connection for a session.
    pub fn stay(&self) -> Stay {
        let nothing = || Stay { hold: Box::new(()), leave: Box::pin(pending()) };
        self.lodging.as_ref().map_or_else(nothing, |lodging| lodging.stay())
    }

    /// Sets another limit than 64 KiB for request heads.
    pub fn head_limit(mut self, bytes: usize) -> Self {
        self.head_limit = bytes;
        self
    }

    /// Sets another limit than 100 for the headers of a request.
    pub fn header_limit(mut self, headers: usize) -> Self {
        self.header_limit = headers;
        self
    }

    /// Says which of the gateway's addresses was called.
    pub fn local(mut self, address: Option<SocketAddr>) -> Self {
        self.local = address;
        self
    }

    /// Says whom the client's certificate names.
    pub fn identity(mut self, identity: Option<Arc<Identity>>) -> Self {
        self.identity = identity;
        self
    }

    /// Says which other proxies may stand behind a trusted peer.
    pub fn proxies(mut self, networks: Arc<[IpNet]>) -> Self {
        self.proxies = networks;
        self
    }

    /// Who is believed about who is behind it.
    pub fn trust(&self) -> Trust {
        Trust { peer: self.trusted, networks: self.proxies.clone() }
    }

    /// Believes the peer's own forwarding headers, or not.
    pub fn trusted(mut self, trusted: bool) -> Self {
        self.trusted = trusted;
        self
    }
}
