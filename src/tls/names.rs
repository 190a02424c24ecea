//! Which certificate is shown: by the host that the client asks for.
//!
//! ```text
//! api.example.com      an exact name,
//! *.example.com        else the wildcard of the label above (RFC 9525 §6.3: one label, the first),
//! first                else the first of the list
//! ```
//!
//! Several may bear the same name with keys of different kinds: the first whose key suits what the
//! client can verify.

use std::{collections::HashMap, sync::Arc};

use rustls::{
    SignatureScheme,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::certificate::ServerCertificate;
use crate::problem::Problem;

/// The certificates of a listener, by name.
#[derive(Debug)]
pub(super) struct Names {
    certificates: Vec<Arc<CertifiedKey>>,
    /// The places of those that bear a name, `example.com` or `*.example.com`, in order.
    by_name: HashMap<String, Vec<usize>>,
}

impl Names {
    /// Tells of certificates that will never be shown under one of their names.
    pub(super) fn of(certificates: &[ServerCertificate], problems: &mut Vec<Problem>) -> Self {
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, certificate) in certificates.iter().enumerate() {
            for name in &certificate.names {
                let places = by_name.entry(name.clone()).or_default();
                let kind = |place: &usize| certificates[*place].key.key.algorithm();
                let earlier = places.iter().find(|earlier| kind(earlier) == kind(&place));
                if let Some(earlier) = earlier.filter(|earlier| **earlier != place) {
                    let path = format!("certificates[{place}].certificate");
                    let message = format!(
                        "`{name}` is named by `certificates[{earlier}]` too, which is shown instead"
                    );
                    problems.push(Problem::warning(path, message).mend("take one of them away"));
                }
                places.push(place);
            }
        }
        let certificates = certificates.iter().map(|one| one.key.clone()).collect();
        Self { certificates, by_name }
    }

    /// The certificate for a host.
    pub(super) fn choose(
        &self,
        host: Option<&str>,
        offered: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let suits = |one: &&Arc<CertifiedKey>| one.key.choose_scheme(offered).is_some();
        let of_name = |name: &str| {
            let places = self.by_name.get(name)?;
            places.iter().map(|place| &self.certificates[*place]).find(suits)
        };
        let host = host.map(|host| host.trim_end_matches('.').to_ascii_lowercase());
        let host = host.as_deref();
        let wildcard = || {
            let (_, rest) = host?.split_once('.')?;
            of_name(&format!("*.{rest}"))
        };
        let chosen = host.and_then(of_name).or_else(wildcard);
        chosen.or_else(|| self.certificates.iter().find(suits)).cloned()
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name(), hello.signature_schemes())
    }
}
