//! Makes a connection to the store: the socket, TLS, logging in.

use std::{path::Path, time::Duration};

use ::redis::{AsyncConnectionConfig, RedisConnectionInfo, aio::MultiplexedConnection};
use futures_util::future::BoxFuture;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{Finding, Settings, address, address::Place};
use crate::authorities::Authorities;

/// How many commands may stand before a connection that is being written to.
const QUEUE: usize = 1024;

/// Whom to connect to, and how.
pub(super) struct Target {
    place: Place,
    login: RedisConnectionInfo,
    authorities: Authorities,
    shown: String,
    connect_timeout: Duration,
}

/// A connection, and what must be run for it to work; it ends with the connection.
pub(super) type Opened = (MultiplexedConnection, BoxFuture<'static, ()>);

impl Target {
    /// Reads settings; relative paths start at `folder`.
    pub(super) fn new(settings: &Settings, folder: &Path) -> Result<Self, Finding> {
        let (place, login) = address::read(settings, folder)?;
        let shown = match &place {
            Place::Tcp { host, port, tls } => {
                let scheme = if *tls { "rediss" } else { "redis" };
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                format!("{scheme}://{host}:{port}/{}", login.db())
            }
            Place::Unix(path) => format!("unix:{}", path.display()),
        };
        let is_tls = matches!(place, Place::Tcp { tls: true, .. });
        let ca = settings.ca.as_ref().map(|ca| folder.join(ca));
        if ca.is_some() && !is_tls {
            let message =
                "authorities are of use with `rediss://` alone; write that, or leave it out";
            return Err(("ca".into(), message.into()));
        }
        if settings.connect_timeout.is_zero() {
            let message = "nothing connects in no time: write `1s`";
            return Err(("connect_timeout".into(), message.into()));
        }
        if settings.answer_timeout.is_some_and(|timeout| timeout.is_zero()) {
            let message = "nobody answers in no time: write `50ms`, or leave it out";
            return Err(("answer_timeout".into(), message.into()));
        }
        let authorities = Authorities::read(ca.as_deref());
        let authorities = authorities.map_err(|problem| ("ca".to_owned(), problem))?;
        let connect_timeout = settings.connect_timeout;
        Ok(Self { place, login, authorities, shown, connect_timeout })
    }

    /// All that it depends on, secrets too.
    pub(super) fn terms(&self) -> String {
        let Self { place, login, authorities, shown, connect_timeout, .. } = self;
        let login = (login.username(), login.password());
        let own = authorities.own();
        format!("{place:?} {login:?} {own:?} {shown} {connect_timeout:?}")
    }

    /// Where it is, without secrets.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// How long connecting may take.
    pub(super) fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// Connects and logs in.
    ///
    /// # Errors
    /// Why that failed, in a sentence for the log.
    pub(super) async fn connect(&self) -> Result<Opened, String> {
        match timeout(self.connect_timeout, self.open()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(format!("it was not ready within {:?}", self.connect_timeout)),
        }
    }

    async fn open(&self) -> Result<Opened, String> {
        match &self.place {
            Place::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(|error| error.to_string())?;
                self.log_in(stream).await
            }
            Place::Tcp { host, port, tls } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await;
                let stream = stream.map_err(|error| error.to_string())?;
                stream.set_nodelay(true).map_err(|error| error.to_string())?;
                if !tls {
                    return self.log_in(stream).await;
                }
                let name = ServerName::try_from(host.clone()).map_err(|error| error.to_string())?;
                let connector = TlsConnector::from(self.authorities.client()?);
                let stream = connector.connect(name, stream).await;
                self.log_in(stream.map_err(|error| format!("TLS failed: {error}"))?).await
            }
        }
    }

    async fn log_in(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Opened, String> {
        let config =
            AsyncConnectionConfig::new().set_response_timeout(None).set_pipeline_buffer_size(QUEUE);
        let opened = MultiplexedConnection::new_with_config(&self.login, stream, config).await;
        let (connection, driver) = opened.map_err(|error| error.to_string())?;
        Ok((connection, Box::pin(driver)))
    }
}
