//! The identity in a client certificate that has been verified.

use std::io;

use bytes::Bytes;
use ring::digest::{SHA256, digest};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

use super::certificate::alternative_names;
use crate::exchange::Identity;

/// Reads whom a certificate (DER) names. It must have been verified before.
///
/// # Errors
/// It can't be read; then nobody is known, and the connection must not go on as if somebody were.
pub fn identify(certificate: &[u8]) -> io::Result<Identity> {
    let (_, parsed) = X509Certificate::from_der(certificate)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let mut identity = Identity {
        subject: parsed.subject().to_string(),
        common_name: common_name(&parsed),
        dns_names: Vec::new(),
        uris: Vec::new(),
        emails: Vec::new(),
        certificate: Bytes::copy_from_slice(certificate),
        fingerprint: [0; 32],
    };
    identity.fingerprint.copy_from_slice(digest(&SHA256, certificate).as_ref());
    for name in alternative_names(&parsed) {
        match name {
            GeneralName::DNSName(name) => identity.dns_names.push((*name).to_owned()),
            GeneralName::URI(uri) => identity.uris.push((*uri).to_owned()),
            GeneralName::RFC822Name(email) => identity.emails.push((*email).to_owned()),
            _ => {}
        }
    }
    Ok(identity)
}

fn common_name(certificate: &X509Certificate<'_>) -> Option<String> {
    let mut names = certificate.subject().iter_common_name();
    names.next()?.as_str().ok().map(str::to_owned)
}
