//! Signature algorithms (RFC 7518 §3, RFC 8037), and the keys that may be used with them.
//!
//! A token says itself how it is signed, which is its writer's word and not its issuer's. So an
//! algorithm is taken only if the issuer's settings allow it and the key is of its kind: a public
//! key is never a secret of HMAC, and `none` is no algorithm here.

use std::fmt;

use jsonwebtoken::{AlgorithmFamily, DecodingKey, DecodingKeyKind};
use ring::{hmac, signature};

/// An algorithm that can be verified.
#[derive(Clone, Copy)]
pub(super) struct Algorithm {
    pub(super) name: &'static str,
    pub(super) family: AlgorithmFamily,
    means: Means,
}

#[derive(Clone, Copy)]
enum Means {
    Hmac(fn() -> hmac::Algorithm),
    Rsa(&'static signature::RsaParameters),
    Ec(&'static signature::EcdsaVerificationAlgorithm, usize),
    Ed,
}

#[cfg(test)]
thread_local! {
    /// How many signatures were looked at on this thread: what a token costs.
    pub(super) static VERIFIED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

impl PartialEq for Algorithm {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

const fn rsa(name: &'static str, parameters: &'static signature::RsaParameters) -> Algorithm {
    Algorithm { name, family: AlgorithmFamily::Rsa, means: Means::Rsa(parameters) }
}

/// Every algorithm there is.
pub(super) const ALGORITHMS: [Algorithm; 12] = [
    rsa("RS256", &signature::RSA_PKCS1_2048_8192_SHA256),
    rsa("RS384", &signature::RSA_PKCS1_2048_8192_SHA384),
    rsa("RS512", &signature::RSA_PKCS1_2048_8192_SHA512),
    rsa("PS256", &signature::RSA_PSS_2048_8192_SHA256),
    rsa("PS384", &signature::RSA_PSS_2048_8192_SHA384),
    rsa("PS512", &signature::RSA_PSS_2048_8192_SHA512),
    Algorithm {
        name: "ES256",
        family: AlgorithmFamily::Ec,
        means: Means::Ec(&signature::ECDSA_P256_SHA256_FIXED, 65),
    },
    Algorithm {
        name: "ES384",
        family: AlgorithmFamily::Ec,
        means: Means::Ec(&signature::ECDSA_P384_SHA384_FIXED, 97),
    },
    Algorithm { name: "EdDSA", family: AlgorithmFamily::Ed, means: Means::Ed },
    Algorithm {
        name: "HS256",
        family: AlgorithmFamily::Hmac,
        means: Means::Hmac(|| hmac::HMAC_SHA256),
    },
    Algorithm {
        name: "HS384",
        family: AlgorithmFamily::Hmac,
        means: Means::Hmac(|| hmac::HMAC_SHA384),
    },
    Algorithm {
        name: "HS512",
        family: AlgorithmFamily::Hmac,
        means: Means::Hmac(|| hmac::HMAC_SHA512),
    },
];

impl Algorithm {
    /// The algorithm of this name, to the letter (RFC 7515 §4.1.1).
    pub(super) fn of(name: &str) -> Option<Self> {
        ALGORITHMS.into_iter().find(|algorithm| algorithm.name == name)
    }

    /// Whether a key can be used with it.
    pub(super) fn fits(self, key: &DecodingKey) -> bool {
        let is_of_curve = match (self.means, key.kind()) {
            (Means::Ec(_, length), DecodingKeyKind::SecretOrDer(point)) => point.len() == length,
            (Means::Ed, DecodingKeyKind::SecretOrDer(point)) => point.len() == 32,
            _ => true,
        };
        self.family == key.family() && is_of_curve
    }

    /// Whether the signature is the key's, over this message.
    pub(super) fn verifies(self, key: &DecodingKey, message: &[u8], signature: &[u8]) -> bool {
        if !self.fits(key) {
            return false;
        }
        #[cfg(test)]
        VERIFIED.set(VERIFIED.get() + 1);
        let outcome = match (self.means, key.kind()) {
            (Means::Hmac(algorithm), DecodingKeyKind::SecretOrDer(secret)) => {
                hmac::verify(&hmac::Key::new(algorithm(), secret), message, signature)
            }
            (Means::Rsa(parameters), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                let key = signature::RsaPublicKeyComponents { n, e };
                key.verify(parameters, message, signature)
            }
            (Means::Rsa(parameters), DecodingKeyKind::SecretOrDer(der)) => {
                signature::UnparsedPublicKey::new(parameters, der).verify(message, signature)
            }
            (Means::Ec(algorithm, _), DecodingKeyKind::SecretOrDer(point)) => {
                signature::UnparsedPublicKey::new(algorithm, point).verify(message, signature)
            }
            (Means::Ed, DecodingKeyKind::SecretOrDer(point)) => {
                let key = signature::UnparsedPublicKey::new(&signature::ED25519, point);
                key.verify(message, signature)
            }
            _ => return false,
        };
        outcome.is_ok()
    }
}
