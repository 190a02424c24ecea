//! Certificates and keys out of PEM files, and what is wrong with these.

use std::path::Path;

use rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};

use crate::problem::Problem;

/// All certificates of a file, at least one.
pub(super) fn certificates(
    file: &Path,
    place: &str,
    problems: &mut Vec<Problem>,
) -> Option<Vec<CertificateDer<'static>>> {
    let text = read(file, place, problems)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let message = match found {
        Ok(found) if !found.is_empty() => return Some(found),
        Ok(_) => format!("`{}` holds no certificate", file.display()),
        Err(error) => format!("`{}` is no sound PEM file: {}", file.display(), told(&error)),
    };
    let mend = "give a PEM file with `-----BEGIN CERTIFICATE-----`";
    problems.push(Problem::error(place, message).mend(mend));
    None
}

/// The first private key of a file.
pub(super) fn private_key(
    file: &Path,
    place: &str,
    problems: &mut Vec<Problem>,
) -> Option<PrivateKeyDer<'static>> {
    let text = read(file, place, problems)?;
    let name = file.display();
    let error = match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => return Some(key),
        Err(error) => error,
    };
    let encrypted = memchr::memmem::find(&text, b"ENCRYPTED").is_some();
    let problem = match error {
        pem::Error::NoItemsFound if encrypted => {
            Problem::error(place, format!("the private key in `{name}` is encrypted"))
                .mend("decrypt it, with `openssl pkey -in KEY -out PLAIN` for example")
        }
        pem::Error::NoItemsFound => Problem::error(place, format!("`{name}` holds no private key"))
            .mend("give a PEM file with `-----BEGIN PRIVATE KEY-----`"),
        other => Problem::error(place, format!("`{name}` is no sound PEM file: {}", told(&other)))
            .mend("give a PEM file with `-----BEGIN PRIVATE KEY-----`"),
    };
    problems.push(problem);
    None
}

fn read(file: &Path, place: &str, problems: &mut Vec<Problem>) -> Option<Vec<u8>> {
    match std::fs::read(file) {
        Ok(text) => Some(text),
        Err(error) => {
            let message = format!("`{}` can't be read: {error}", file.display());
            problems.push(Problem::error(place, message).mend("name a PEM file that may be read"));
            None
        }
    }
}

/// What is wrong, without any line of the file: it may be a key's.
fn told(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no `-----END …-----`",
        pem::Error::IllegalSectionStart { .. } => "a `-----BEGIN …-----` is not well-formed",
        pem::Error::Base64Decode(_) => "a section is no base64",
        _ => "a section can't be read",
    }
}
