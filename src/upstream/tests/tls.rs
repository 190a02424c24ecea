//! TLS towards backends: whom the cluster trusts, and what it shows.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::{error::Code, upstream::Tls};

/// An authority, and the certificates that it made, as files.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        let authority = Self { issuer, folder };
        let (certificate, key) = authority.issue("client");
        std::fs::write(authority.path("client.pem"), certificate.pem()).unwrap();
        std::fs::write(authority.path("client.key"), key.serialize_pem()).unwrap();
        authority
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    fn path(&self, file: &str) -> std::path::PathBuf {
        self.folder.path().join(file)
    }

    /// A backend that shows a certificate for `name`.
    async fn backend(&self, name: &str, client_required: bool, alpn: &[&[u8]]) -> Backend {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if client_required {
            let mut roots = RootCertStore::empty();
            roots.add(self.issuer.der().clone()).unwrap();
            let provider = Arc::new(ring::default_provider());
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let (certificate, key) = self.issue(name);
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        raw_backend(move |socket, _| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(socket) = acceptor.accept(socket).await else { return };
                let Ok(mut connection) = h2::server::handshake(socket).await else { return };
                while let Some(Ok((request, respond))) = connection.accept().await {
                    tokio::spawn(echo(request, respond));
                }
            }
        })
        .await
    }
}

fn tls_settings(backend: &Backend, tls: Tls) -> Settings {
    Settings {
        endpoints: vec![format!("https://localhost:{}", backend.address.port()).into()],
        tls: Some(tls),
        ..Settings::default()
    }
}

const H2: &[&[u8]] = &[b"h2"];

#[tokio::test]
async fn backend_of_an_own_authority_is_trusted() {
    let authority = Authority::new();
    let backend = authority.backend("localhost", false, H2).await;
    let tls = Tls { ca: Some(authority.path("ca.pem")), ..Tls::default() };
    let cluster = cluster_with(tls_settings(&backend, tls));
    for _ in 0..3 {
        assert_eq!(message(call(&cluster, unary()).await).await, "ask");
    }
    let large = Bytes::from(vec![7; 3 << 20]);
    let exchange = exchange("GetBook", Messages::one(large.clone()));
    assert!(message(call(&cluster, exchange).await).await == large);
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn backend_of_a_strange_authority_is_not() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let backend = theirs.backend("localhost", false, H2).await;
    let tls = Tls { ca: Some(ours.path("ca.pem")), ..Tls::default() };
    let error = failing(&cluster_with(tls_settings(&backend, tls)), unary()).await;
    assert_eq!((error.code(), error.reason()), (Code::Unavailable, "upstream_tls"));
}

#[tokio::test]
async fn certificate_must_bear_the_name() {
    let authority = Authority::new();
    let backend = authority.backend("other.example", false, H2).await;
    let mut tls = Tls { ca: Some(authority.path("ca.pem")), ..Tls::default() };
    let error = failing(&cluster_with(tls_settings(&backend, tls.clone())), unary()).await;
    assert_eq!(error.reason(), "upstream_tls");
    tls.server_name = Some("other.example".into());
    let cluster = cluster_with(tls_settings(&backend, tls));
    assert_eq!(message(call(&cluster, unary()).await).await, "ask");
}

#[tokio::test]
async fn client_certificate_is_shown_where_one_is_required() {
    let authority = Authority::new();
    let backend = authority.backend("localhost", true, H2).await;
    let mut tls = Tls { ca: Some(authority.path("ca.pem")), ..Tls::default() };
    let error = failing(&cluster_with(tls_settings(&backend, tls.clone())), unary()).await;
    assert_eq!(error.code(), Code::Unavailable);
    tls.certificate = Some(authority.path("client.pem"));
    tls.key = Some(authority.path("client.key"));
    let cluster = cluster_with(tls_settings(&backend, tls));
    assert_eq!(message(call(&cluster, unary()).await).await, "ask");
}

#[tokio::test]
async fn tls_without_http2_is_told_as_such() {
    let authority = Authority::new();
    for alpn in [&[][..], &[b"http/1.1".as_slice()]] {
        let backend = authority.backend("localhost", false, alpn).await;
        let tls = Tls { ca: Some(authority.path("ca.pem")), ..Tls::default() };
        let error = failing(&cluster_with(tls_settings(&backend, tls)), unary()).await;
        assert_eq!(error.code(), Code::Unavailable);
    }
}

#[tokio::test]
async fn backends_and_endpoints_must_agree_on_tls() {
    let authority = Authority::new();
    let plain = backend(echo).await;
    let tls = Tls { ca: Some(authority.path("ca.pem")), ..Tls::default() };
    let error = failing(&cluster_with(tls_settings(&plain, tls)), unary()).await;
    assert_eq!((error.code(), error.reason()), (Code::Unavailable, "upstream_tls"));
    let encrypted = authority.backend("localhost", false, H2).await;
    let error = failing(&cluster(encrypted.address), unary()).await;
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.message().contains("HTTP/2"), "{error}");
}

#[tokio::test]
async fn unusable_files_are_problems_all_at_once() {
    let authority = Authority::new();
    let garbage = authority.path("garbage.pem");
    std::fs::write(&garbage, "no pem").unwrap();
    let tls = Tls {
        ca: Some(Path::new("/nowhere/ca.pem").into()),
        certificate: Some(garbage.clone()),
        key: Some(garbage),
        server_name: Some("not a name".into()),
    };
    let settings = Settings {
        endpoints: vec!["https://localhost:1".into()],
        tls: Some(tls),
        ..Settings::default()
    };
    let problems = Cluster::check(&settings).err().unwrap();
    let paths: Vec<_> = problems.iter().map(|problem| problem.place.path.as_str()).collect();
    assert_eq!(paths, ["tls.ca", "tls.certificate", "tls.key", "tls.server_name"]);
}

#[tokio::test]
async fn key_of_another_certificate_is_a_problem() {
    let authority = Authority::new();
    let (_, other) = authority.issue("client");
    std::fs::write(authority.path("other.key"), other.serialize_pem()).unwrap();
    let tls = Tls {
        ca: Some(authority.path("ca.pem")),
        certificate: Some(authority.path("client.pem")),
        key: Some(authority.path("other.key")),
        server_name: None,
    };
    let settings = Settings {
        endpoints: vec!["https://localhost:1".into()],
        tls: Some(tls),
        ..Settings::default()
    };
    let problems = Cluster::check(&settings).err().unwrap();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].message.contains("client certificate"), "{}", problems[0]);
}

#[tokio::test]
async fn files_that_change_are_in_force_for_the_next_connection() {
    let (old, new) = (Authority::new(), Authority::new());
    let (first, second) =
        (old.backend("localhost", false, H2).await, new.backend("localhost", false, H2).await);
    let tls = Tls { ca: Some(old.path("ca.pem")), ..Tls::default() };
    let live = crate::upstream::tls::Live::load(&tls, &mut Vec::new()).unwrap();
    let before = live.current();
    assert!(Arc::ptr_eq(&before, &live.current()), "nothing has changed");
    // What is half written changes nothing, what is whole does.
    let whole = std::fs::read(new.path("ca.pem")).unwrap();
    std::fs::write(old.path("ca.pem"), &whole[..whole.len() / 2]).unwrap();
    live.look_now();
    assert!(Arc::ptr_eq(&before, &live.current()));
    std::fs::write(old.path("ca.pem"), &whole).unwrap();
    live.look_now();
    assert!(!Arc::ptr_eq(&before, &live.current()));
    // A cluster by these files trusts the new authority, and the old one no more.
    let tls = Tls { ca: Some(old.path("ca.pem")), ..Tls::default() };
    let cluster = cluster_with(tls_settings(&second, tls.clone()));
    assert_eq!(message(call(&cluster, unary()).await).await, "ask");
    let error = failing(&cluster_with(tls_settings(&first, tls)), unary()).await;
    assert_eq!(error.reason(), "upstream_tls");
}
