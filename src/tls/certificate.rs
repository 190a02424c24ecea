//! A certificate of the listener's own: usable with its key, and whom it names.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use rustls::{
    Error as TlsError, InconsistentKeys, crypto::CryptoProvider, pki_types::CertificateDer,
    sign::CertifiedKey,
};
use x509_parser::{
    certificate::X509Certificate, extensions::GeneralName, prelude::FromDer, time::ASN1Time,
};

use super::{CertificateFiles, files};
use crate::problem::Problem;

/// A certificate that can be shown.
#[derive(Debug)]
pub(super) struct ServerCertificate {
    /// Chain and key.
    pub(super) key: Arc<CertifiedKey>,
    /// The hosts that it names, in lower case: `example.com`, `*.example.com`.
    pub(super) names: Vec<String>,
}

impl ServerCertificate {
    /// Reads a certificate and its key. `place` is where they stand in the settings.
    pub(super) fn load(
        files: &CertificateFiles,
        place: &str,
        provider: &CryptoProvider,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let certificate_place = format!("{place}.certificate");
        let key_place = format!("{place}.key");
        let chain = files::certificates(&files.certificate, &certificate_place, problems);
        let key = files::private_key(&files.key, &key_place, problems);
        let (chain, key) = (chain?, key?);
        let names = names(&chain[0], files, &certificate_place, problems)?;
        match CertifiedKey::from_der(chain, key, provider) {
            Ok(key) => Some(Self { key: Arc::new(key), names }),
            Err(error) => {
                problems.push(unusable(&error, files, &certificate_place, &key_place));
                None
            }
        }
    }
}

fn unusable(error: &TlsError, files: &CertificateFiles, place: &str, key_place: &str) -> Problem {
    let (certificate, key) = (files.certificate.display(), files.key.display());
    match error {
        TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => Problem::error(
            key_place,
            format!(
                "the key in `{key}` does not belong to the first certificate in `{certificate}`"
            ),
        )
        .mend(
            "name the key of that certificate; in a chain the host's own certificate stands first",
        ),
        TlsError::General(_) => {
            Problem::error(key_place, format!("the key in `{key}` is of no kind that is supported"))
                .mend(
                    "use an ECDSA key (P-256, P-384), an Ed25519 key, or RSA of 2048 bits or more",
                )
        }
        error => Problem::error(
            place,
            format!("the certificate in `{certificate}` can't be used: {error}"),
        )
        .mend("give an X.509 v3 certificate for a server"),
    }
}

/// The hosts that a certificate names; says what clients will not like about it.
fn names(
    certificate: &CertificateDer<'_>,
    files: &CertificateFiles,
    place: &str,
    problems: &mut Vec<Problem>,
) -> Option<Vec<String>> {
    let file = files.certificate.display();
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        let message = format!("the first certificate in `{file}` is no X.509 certificate");
        problems.push(Problem::error(place, message).mend("make the file anew"));
        return None;
    };
    problems.extend(untimely(&parsed, &file.to_string(), place));
    let mut names = Vec::new();
    let mut addresses = false;
    for name in alternative_names(&parsed) {
        match name {
            GeneralName::DNSName(name) => names.push(name.to_ascii_lowercase()),
            GeneralName::IPAddress(_) => addresses = true,
            _ => {}
        }
    }
    if names.is_empty() && !addresses {
        let message = format!("the certificate in `{file}` names no host, so no client accepts it");
        let mend = "have it made with a subjectAltName (RFC 9525); a common name alone is no longer \
                    looked at";
        problems.push(Problem::warning(place, message).mend(mend));
    }
    Some(names)
}

/// All names of its subjectAltName.
pub(super) fn alternative_names<'c>(certificate: &'c X509Certificate<'_>) -> &'c [GeneralName<'c>] {
    let names = certificate.subject_alternative_name().ok().flatten();
    names.map_or(&[], |names| &names.value.general_names)
}

fn untimely(certificate: &X509Certificate<'_>, file: &str, place: &str) -> Option<Problem> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = ASN1Time::from_timestamp(since_epoch.as_secs() as i64).ok()?;
    let validity = certificate.validity();
    let message = if validity.not_after < now {
        format!("the certificate in `{file}` expired on {}", validity.not_after)
    } else if validity.not_before > now {
        format!("the certificate in `{file}` is not valid before {}", validity.not_before)
    } else {
        return None;
    };
    let mend = "renew it, and check the clock; until then clients refuse it";
    Some(Problem::warning(place, message).mend(mend))
}
