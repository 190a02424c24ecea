//! TLS towards backends: whom to trust, what to show, and HTTP/2 by ALPN.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};

use arc_swap::ArcSwap;
use tokio::time::Instant;

use super::settings::{Address, Tls};
use crate::problem::Problem;

/// The ALPN name of HTTP/2 over TLS (RFC 9113 §3.1).
pub(super) const ALPN: &[u8] = b"h2";

/// What one endpoint needs for its handshakes.
#[derive(Clone)]
pub(super) struct Identity {
    /// Trust, client certificate and ALPN, as the files say them.
    pub(super) live: Arc<Live>,
    /// The name that the certificate has to bear.
    pub(super) server_name: ServerName<'static>,
}

/// How long the files are believed until the next connection has them looked at again.
const BELIEVED: Duration = Duration::from_secs(1);

/// What the handshakes of a cluster begin with. The files behind it are looked at when a connection
/// is made: those that have changed and are sound are in force for it and for the ones after it.
pub(super) struct Live {
    settings: Tls,
    current: ArcSwap<ClientConfig>,
    looked: Mutex<Looked>,
}

/// The last look at the files.
struct Looked {
    at: Instant,
    /// What they said.
    texts: Vec<Option<Vec<u8>>>,
}

impl Live {
    /// Reads the files.
    pub(super) fn load(settings: &Tls, problems: &mut Vec<Problem>) -> Option<Self> {
        let looked = Looked { at: Instant::now(), texts: texts(settings) };
        let current = ArcSwap::new(client_config(settings, problems)?);
        Some(Self { settings: settings.clone(), current, looked: Mutex::new(looked) })
    }

    /// What a new connection is opened with.
    pub(super) fn current(&self) -> Arc<ClientConfig> {
        // Whoever finds the lock taken goes by what is in force.
        if let Ok(mut looked) = self.looked.try_lock() {
            self.look(&mut looked);
        }
        self.current.load_full()
    }

    /// Looks at the files, however soon after the last look.
    #[cfg(test)]
    pub(super) fn look_now(&self) {
        let mut looked = self.looked.try_lock().unwrap();
        looked.at -= BELIEVED;
        self.look(&mut looked);
    }

    fn look(&self, looked: &mut Looked) {
        if looked.at.elapsed() < BELIEVED {
            return;
        }
        looked.at = Instant::now();
        let texts = texts(&self.settings);
        if texts == looked.texts {
            return;
        }
        looked.texts = texts;
        let mut problems = Vec::new();
        match client_config(&self.settings, &mut problems) {
            Some(config) => {
                self.current.store(config);
                tracing::info!("new certificates are in force towards a backend");
            }
            None => problems.iter().for_each(|problem| {
                tracing::warn!(%problem, "certificates have changed, but the old ones stay in force");
            }),
        }
    }
}

/// What the files say; nothing, where one can't be read.
fn texts(settings: &Tls) -> Vec<Option<Vec<u8>>> {
    let files = [&settings.ca, &settings.certificate, &settings.key];
    files.into_iter().flatten().map(|file| std::fs::read(file).ok()).collect()
}

/// The configuration that all TLS endpoints of a cluster share.
fn client_config(settings: &Tls, problems: &mut Vec<Problem>) -> Option<Arc<ClientConfig>> {
    let roots = match &settings.ca {
        Some(path) => own_roots(path, problems),
        None => system_roots(problems),
    };
    let identity = match (&settings.certificate, &settings.key) {
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate, "tls.certificate", problems);
            let key = private_key(key, problems);
            Some((chain?, key?))
        }
        _ => None,
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions();
    let builder = match builder {
        Ok(builder) => builder.with_root_certificates(roots?),
        Err(error) => {
            problems.push(Problem::error("tls", format!("TLS can't be set up: {error}")));
            return None;
        }
    };
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => match builder.with_client_auth_cert(chain, key) {
            Ok(config) => config,
            Err(error) => {
                problems.push(
                    Problem::error("tls", format!("the client certificate can't be used: {error}"))
                        .mend("check that `key` belongs to `certificate`"),
                );
                return None;
            }
        },
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    Some(Arc::new(config))
}

/// What the files say now, in one number; one that can't be read says nothing.
pub(super) fn digest(settings: &Tls) -> u64 {
    let Tls { ca, certificate, key, server_name: _ } = settings;
    let mut hasher = DefaultHasher::new();
    for file in [ca, certificate, key] {
        file.as_ref().map(|file| std::fs::read(file).ok()).hash(&mut hasher);
    }
    hasher.finish()
}

/// The name to verify at this endpoint.
pub(super) fn server_name(
    settings: &Tls,
    address: &Address,
    problems: &mut Vec<Problem>,
) -> Option<ServerName<'static>> {
    let (name, path) = match &settings.server_name {
        Some(name) => (name.clone(), "tls.server_name"),
        None => (address.host.clone(), address.path.as_str()),
    };
    match ServerName::try_from(name.clone()) {
        Ok(name) => Some(name),
        Err(error) => {
            problems.push(
                Problem::error(path, format!("`{name}` can't be a server's name: {error}"))
                    .mend("write a DNS name or an IP address"),
            );
            None
        }
    }
}

fn own_roots(path: &Path, problems: &mut Vec<Problem>) -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, "tls.ca", problems)? {
        if let Err(error) = roots.add(certificate) {
            problems.push(
                Problem::error(
                    "tls.ca",
                    format!("`{}` holds an unusable authority: {error}", path.display()),
                )
                .mend("give a PEM file with CA certificates"),
            );
            return None;
        }
    }
    Some(roots)
}

/// Read once a process: the system's store holds a hundred files and more.
fn system_roots(problems: &mut Vec<Problem>) -> Option<RootCertStore> {
    static ROOTS: OnceLock<Result<RootCertStore, String>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        match roots.is_empty() {
            false => Ok(roots),
            true => Err(found.errors.first().map_or_else(String::new, |e| format!(": {e}"))),
        }
    });
    match roots {
        Ok(roots) => Some(roots.clone()),
        Err(reason) => {
            problems.push(
                Problem::error("tls", format!("the system has no certificate authorities{reason}"))
                    .mend("install ca-certificates, or name a PEM file as `tls.ca`"),
            );
            None
        }
    }
}

fn certificates(
    path: &Path,
    place: &str,
    problems: &mut Vec<Problem>,
) -> Option<Vec<CertificateDer<'static>>> {
    let read =
        CertificateDer::pem_file_iter(path).and_then(|found| found.collect::<Result<Vec<_>, _>>());
    let message = match read {
        Ok(certificates) if !certificates.is_empty() => return Some(certificates),
        Ok(_) => format!("`{}` holds no certificate", path.display()),
        Err(error) => format!("`{}` can't be read: {error}", path.display()),
    };
    problems.push(Problem::error(place, message).mend("give a PEM file with certificates"));
    None
}

fn private_key(path: &Path, problems: &mut Vec<Problem>) -> Option<PrivateKeyDer<'static>> {
    match PrivateKeyDer::from_pem_file(path) {
        Ok(key) => Some(key),
        Err(error) => {
            problems.push(
                Problem::error(
                    "tls.key",
                    format!("`{}` can't be read as a private key: {error}", path.display()),
                )
                .mend("give a PEM file with an unencrypted private key"),
            );
            None
        }
    }
}
