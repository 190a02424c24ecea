//! TLS on a connection: the handshake, and what it tells of the peer.

use std::{io, sync::Arc, time::Duration};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::stream::Raw;
use crate::{
    exchange::Identity,
    tls::{self, Live},
};

/// What every TLS connection begins with: a record of the handshake (RFC 8446 §5.1).
const HANDSHAKE: u8 = 0x16;

/// What HTTP in cleartext gets; a browser shows it.
const PLAIN_HTTP: &str =
    "the request is HTTP in cleartext, but this port speaks TLS; use https://\n";

/// How much of what a peer in cleartext still sends is read, so that the answer reaches it.
const DREGS: u64 = 64 << 10;

/// The protocol that the peer chose by ALPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chosen {
    /// HTTP/2.
    Http2,
    /// HTTP/1.1, or the peer doesn't know of ALPN: HTTP/2 over TLS needs it (RFC 9113 §3.2).
    Http1,
}

/// A connection with TLS on it.
pub(super) struct Secured {
    pub(super) stream: Box<TlsStream<Raw>>,
    pub(super) chosen: Chosen,
    /// Whom the client's certificate names, if it showed one.
    pub(super) identity: Option<Arc<Identity>>,
}

/// Does the handshake.
///
/// # Errors
/// It failed or took too long. The peer has been told, as far as there is a way to.
pub(super) async fn secure(raw: Raw, live: &Live) -> io::Result<Secured> {
    let patience = live.handshake_timeout();
    let handshake = async {
        let raw = begin(raw).await?;
        TlsAcceptor::from(live.current()).accept(raw).await
    };
    let stream = timeout(patience, handshake).await.map_err(|_| late(patience))??;
    let (_, session) = stream.get_ref();
    let chosen = match session.alpn_protocol() {
        Some(protocol) if protocol == tls::ALPN_HTTP2 => Chosen::Http2,
        _ => Chosen::Http1,
    };
    let certificate = session.peer_certificates().and_then(<[_]>::first);
    let identity = certificate.map(|one| tls::identify(one).map(Arc::new)).transpose()?;
    Ok(Secured { stream: Box::new(stream), chosen, identity })
}

fn late(patience: Duration) -> io::Error {
    let message = format!("the handshake took longer than {patience:?}");
    io::Error::new(io::ErrorKind::TimedOut, message)
}

/// Waits for the first bytes. A peer that speaks HTTP right away is told what this port is.
async fn begin(mut raw: Raw) -> io::Result<Raw> {
    let mut seen = BytesMut::new();
    if raw.look(&mut seen).await? == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the peer left without a word"));
    }
    if seen[0].is_ascii_uppercase() {
        refuse_cleartext(raw).await?;
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the peer speaks cleartext"));
    }
    if seen[0] != HANDSHAKE {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the peer speaks no TLS"));
    }
    raw.give_back(seen.freeze());
    Ok(raw)
}

async fn refuse_cleartext(mut raw: Raw) -> io::Result<()> {
    let length = PLAIN_HTTP.len();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain; \
         charset=utf-8\r\ncontent-length: {length}\r\n\r\n{PLAIN_HTTP}"
    );
    raw.write_all(answer.as_bytes()).await?;
    raw.shutdown().await?;
    // Closing while it still sends would reset the connection, and the answer with it.
    tokio::io::copy(&mut raw.take(DREGS), &mut tokio::io::sink()).await.map(drop)
}
