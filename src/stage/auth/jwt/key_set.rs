//! An issuer's keys: a JSON Web Key Set (RFC 7517), a public key in PEM, or a secret.
//!
//! A key that can't verify signatures here is left out, as RFC 7517 §5 asks: of an unknown kind or
//! curve, for encryption, or not well formed. A symmetric key in a set is left out too: sets are
//! published, secrets are not.

use jsonwebtoken::{
    AlgorithmFamily, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

use super::algorithm::Algorithm;

/// The most keys of a set that are looked at.
const MOST: usize = 100;

/// Keys, as they were at one time.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    id: Option<String>,
    /// The only algorithm that it is for, if its issuer has said so.
    algorithm: Option<String>,
    key: DecodingKey,
}

impl KeySet {
    /// Reads a JSON Web Key Set, or one public key in PEM.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if text.trim_start().starts_with("-----BEGIN") {
            let key = pem(text.as_bytes()).ok_or("no RSA, EC or Ed25519 public key in PEM")?;
            return Ok(Self::of_one(key));
        }
        #[derive(Deserialize)]
        struct Written {
            keys: Vec<Value>,
        }
        let written: Written = serde_json::from_str(text)
            .map_err(|error| format!("no JSON Web Key Set (`{{\"keys\": […]}}`): {error}"))?;
        let keys: Vec<Key> = written.keys.into_iter().take(MOST).filter_map(key).collect();
        if keys.is_empty() {
            return Err("the JSON Web Key Set has no public key that can verify signatures".into());
        }
        Ok(Self { keys })
    }

    /// The secret of HMAC's algorithms.
    pub(super) fn of_secret(secret: &str) -> Self {
        Self::of_one(DecodingKey::from_secret(secret.as_bytes()))
    }

    fn of_one(key: DecodingKey) -> Self {
        Self { keys: vec![Key { id: None, algorithm: None, key }] }
    }

    /// Whether nothing can be verified.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys that a token may be signed with: those of its key's id; all that fit where the token
    /// names none, or the key has none.
    pub(super) fn candidates<'s>(
        &'s self,
        id: Option<&'s str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &'s DecodingKey> {
        self.keys.iter().filter_map(move |key| {
            let is_named = match (id, &key.id) {
                (Some(id), Some(own)) => id == own,
                _ => true,
            };
            let is_meant = key.algorithm.as_deref().is_none_or(|only| only == algorithm.name);
            (is_named && is_meant && algorithm.fits(&key.key)).then_some(&key.key)
        })
    }
}

/// A key of a set, if it can verify signatures.
fn key(written: Value) -> Option<Key> {
    let algorithm = written.get("alg").and_then(Value::as_str).map(str::to_owned);
    let jwk: Jwk = serde_json::from_value(written).ok()?;
    let for_signatures = match &jwk.common.public_key_use {
        None | Some(PublicKeyUse::Signature) => true,
        Some(_) => false,
    };
    let verifies = jwk
        .common
        .key_operations
        .as_ref()
        .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    let is_public = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => true,
        AlgorithmParameters::EllipticCurve(key) => {
            matches!(key.curve, EllipticCurve::P256 | EllipticCurve::P384)
        }
        AlgorithmParameters::OctetKeyPair(key) => key.curve == EllipticCurve::Ed25519,
        _ => false,
    };
    if !for_signatures || !verifies || !is_public {
        return None;
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some(Key { id: jwk.common.key_id, algorithm, key })
}

/// The one public key of a PEM file.
fn pem(text: &[u8]) -> Option<DecodingKey> {
    let kinds = [DecodingKey::from_rsa_pem, DecodingKey::from_ec_pem, DecodingKey::from_ed_pem];
    let key = kinds.iter().find_map(|read| read(text).ok())?;
    (key.family() != AlgorithmFamily::Hmac).then_some(key)
}
