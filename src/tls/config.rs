//! One listener's handshakes: versions, suites, certificates, and who may come in.
//!
//! The suites are rustls's own list, which has nothing but forward secrecy and AEAD: for TLS 1.3
//! AES-GCM and ChaCha20-Poly1305, for TLS 1.2 the same behind ECDHE (RFC 9325 §4.2).

use std::{path::Path, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, ring},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    version::{TLS12, TLS13},
};

use super::{
    ClientCertificate, Settings, Version, certificate::ServerCertificate, files, names::Names,
};
use crate::problem::Problem;

/// The ALPN name of HTTP/2 over TLS (RFC 9113 §3.1).
pub const ALPN_HTTP2: &[u8] = b"h2";

/// The ALPN name of HTTP/1.1 (RFC 7301 §6).
pub const ALPN_HTTP1: &[u8] = b"http/1.1";

/// Reads every file for what is wrong with it; paths start inside the settings.
pub fn check(settings: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    server_config(settings, &mut problems);
    problems
}

/// What handshakes need; none if anything is wrong.
pub(super) fn server_config(
    settings: &Settings,
    problems: &mut Vec<Problem>,
) -> Option<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    check_settings(settings, problems);
    let mut certificates = Vec::new();
    for (index, files) in settings.certificates.iter().enumerate() {
        let place = format!("certificates[{index}]");
        certificates.extend(ServerCertificate::load(files, &place, &provider, problems));
    }
    let whole = certificates.len() == settings.certificates.len();
    // Places would be wrong if some were left out.
    let names = whole.then(|| Names::of(&certificates, problems));
    let verifier = match &settings.client_ca {
        Some(file) => client_verifier(file, settings.client_certificate, &provider, problems),
        None => Some(WebPkiClientVerifier::no_client_auth()),
    };
    if problems.iter().any(Problem::is_error) {
        return None;
    }
    build(settings, provider, names?, verifier?, problems)
}

fn check_settings(settings: &Settings, problems: &mut Vec<Problem>) {
    if settings.certificates.is_empty() {
        let mend = "write `certificates: [{ certificate: server.pem, key: server.key }]`";
        problems.push(Problem::error("certificates", "no certificate is given").mend(mend));
    }
    if settings.client_certificate.is_some() && settings.client_ca.is_none() {
        let message = "nothing says whose client certificates are believed";
        let mend = "name a PEM file of authorities as `client_ca`, or take this away";
        problems.push(Problem::error("client_certificate", message).mend(mend));
    }
    if settings.handshake_timeout.is_zero() {
        let problem = Problem::error("handshake_timeout", "the time must not be zero");
        problems.push(problem.mend("write a duration like `10s`"));
    }
}

fn client_verifier(
    file: &Path,
    client_certificate: Option<ClientCertificate>,
    provider: &Arc<CryptoProvider>,
    problems: &mut Vec<Problem>,
) -> Option<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    for certificate in files::certificates(file, "client_ca", problems)? {
        if let Err(error) = roots.add(certificate) {
            let message = format!("`{}` holds an unusable authority: {error}", file.display());
            let mend = "give a PEM file with CA certificates";
            problems.push(Problem::error("client_ca", message).mend(mend));
            return None;
        }
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let builder = match client_certificate {
        Some(ClientCertificate::Optional) => builder.allow_unauthenticated(),
        Some(ClientCertificate::Required) | None => builder,
    };
    match builder.build() {
        Ok(verifier) => Some(verifier),
        Err(error) => {
            let message = format!("`{}` can't be used: {error}", file.display());
            problems.push(Problem::error("client_ca", message));
            None
        }
    }
}

fn build(
    settings: &Settings,
    provider: Arc<CryptoProvider>,
    names: Names,
    verifier: Arc<dyn ClientCertVerifier>,
    problems: &mut Vec<Problem>,
) -> Option<ServerConfig> {
    let versions: &[&SupportedProtocolVersion] = match settings.min_version {
        Version::Tls12 => &[&TLS13, &TLS12],
        Version::Tls13 => &[&TLS13],
    };
    let ticketer = ring::Ticketer::new();
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions);
    match (builder, ticketer) {
        (Ok(builder), Ok(ticketer)) => {
            let builder = builder.with_client_cert_verifier(verifier);
            let mut config = builder.with_cert_resolver(Arc::new(names));
            config.alpn_protocols = vec![ALPN_HTTP2.to_vec(), ALPN_HTTP1.to_vec()];
            // Keys that change every six hours, and with every reload: a ticket outlives neither
            // its authority nor its certificate.
            config.ticketer = ticketer;
            Some(config)
        }
        (Err(error), _) | (_, Err(error)) => {
            problems.push(Problem::error("", format!("TLS can't be set up: {error}")));
            None
        }
    }
}
