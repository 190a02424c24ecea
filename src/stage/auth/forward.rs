//! What the backend hears of the caller: chosen claims as metadata.
//!
//! The caller's own copies of these names are taken away always, for an anonymous caller too, or
//! anybody could write down who they want to be. Some backends take `x_user` for `x-user` (CGI's old
//! way), so what differs in nothing else counts as a copy.

use std::{collections::BTreeMap, fmt::Write};

use http::{HeaderName, HeaderValue};
use serde_json::Value;

use crate::{
    exchange::{Metadata, Principal},
    stage::{Finding, names},
};

/// The most that is forwarded in one header, in bytes.
const LONGEST: usize = 8 << 10;

/// Headers and what they are set to.
#[derive(Debug, Default)]
pub(super) struct Forward(Vec<(HeaderName, Part)>);

/// A part of a principal.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Id,
    Issuer,
    Kind,
    Scopes,
    Claim(String),
}

impl Forward {
    /// Checks the settings: names of headers, and what they are to hold.
    pub(super) fn compile(settings: &BTreeMap<String, String>) -> Result<Self, Finding> {
        let mut compiled = Vec::new();
        for (text, part) in settings {
            let path = || format!("forward.{text}");
            let name = name(text).map_err(|message| (path(), message))?;
            let part = match part.as_str() {
                "id" => Part::Id,
                "issuer" => Part::Issuer,
                "kind" => Part::Kind,
                "scopes" => Part::Scopes,
                other => match other.strip_prefix("claims.").filter(|claim| !claim.is_empty()) {
                    Some(claim) => Part::Claim(claim.to_owned()),
                    None => {
                        let message = format!(
                            "`{other}` is no part of a principal: write `id`, `issuer`, `kind`, \
                             `scopes` or `claims.NAME`"
                        );
                        return Err((path(), message));
                    }
                },
            };
            compiled.push((name, part));
        }
        Ok(Self(compiled))
    }

    /// Takes the caller's own copies away, and tells of the principal.
    pub(super) fn apply(&self, principal: Option<&Principal>, metadata: &mut Metadata) {
        if self.0.is_empty() {
            return;
        }
        names::strip(metadata, |name| {
            self.0.iter().any(|(own, _)| names::is_same(own.as_str(), name))
        });
        let Some(principal) = principal else { return };
        for (name, part) in &self.0 {
            if let Some(value) = part.value(principal) {
                metadata.insert(name.clone(), value);
            }
        }
    }
}

fn name(text: &str) -> Result<HeaderName, String> {
    let lower = text.to_ascii_lowercase();
    let taken =
        ["authorization", "connection", "content-type", "cookie", "host", "te", "user-agent"];
    let reserved = taken.contains(&lower.as_str())
        || ["grpc-", "connect-", "x-forwarded-", ":"].iter().any(|start| lower.starts_with(start));
    if reserved {
        return Err(format!("`{text}` has a meaning of its own: write another name"));
    }
    if lower.ends_with("-bin") {
        return Err(format!("`{text}` would have to hold base64: write a name without `-bin`"));
    }
    HeaderName::from_bytes(lower.as_bytes())
        .map_err(|_| format!("`{text}` is not a header name: use letters, digits and `-`"))
}

impl Part {
    /// What stands in the header; nothing where the principal has no such claim.
    fn value(&self, principal: &Principal) -> Option<HeaderValue> {
        let mut text = String::new();
        match self {
            Self::Id => encode(&principal.id, &mut text),
            Self::Issuer => encode(&principal.issuer, &mut text),
            Self::Kind => text.push_str(principal.kind.name()),
            Self::Scopes => encode(&principal.scopes.join(" "), &mut text),
            Self::Claim(path) => write(principal.claim(path)?, &mut text),
        }
        if text.len() > LONGEST {
            return None;
        }
        HeaderValue::try_from(text).ok()
    }
}

/// A claim as text: strings as they are, lists joined by commas, all else as JSON.
fn write(claim: &Value, text: &mut String) {
    match claim {
        Value::String(string) => encode(string, text),
        Value::Array(list) if list.iter().all(|one| !one.is_array() && !one.is_object()) => {
            for (index, one) in list.iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                let mut element = String::new();
                write(one, &mut element);
                text.push_str(&element.replace(',', "%2C"));
            }
        }
        other => encode(&other.to_string(), text),
    }
}

/// Percent-encodes what isn't printable ASCII, `%` itself, and spaces at the edges, so that nothing
/// in a claim can end a header or be lost on the way.
fn encode(plain: &str, text: &mut String) {
    let last = plain.len().saturating_sub(1);
    for (at, byte) in plain.bytes().enumerate() {
        let fits = match byte {
            b' ' => at != 0 && at != last,
            b'%' => false,
            _ => byte.is_ascii_graphic(),
        };
        if fits {
            text.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::exchange::PrincipalKind;

    fn principal() -> Principal {
        let claims = json!({
            "name": "Ada\r\nx-admin: yes", "roles": ["a,b", "c"], "age": 36, "no": null,
            "nested": { "tenant": "library" }, "city": "Zürich 100%",
        });
        Principal {
            id: "ada".into(),
            issuer: "https://id.example".into(),
            kind: PrincipalKind::Jwt,
            scopes: vec!["read".into(), "write".into()],
            claims: claims.as_object().unwrap().clone(),
        }
    }

    fn forwarded(part: &str) -> Option<String> {
        let settings = BTreeMap::from([("X-Out".to_owned(), part.to_owned())]);
        let mut metadata = Metadata::new();
        Forward::compile(&settings).unwrap().apply(Some(&principal()), &mut metadata);
        metadata.get("x-out").map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn every_part_of_a_principal_can_be_told() {
        for (part, want) in [
            ("id", "ada"),
            ("issuer", "https://id.example"),
            ("kind", "jwt"),
            ("scopes", "read write"),
            ("claims.roles", "a%2Cb,c"),
            ("claims.age", "36"),
            ("claims.nested.tenant", "library"),
            ("claims.nested", "{\"tenant\":\"library\"}"),
            ("claims.city", "Z%C3%BCrich 100%25"),
            ("claims.name", "Ada%0D%0Ax-admin: yes"),
        ] {
            assert_eq!(forwarded(part).as_deref(), Some(want), "{part}");
        }
        assert_eq!(forwarded("claims.absent"), None);
    }

    #[test]
    fn own_copies_of_the_caller_are_taken_away_whoever_calls() {
        let settings = BTreeMap::from([("x-user-id".to_owned(), "claims.absent".to_owned())]);
        let forward = Forward::compile(&settings).unwrap();
        for principal in [None, Some(&principal())] {
            let mut metadata = Metadata::new();
            for name in ["x-user-id", "x_user_id", "x-user_id", "x-user", "x_other"] {
                metadata.append(name, HeaderValue::from_static("root"));
                metadata.append(name, HeaderValue::from_static("admin"));
            }
            forward.apply(principal, &mut metadata);
            let mut left: Vec<_> = metadata.keys().map(HeaderName::as_str).collect();
            left.sort_unstable();
            assert_eq!(left, ["x-user", "x_other"]);
        }
    }

    #[test]
    fn names_and_parts_that_can_t_be_are_told() {
        for (name, part, told) in [
            ("authorization", "id", "meaning of its own"),
            ("Grpc-Status", "id", "meaning of its own"),
            ("x-forwarded-for", "id", "meaning of its own"),
            ("x-user-bin", "id", "base64"),
            ("a b", "id", "not a header name"),
            ("x-user", "name", "no part of a principal"),
            ("x-user", "claims.", "no part of a principal"),
        ] {
            let settings = BTreeMap::from([(name.to_owned(), part.to_owned())]);
            let (path, message) = Forward::compile(&settings).unwrap_err();
            assert_eq!(path, format!("forward.{name}"));
            assert!(message.contains(told), "{message}");
        }
    }
}
