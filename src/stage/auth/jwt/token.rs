//! A token, taken apart but not believed yet (RFC 7515 §5.2).
//!
//! ```text
//! token  = header "." payload "." signature        each in base64url without padding
//! header = {"alg": …, "kid": …, "typ": …, "crit": …}
//! ```
//!
//! What the header says of keys (`jwk`, `jku`, `x5u`, `x5c`) is its writer's own word, so nobody here
//! even reads it. A member that comes twice makes the token none: two readers might see two tokens.

use base64_simd::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::stage::auth::denial::Denial;

/// A token's parts.
#[derive(Debug)]
pub(super) struct Token<'t> {
    pub(super) header: Header,
    pub(super) claims: Map<String, Value>,
    /// What is signed.
    pub(super) message: &'t [u8],
    pub(super) signature: Vec<u8>,
}

/// What of a header is read.
#[derive(Debug, Deserialize)]
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) kid: Option<String>,
    pub(super) typ: Option<String>,
    /// Extensions that have to be understood (RFC 7515 §4.1.11); none is.
    crit: Option<Value>,
    /// Whether the payload is in base64 (RFC 7797); it has to be.
    b64: Option<bool>,
}

impl<'t> Token<'t> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// It is none, or needs what isn't understood.
    pub(super) fn read(text: &'t str) -> Result<Self, Denial> {
        let malformed = || Denial::refused("token_malformed");
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed());
        };
        let message = &text.as_bytes()[..header.len() + 1 + payload.len()];
        let header: Header = part(header).ok_or_else(malformed)?;
        if header.crit.is_some() || header.b64 == Some(false) {
            return Err(Denial::refused("token_critical"));
        }
        let claims = part::<Claims>(payload).ok_or_else(malformed)?.0;
        let signature = URL_SAFE_NO_PAD.decode_to_vec(signature).map_err(|_| malformed())?;
        Ok(Self { header, claims, message, signature })
    }

    /// Who it says to be from.
    pub(super) fn issuer(&self) -> Option<&str> {
        self.claims.get("iss")?.as_str()
    }
}

fn part<T: for<'de> Deserialize<'de>>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode_to_vec(text).ok()?).ok()
}

/// An object without a member that comes twice.
struct Claims(Map<String, Value>);

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> serde::de::Visitor<'de> for Reader {
            type Value = Claims;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Claims, A::Error> {
                let mut claims = Map::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if claims.insert(name, value).is_some() {
                        return Err(serde::de::Error::custom("a claim comes twice"));
                    }
                }
                Ok(Claims(claims))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}
