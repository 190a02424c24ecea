//! The operator's port itself: a socket, HTTP/1.1 on it, and the page for each request.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Semaphore,
};

use super::{Office, guard, table};
use crate::{
    config::{Address, Admin, Listen},
    listener::{Accepting, BindError, Socket, SocketFile, bind as listen_at},
};

/// How many connections may be open; further ones wait.
const CONNECTIONS: usize = 64;

/// How long a request's head may take, and a connection may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// A page as it goes out.
pub(super) type Answer = Response<Full<Bytes>>;

/// The port, bound.
pub struct Port {
    address: Address,
    socket: Socket,
    /// Removed with the port, if it is a Unix socket's.
    _file: Option<SocketFile>,
}

/// Listens where the configuration says.
///
/// # Errors
/// The address can't be listened on.
pub fn bind(admin: &Admin) -> Result<Port, BindError> {
    let bound = listen_at(&Listen::at(admin.address.clone()))
        .map_err(|source| BindError { address: admin.address.clone(), source })?;
    Ok(Port { address: bound.address, socket: bound.socket, _file: bound.file })
}

impl Port {
    /// Where it listens, the port filled in.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Answers until it is dropped.
    pub async fn serve(self, office: Office) {
        let is_local = self.address.ip().is_none_or(|address| address.ip().is_loopback());
        let desk = Arc::new(Counter { office, is_local });
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let socket = match Accepting::of(self.socket) {
            Ok(socket) => socket,
            Err(error) => {
                tracing::error!(%error, "the operator's port can't be served");
                return;
            }
        };
        loop {
            let place = places.clone().acquire_owned().await;
            let (wire, _) = socket.next().await;
            desk.clone().attend(wire, place);
        }
    }
}

/// Who answers the requests of all connections.
struct Counter {
    office: Office,
    /// Only programs on this machine can reach it.
    is_local: bool,
}

impl Counter {
    /// Serves one connection; `place` is given back at its end.
    fn attend<S, P>(self: Arc<Self>, stream: S, place: P)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        P: Send + 'static,
    {
        tokio::spawn(async move {
            let _place = place;
            let service = service_fn(|request: Request<Incoming>| {
                let counter = self.clone();
                async move { Ok::<_, Infallible>(counter.answer(&request).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .serve_connection(TokioIo::new(stream), service);
            // Whoever breaks off knows why.
            let _ = pin!(connection).await;
        });
    }

    async fn answer(&self, request: &Request<Incoming>) -> Answer {
        if let Err(reason) = guard::check(request, self.is_local) {
            return text(StatusCode::FORBIDDEN, format!("{reason}\n"));
        }
        let mut answer = table::answer(&self.office, request).await;
        // What stands there now may differ a moment later.
        let headers = answer.headers_mut();
        headers.insert(header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
        answer
    }
}

/// An answer of plain text.
pub(super) fn text(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    typed(status, "text/plain; charset=utf-8", text)
}

/// An answer in JSON.
pub(super) fn json(status: StatusCode, value: &serde_json::Value) -> Answer {
    typed(status, "application/json", format!("{value:#}\n"))
}

/// An answer of a media type.
pub(super) fn typed(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, http::HeaderValue::from_static("nosniff"));
    answer
}
