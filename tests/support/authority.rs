//! A certificate authority that lasts as long as its test.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// An authority, and the folder that its files go to.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    /// A new one, whose certificate is `NAME.pem` in the folder.
    pub(crate) fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::write(folder.join(format!("{name}.pem")), issuer.pem()).unwrap();
        Self { issuer, folder: folder.to_owned() }
    }

    /// Its certificate.
    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// A certificate for these hosts, and its key; with `has_expired` one that was good once.
    pub(crate) fn issue(
        &self,
        hosts: &[&str],
        has_expired: bool,
    ) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        if has_expired {
            params.not_before = rcgen::date_time_ymd(2019, 1, 1);
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        (certificate.der().clone(), PrivateKeyDer::Pkcs8(key))
    }

    /// Writes `FILE.pem` and `FILE.key`, a certificate for these hosts; gives the certificate.
    pub(crate) fn write(&self, file: &str, hosts: &[&str]) -> CertificateDer<'static> {
        let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(hosts).unwrap().signed_by(&key, &self.issuer).unwrap();
        fs::write(self.folder.join(format!("{file}.pem")), certificate.pem()).unwrap();
        fs::write(self.folder.join(format!("{file}.key")), key.serialize_pem()).unwrap();
        certificate.der().clone()
    }

    /// A client's certificate with a URI as its name, and the key.
    pub(crate) fn client(&self, uri: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names.push(SanType::URI(uri.try_into().unwrap()));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        (certificate.der().clone(), PrivateKeyDer::Pkcs8(key))
    }
}
