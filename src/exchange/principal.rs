//! Who calls: the caller of a call, once somebody has made sure of it.
//!
//! Only what has been verified becomes a principal, so whoever sees one may believe it. The `auth`
//! stage lays it among the [`extensions`](super::Exchange::extensions) as an `Arc<Principal>`; later
//! stages, the access log and the backend read it there. A call without one is anonymous.

use std::fmt;

use serde_json::{Map, Value};

/// A verified caller.
#[derive(Clone, Debug, PartialEq)]
pub struct Principal {
    /// Its name with the issuer: a token's `sub`, a key's owner, the name in a certificate.
    pub id: String,
    /// Who vouches for it: a token's `iss`; the name of the kind where that is the gateway itself.
    pub issuer: String,
    /// How it was verified.
    pub kind: PrincipalKind,
    /// What it has been granted (RFC 6749 §3.3), in the issuer's order.
    pub scopes: Vec<String>,
    /// Everything else that the issuer says of it.
    pub claims: Map<String, Value>,
}

/// How a principal was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PrincipalKind {
    /// A signed token (RFC 7519).
    Jwt,
    /// A key that the gateway keeps a hash of.
    ApiKey,
    /// A client certificate.
    Mtls,
    /// A token that its issuer was asked about (RFC 7662).
    Introspection,
}

impl PrincipalKind {
    /// The word for logs and headers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::ApiKey => "api_key",
            Self::Mtls => "mtls",
            Self::Introspection => "introspection",
        }
    }

    /// Whether it came as a bearer token (RFC 6750).
    pub fn is_bearer(self) -> bool {
        matches!(self, Self::Jwt | Self::Introspection)
    }
}

impl fmt::Display for PrincipalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Principal {
    /// Whether it has been granted this scope.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|granted| granted == scope)
    }

    /// The claim at a path such as `realm_access.roles`: the members of objects, joined by dots. A
    /// claim whose own name has dots (`https://example.com/tenant`) is found by its whole name.
    pub fn claim(&self, path: &str) -> Option<&Value> {
        if let Some(value) = self.claims.get(path) {
            return Some(value);
        }
        let mut parts = path.split('.');
        let first = self.claims.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_are_found_by_whole_name_and_by_path() {
        let claims = json!({
            "https://example.com/tenant": "library",
            "realm_access": { "roles": ["reader"] },
            "plain": 7,
        });
        let principal = Principal {
            id: "ada".into(),
            issuer: "https://id.example".into(),
            kind: PrincipalKind::Jwt,
            scopes: vec!["books.read".into()],
            claims: claims.as_object().unwrap().clone(),
        };
        assert_eq!(principal.claim("https://example.com/tenant"), Some(&json!("library")));
        assert_eq!(principal.claim("realm_access.roles"), Some(&json!(["reader"])));
        assert_eq!(principal.claim("plain"), Some(&json!(7)));
        assert_eq!(principal.claim("plain.more"), None);
        assert_eq!(principal.claim(""), None);
        assert!(principal.has_scope("books.read") && !principal.has_scope("books"));
    }
}
