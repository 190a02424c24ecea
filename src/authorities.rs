//! Whom the gateway trusts when it asks others by TLS on its own account: the authorities of a PEM
//! file, or the system's.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// Authorities, and TLS for a client that trusts them.
#[derive(Debug)]
pub struct Authorities {
    /// None for the system's.
    own: Option<Vec<CertificateDer<'static>>>,
    /// Made when it is needed: reading the system's authorities takes a while.
    config: OnceLock<Arc<ClientConfig>>,
}

impl Authorities {
    /// Those of a PEM file, or the system's.
    ///
    /// # Errors
    /// What is wrong with the file, in a sentence.
    pub fn read(file: Option<&Path>) -> Result<Self, String> {
        Ok(Self { own: file.map(certificates).transpose()?, config: OnceLock::new() })
    }

    /// The certificates of the file, if there is one: what two clients may differ in.
    pub fn own(&self) -> Option<&[CertificateDer<'static>]> {
        self.own.as_deref()
    }

    /// TLS for a client that has no certificate of its own.
    ///
    /// # Errors
    /// What the TLS library says.
    pub fn client(&self) -> Result<Arc<ClientConfig>, String> {
        if let Some(config) = self.config.get() {
            return Ok(config.clone());
        }
        let mut roots = RootCertStore::empty();
        match &self.own {
            Some(own) => drop(roots.add_parsable_certificates(own.iter().cloned())),
            None => {
                let system = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(system.certs);
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(self.config.get_or_init(|| Arc::new(config)).clone())
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = path.display();
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| {
            format!("`{shown}` can't be read: {error}; name a file of certificates")
        })?;
    match found.is_empty() {
        true => Err(format!("`{shown}` has no certificate in PEM; name a file of certificates")),
        false => Ok(found),
    }
}
