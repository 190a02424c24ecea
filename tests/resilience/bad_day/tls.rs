//! Backends with whom no TLS connection can be made, each for another reason.

use std::{net::SocketAddr, sync::Arc};

use h2::server;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

use super::{RETRY, among, endure};
use crate::{
    resilience::site::{Counted, Site, succeed},
    support::{authority::Authority, backend},
};

const HERE: &[&str] = &["127.0.0.1"];

/// A backend that shows a certificate.
async fn showing(
    (certificate, key): (CertificateDer<'static>, PrivateKeyDer<'static>),
) -> SocketAddr {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    backend::raw(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let Ok(mut connection) = server::handshake(stream).await else { return };
            while let Some(Ok((_, reply))) = connection.accept().await {
                tokio::spawn(succeed(reply));
            }
        }
    })
    .await
}

/// Two backends that are as they should be, their authority, and its folder.
async fn sound() -> (TempDir, Authority, [SocketAddr; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ca");
    let one = showing(authority.issue(HERE, false)).await;
    let other = showing(authority.issue(HERE, false)).await;
    (folder, authority, [one, other])
}

/// A load on the sound ones with the wrong one among them; and on the wrong one alone, which fails
/// and says nothing of where it is.
async fn check(fault: &'static str, folder: &TempDir, wrong: SocketAddr, sound: [SocketAddr; 2]) {
    let site = |backends: &[SocketAddr]| {
        let urls: Vec<_> = backends.iter().map(|address| format!("https://{address}")).collect();
        let ca = folder.path().join("ca.pem");
        let upstream = format!(
            "bookshelf: {{ endpoints: [{}], tls: {{ ca: {} }}, outlier: {{}} }}",
            urls.join(", "),
            ca.display()
        );
        async move { Site::with(&upstream, &format!("\"bookshelf.v1.*\": {{ {RETRY} }}")).await }
    };
    endure(fault, &site(&among(wrong, sound)).await).await;
    let message = site(&[wrong]).await.call().await.refusal(503, 14);
    assert!(!message.contains("127.0.0.1"), "{message}");
}

#[tokio::test]
async fn bad_day_certificate_of_a_strange_authority_fails_no_call() {
    let (folder, _authority, sound) = sound().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let strange = Authority::new(elsewhere.path(), "ca");
    let wrong = showing(strange.issue(HERE, false)).await;
    check("TLS: one of three shows a strange authority's certificate", &folder, wrong, sound).await;
}

#[tokio::test]
async fn bad_day_certificate_for_another_name_fails_no_call() {
    let (folder, authority, sound) = sound().await;
    let wrong = showing(authority.issue(&["other.example"], false)).await;
    check("TLS: one of three shows another name's certificate", &folder, wrong, sound).await;
}

#[tokio::test]
async fn bad_day_certificate_that_has_expired_fails_no_call() {
    let (folder, authority, sound) = sound().await;
    let wrong = showing(authority.issue(HERE, true)).await;
    check("TLS: one of three shows an expired certificate", &folder, wrong, sound).await;
}

#[tokio::test]
async fn bad_day_cleartext_on_a_tls_port_fails_no_call() {
    let (folder, _authority, sound) = sound().await;
    let wrong = Counted::sound().await.address;
    check("TLS: one of three speaks cleartext", &folder, wrong, sound).await;
}
