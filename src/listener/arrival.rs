//! From an accepted connection to one on which HTTP can be spoken, and who is at its other end.
//!
//! ```text
//! accepted ─ PROXY protocol, from trusted peers ─► client's address ─ TLS ─► identity, ALPN
//! ```
//!
//! All of it is bounded in time and costs no other connection anything.

use std::net::SocketAddr;

use tokio::time::timeout;

use super::{
    handshake::{self, Chosen},
    proxy_protocol::{self, Told},
    stream::{Raw, Stream, Wire},
};
use crate::{
    config::{Listen, ProxyProtocol},
    protocol::Caller,
    tls::Live,
};

/// A connection that has arrived.
pub(super) struct Arrived {
    pub(super) stream: Stream,
    pub(super) caller: Caller,
    /// The protocol, where TLS has settled it.
    pub(super) chosen: Option<Chosen>,
}

/// Receives a connection from `peer` (none on a Unix socket).
///
/// # Errors
/// Why it is closed at once, for the log.
pub(super) async fn receive(
    wire: Wire,
    peer: Option<SocketAddr>,
    listen: &Listen,
    tls: Option<&Live>,
    worker: usize,
) -> Result<Arrived, String> {
    let mut local = None;
    if let Wire::Tcp(stream) = &wire {
        let _ = stream.set_nodelay(true);
        local = stream.local_addr().ok();
    }
    let mut raw = Raw::new(wire);
    let client = client(&mut raw, peer, listen).await?;
    let caller = Caller::new(client, listen.scheme(), worker)
        .local(local)
        .trusted(listen.trusts(client))
        .proxies(listen.proxies_behind(client))
        .head_limit(listen.head_limit())
        .header_limit(listen.max_headers);
    let Some(live) = tls else {
        return Ok(Arrived { stream: Stream::Plain(raw), caller, chosen: None });
    };
    let secured = handshake::secure(raw, live).await.map_err(|error| error.to_string())?;
    Ok(Arrived {
        stream: Stream::Tls(secured.stream),
        caller: caller.identity(secured.identity),
        chosen: Some(secured.chosen),
    })
}

/// The address that stands for the peer: its own, or what a trusted proxy tells.
async fn client(
    raw: &mut Raw,
    peer: Option<SocketAddr>,
    listen: &Listen,
) -> Result<Option<SocketAddr>, String> {
    let required = match listen.proxy_protocol {
        ProxyProtocol::Off => return Ok(peer),
        ProxyProtocol::Optional => false,
        ProxyProtocol::Required => true,
    };
    match (listen.trusts(peer), required) {
        (true, _) => {}
        (false, true) => return Err("the peer is no trusted proxy".into()),
        // Whatever it says about itself, nobody believes it.
        (false, false) => return Ok(peer),
    }
    let told = timeout(listen.head_timeout, proxy_protocol::read(raw)).await;
    match told.map_err(|_| "the header of the PROXY protocol took too long".to_owned())?? {
        Told::Client(client) => Ok(Some(client)),
        Told::Itself => Ok(peer),
        Told::Nothing if required => {
            Err("a trusted proxy sent no header of the PROXY protocol".into())
        }
        Told::Nothing => Ok(peer),
    }
}
