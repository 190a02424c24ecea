//! `mtls`: whom the client's certificate names.
//!
//! The listener has verified it against `client_ca`; here it is only said which of them may call.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{
    cache::Cache,
    denial::Denial,
    scheme::{Check, Scheme},
    settings,
};
use crate::exchange::{Exchange, Identity, Principal, PrincipalKind};

/// How much the principals of certificates may take, in bytes.
const CACHE: usize = 4 << 20;

/// The scheme at work.
pub(super) struct Mtls {
    settings: settings::Mtls,
    principals: Cache<Option<Arc<Principal>>>,
}

impl Mtls {
    pub(super) fn new(settings: &settings::Mtls) -> Self {
        Self { settings: settings.clone(), principals: Cache::new(CACHE) }
    }

    /// The certificate's principal, if it is one of those that are taken.
    fn principal(&self, identity: &Identity) -> Option<Arc<Principal>> {
        if let Some(known) = self.principals.find(&identity.fingerprint, |_| true) {
            return known;
        }
        let principal = self.takes(identity).then(|| Arc::new(principal(identity)));
        let weight = 2 * identity.certificate.len();
        self.principals.keep(&identity.fingerprint, principal.clone(), weight);
        principal
    }

    fn takes(&self, identity: &Identity) -> bool {
        let settings::Mtls { subjects, names, spiffe_ids } = &self.settings;
        if [subjects, names, spiffe_ids].iter().all(|patterns| patterns.is_empty()) {
            return true;
        }
        let Identity { dns_names, uris, emails, .. } = identity;
        fits(subjects, &identity.subject)
            || dns_names.iter().chain(uris).chain(emails).any(|name| fits(names, name))
            || identity.spiffe_id().is_some_and(|id| fits(spiffe_ids, id))
    }
}

/// Whether a text is one of the patterns, or begins like one that ends in `*`.
fn fits(patterns: &[String], text: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => text == pattern,
    })
}

fn principal(identity: &Identity) -> Principal {
    let mut claims = Map::new();
    let mut claim = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
    claim("subject", json!(identity.subject));
    claim("common_name", json!(identity.common_name));
    claim("dns_names", json!(identity.dns_names));
    claim("uris", json!(identity.uris));
    claim("emails", json!(identity.emails));
    claim("spiffe_id", json!(identity.spiffe_id()));
    claim("fingerprint", json!(identity.fingerprint_text()));
    Principal {
        id: identity.name().to_owned(),
        issuer: PrincipalKind::Mtls.name().to_owned(),
        kind: PrincipalKind::Mtls,
        scopes: Vec::new(),
        claims,
    }
}

impl Scheme for Mtls {
    fn check<'a>(&'a self, exchange: &Exchange) -> Check<'a> {
        let Some(identity) = exchange.extensions.get::<Arc<Identity>>() else {
            return Check::Now(Ok(None));
        };
        let principal = self.principal(identity);
        Check::Now(principal.map(Some).ok_or(Denial::refused("certificate_not_taken")))
    }

    fn strip(&self, _: &mut Exchange) {}

    fn challenge(&self) -> &'static str {
        "Certificate"
    }
}
