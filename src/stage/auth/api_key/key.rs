//! What a key looks like, and what is kept of it.
//!
//! ```text
//! key    = "tk_" id "_" secret      tk_3f9c0d12ab45e678_…
//! id     = 16 hexadecimal digits    public: it stands in the file, in logs, in claims
//! secret = 64 hexadecimal digits    256 random bits
//! kept   = "sha256:" SHA-256 of the secret's text, in hexadecimal
//! ```
//!
//! One round of SHA-256 is right for this and wrong for passwords: 256 random bits can't be guessed
//! however fast a guess is, so a slow hash would only make every call slow. That is why `hash`
//! refuses what is short: it wants a generated key. The prefix lets scanners for leaked secrets know
//! one when they see it.

use std::fmt::Write;

use ring::{
    digest,
    rand::{SecureRandom, SystemRandom},
};
use subtle::ConstantTimeEq;

const PREFIX: &str = "tk_";
const HASH: &str = "sha256:";

/// The shortest secret that a hash is made of.
const SHORTEST: usize = 32;

/// A key: who has it, and what proves that.
#[derive(Clone, Copy)]
pub struct Key<'t> {
    /// The public part.
    pub id: &'t str,
    secret: &'t str,
}

/// What is kept of a secret.
#[derive(Clone, Copy, Debug)]
pub struct Hash([u8; 32]);

impl<'t> Key<'t> {
    /// Reads a key.
    pub fn read(text: &'t str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (is_id && secret.len() >= SHORTEST).then_some(Self { id, secret })
    }

    /// What is kept of its secret.
    pub fn hash(&self) -> Hash {
        let digest = digest::digest(&digest::SHA256, self.secret.as_bytes());
        let mut hash = [0; 32];
        hash.copy_from_slice(digest.as_ref());
        Hash(hash)
    }
}

/// A new key.
///
/// # Errors
/// The system has no randomness.
pub fn make() -> Result<String, ring::error::Unspecified> {
    let mut id = [0; 8];
    SystemRandom::new().fill(&mut id)?;
    make_for(&hexadecimal(&id))
}

/// A new secret for a key of this id.
///
/// # Errors
/// The system has no randomness.
pub fn make_for(id: &str) -> Result<String, ring::error::Unspecified> {
    let mut secret = [0; 32];
    SystemRandom::new().fill(&mut secret)?;
    Ok(format!("{PREFIX}{id}_{}", hexadecimal(&secret)))
}

impl Hash {
    /// A hash that no secret has been found for, to compare with where there is none.
    pub(super) const NONE: Self = Self([0; 32]);

    /// Reads `sha256:…`.
    pub fn read(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(HASH)?;
        let mut hash = [0; 32];
        if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (place, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[2 * place..2 * place + 2], 16).ok()?;
        }
        Some(Self(hash))
    }

    /// Whether two are the same, in a time that doesn't tell how much of them is.
    pub(super) fn is(&self, other: &Self) -> bool {
        #[cfg(test)]
        COMPARED.set(COMPARED.get() + 1);
        self.0.ct_eq(&other.0).into()
    }
}

/// There is no other way to compare them.
impl PartialEq for Hash {
    fn eq(&self, other: &Self) -> bool {
        self.is(other)
    }
}

impl Eq for Hash {}

#[cfg(test)]
thread_local! {
    /// How many comparisons there were on this thread: what takes a time that a caller could measure.
    pub(super) static COMPARED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

impl std::fmt::Display for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{HASH}{}", hexadecimal(&self.0))
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_keys_are_read_and_differ() {
        let (one, other) = (make().unwrap(), make().unwrap());
        assert_ne!(one, other);
        let key = Key::read(&one).unwrap();
        assert_eq!((key.id.len(), one.len()), (16, 3 + 16 + 1 + 64));
        let hash = key.hash();
        assert_eq!(Hash::read(&hash.to_string()), Some(hash));
        assert!(hash.is(&hash) && !hash.is(&Key::read(&other).unwrap().hash()));
    }

    #[test]
    fn hash_is_that_of_the_secret_s_text() {
        let key = Key::read("tk_a1_00000000000000000000000000000000").unwrap();
        let want = "sha256:84e0c0eafaa95a34c293f278ac52e45ce537bab5e752a00e6959a13ae103b65a";
        assert_eq!(key.hash().to_string(), want);
    }

    #[test]
    fn what_is_no_key_is_none() {
        for text in [
            "",
            "tk_",
            "tk__",
            "tk_a_short",
            "xx_a_00000000000000000000000000000000",
            "tk_ä_00000000000000000000000000000000",
            "tk_00000000000000000000000000000000",
        ] {
            assert!(Key::read(text).is_none(), "{text}");
        }
        for text in ["", "sha256:", "md5:00", "sha256:zz", &format!("sha256:{}", "g".repeat(64))] {
            assert!(Hash::read(text).is_none(), "{text}");
        }
    }
}
