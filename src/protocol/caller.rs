//! Who is on the other end of a downstream connection.

use std::{net::SocketAddr, sync::Arc};

use http::HeaderValue;

use crate::exchange::Identity;

/// One downstream connection, as the doors and the log see it. Made once a connection, so that a
/// call only copies references.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The peer's address; none on a Unix socket.
    pub peer: Option<SocketAddr>,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The worker thread that serves the connection, from 0.
    pub worker: usize,
    /// The peer's IP address, ready as an `x-forwarded-for` value.
    pub forwarded_for: Option<HeaderValue>,
    /// Whether the peer is a proxy whose own forwarding headers are believed.
    pub trusted: bool,
    /// Whom the client's certificate names, verified; none without one.
    pub identity: Option<Arc<Identity>>,
    /// What a request head may take, in bytes: path, query, header names and values.
    pub head_limit: usize,
}

impl Caller {
    /// The caller of a connection from `peer`.
    pub fn new(peer: Option<SocketAddr>, scheme: &'static str, worker: usize) -> Self {
        let forwarded_for =
            peer.and_then(|peer| HeaderValue::from_str(&peer.ip().to_canonical().to_string()).ok());
        Self {
            peer,
            scheme,
            worker,
            forwarded_for,
            trusted: false,
            identity: None,
            head_limit: 64 << 10,
        }
    }

    /// Sets another limit than 64 KiB for request heads.
    pub fn head_limit(mut self, bytes: usize) -> Self {
        self.head_limit = bytes;
        self
    }

    /// Says whom the client's certificate names.
    pub fn identity(mut self, identity: Option<Arc<Identity>>) -> Self {
        self.identity = identity;
        self
    }

    /// Believes the peer's own forwarding headers, or not.
    pub fn trusted(mut self, trusted: bool) -> Self {
        self.trusted = trusted;
        self
    }
}
