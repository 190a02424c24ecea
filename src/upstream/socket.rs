//! A socket to a backend: TCP or Unix, TLS.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
    time::{Instant, timeout_at},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    dial,
    endpoint::Target,
    fault::Fault,
    settings::Place,
    tls::{ALPN, Identity},
};

/// How long sent data may stay unacknowledged before the kernel gives a connection up. The same
/// time as gRPC's own libraries use (gRFC A18).
const UNACKNOWLEDGED: Duration = Duration::from_secs(20);

/// How long a connection may be silent before the kernel asks whether the peer is still there.
const SILENT: Duration = Duration::from_secs(60);

/// A connected socket, encrypted or not.
pub(super) enum Socket {
    Plain(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Connects to the target, until `deadline`.
pub(super) async fn connect(target: &Target, deadline: Instant) -> Result<Socket, Fault> {
    let stream = match &target.address.place {
        Place::Unix(path) => return dial::unix(path, deadline).await.map(Socket::Unix),
        Place::Host(host, port) => dial::tcp(host, *port, deadline).await?,
    };
    prepare(&stream, target);
    match &target.tls {
        None => Ok(Socket::Plain(stream)),
        Some(identity) => match timeout_at(deadline, handshake(identity, stream)).await {
            Ok(result) => result,
            Err(_) => Err(tls_fault("the TLS handshake took too long")),
        },
    }
}

/// Options that make a connection quick and let the kernel notice a dead one. None is essential.
fn prepare(stream: &TcpStream, target: &Target) {
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(SILENT));
    #[cfg(target_os = "linux")]
    {
        let patience = target.keepalive.as_ref().map_or(UNACKNOWLEDGED, |k| k.timeout);
        let _ = socket.set_tcp_user_timeout(Some(patience));
    }
}

async fn handshake(identity: &Identity, stream: TcpStream) -> Result<Socket, Fault> {
    let connector = TlsConnector::from(identity.live.current());
    let stream =
        connector.connect(identity.server_name.clone(), stream).await.map_err(tls_fault)?;
    if stream.get_ref().1.alpn_protocol() != Some(ALPN) {
        return Err(not_http2("the TLS handshake did not agree on `h2` (ALPN)"));
    }
    Ok(Socket::Tls(Box::new(stream)))
}

fn tls_fault(detail: impl std::fmt::Display) -> Fault {
    Fault::new("upstream_tls", "no TLS connection to the backend can be made", detail)
}

/// The fault of a peer that speaks something else.
pub(super) fn not_http2(detail: impl std::fmt::Display) -> Fault {
    Fault::new("upstream_not_http2", "the backend does not speak HTTP/2, which gRPC needs", detail)
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Socket::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            Socket::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Plain(stream) => Pin::new(stream).poll_write(cx, data),
            Socket::Unix(stream) => Pin::new(stream).poll_write(cx, data),
            Socket::Tls(stream) => Pin::new(stream).poll_write(cx, data),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Socket::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Socket::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Socket::Plain(stream) => stream.is_write_vectored(),
            Socket::Unix(stream) => stream.is_write_vectored(),
            Socket::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
