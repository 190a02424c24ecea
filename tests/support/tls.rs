//! A client of TLS, over any connection.

use std::{io, net::SocketAddr, sync::Arc};

use rustls::{
    ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    version::{TLS12, TLS13},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{authority::Authority, http1::Carrier, within};

/// What a client asks for, and shows.
pub(crate) struct Client {
    pub(crate) config: ClientConfig,
    /// The host that it asks for; none without SNI.
    pub(crate) host: &'static str,
}

/// The client's own certificate.
pub(crate) type Shown = (CertificateDer<'static>, PrivateKeyDer<'static>);

impl Client {
    /// One that trusts the authority and speaks every version.
    pub(crate) fn of(authority: &Authority) -> Self {
        Self::with(authority, &[&TLS13, &TLS12], None)
    }

    /// One that speaks one version.
    pub(crate) fn speaking(authority: &Authority, version: ProtocolVersion) -> Self {
        let version = if version == ProtocolVersion::TLSv1_2 { &TLS12 } else { &TLS13 };
        Self::with(authority, &[version], None)
    }

    /// One that shows a certificate.
    pub(crate) fn showing(authority: &Authority, shown: Shown) -> Self {
        Self::with(authority, &[&TLS13, &TLS12], Some(shown))
    }

    fn with(
        authority: &Authority,
        versions: &[&'static SupportedProtocolVersion],
        shown: Option<Shown>,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match shown {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        Self { config, host: "localhost" }
    }

    /// The same with other protocols to choose from by ALPN.
    pub(crate) fn alpn(mut self, protocols: &[&str]) -> Self {
        self.config.alpn_protocols = protocols.iter().map(|one| one.as_bytes().to_vec()).collect();
        self
    }

    /// The same, asking for another host.
    pub(crate) fn host(mut self, host: &'static str) -> Self {
        self.host = host;
        self
    }

    /// Connects and shakes hands.
    pub(crate) async fn connect(&self, address: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        let stream = within("a connection", TcpStream::connect(address)).await?;
        stream.set_nodelay(true)?;
        self.shake(stream).await
    }

    /// Shakes hands on a connection.
    pub(crate) async fn shake<S: Carrier>(&self, stream: S) -> io::Result<TlsStream<S>> {
        let connector = TlsConnector::from(Arc::new(self.config.clone()));
        let name = ServerName::try_from(self.host).unwrap();
        within("a handshake", connector.connect(name, stream)).await
    }
}

/// The certificate that the other side has shown.
pub(crate) fn certificate<S>(stream: &TlsStream<S>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}
