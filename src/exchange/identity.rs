//! Whom a client certificate names.
//!
//! Only what has been verified becomes one: whoever sees it may believe it.

use std::fmt;

use bytes::Bytes;

/// The client certificate that a connection was opened with, verified by the listener. The gateway
/// lays it among the [`extensions`](super::Exchange::extensions) of each call of the connection, as
/// an `Arc<Identity>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The subject as RFC 4514 writes it, `CN=reader,O=Library`; may be empty.
    pub subject: String,
    /// The subject's common name, if it has one.
    pub common_name: Option<String>,
    /// The DNS names of its subjectAltName.
    pub dns_names: Vec<String>,
    /// The URIs of its subjectAltName; a SPIFFE id is one.
    pub uris: Vec<String>,
    /// The e-mail addresses of its subjectAltName.
    pub emails: Vec<String>,
    /// The whole certificate, DER.
    pub certificate: Bytes,
    /// The SHA-256 of [`Identity::certificate`].
    pub fingerprint: [u8; 32],
}

impl Identity {
    /// The SPIFFE id, `spiffe://example.org/reader`, if the certificate is an X.509-SVID: exactly
    /// one URI, and that of this scheme (X509-SVID §2).
    pub fn spiffe_id(&self) -> Option<&str> {
        match self.uris.as_slice() {
            [only] if only.starts_with("spiffe://") => Some(only),
            _ => None,
        }
    }

    /// The name by which people know it: its SPIFFE id, else the first URI, DNS name or e-mail
    /// address, else its subject.
    pub fn name(&self) -> &str {
        let alternative = self.uris.first().or(self.dns_names.first()).or(self.emails.first());
        self.spiffe_id().or(alternative.map(String::as_str)).unwrap_or(&self.subject)
    }

    /// The fingerprint in hexadecimal.
    pub fn fingerprint_text(&self) -> String {
        self.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("subject", &self.subject)
            .field("dns_names", &self.dns_names)
            .field("uris", &self.uris)
            .field("emails", &self.emails)
            .field("fingerprint", &self.fingerprint_text())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(uris: &[&str], dns_names: &[&str]) -> Identity {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Identity {
            subject: "CN=reader".into(),
            common_name: Some("reader".into()),
            dns_names: own(dns_names),
            uris: own(uris),
            emails: Vec::new(),
            certificate: Bytes::new(),
            fingerprint: [0xa5; 32],
        }
    }

    #[test]
    fn name_is_the_best_that_a_certificate_has() {
        assert_eq!(identity(&[], &[]).name(), "CN=reader");
        assert_eq!(identity(&[], &["reader.example"]).name(), "reader.example");
        assert_eq!(identity(&["https://a/b"], &["reader.example"]).name(), "https://a/b");
        assert_eq!(identity(&[], &[]).fingerprint_text(), "a5".repeat(32));
    }

    #[test]
    fn spiffe_id_is_the_only_uri() {
        let one = "spiffe://example.org/reader";
        assert_eq!(identity(&[one], &["a"]).spiffe_id(), Some(one));
        assert_eq!(identity(&[one, "spiffe://example.org/other"], &[]).spiffe_id(), None);
        assert_eq!(identity(&["https://example.org"], &[]).spiffe_id(), None);
    }
}
