//! The file of the keys.
//!
//! ```json
//! {"keys": [{
//!   "id": "3f9c0d12ab45e678",
//!   "hashes": ["sha256:…", "sha256:…"],
//!   "owner": "acme", "plan": "gold", "scopes": ["books.read"],
//!   "expires": "2027-01-01T00:00:00Z"
//! }]}
//! ```
//!
//! While a secret is rotated a key has two hashes, and either secret is good.

use std::{collections::HashMap, time::SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::key::Hash;

/// The most secrets that one key has.
const MOST: usize = 2;

/// A key as the file has it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The key's public part.
    pub id: String,
    /// What is kept of its secrets, one or two.
    pub hashes: Vec<String>,
    /// Whose key it is; its id where that isn't said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What its owner pays for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// What it may be used for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// When it ends (RFC 3339, UTC); never where that isn't said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// What else is to be known of it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub claims: Map<String, Value>,
}

/// The file.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// All keys.
    pub keys: Vec<Entry>,
}

/// The keys by their ids.
#[derive(Debug, Default)]
pub(super) struct Book(HashMap<String, Line>);

/// A key that may be used.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) entry: Entry,
    /// As many as there may be, whatever there are, so that all comparisons take alike.
    pub(super) hashes: [Hash; MOST],
    /// In seconds since 1970.
    pub(super) until: i64,
}

impl Book {
    /// Reads a file's text.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let written: Written = serde_json::from_str(text)
            .map_err(|error| format!("no file of keys (`{{\"keys\": […]}}`): {error}"))?;
        let mut book = HashMap::new();
        for entry in written.keys {
            let id = entry.id.clone();
            let line = Line::of(entry).map_err(|problem| format!("key `{id}`: {problem}"))?;
            if book.insert(id.clone(), line).is_some() {
                return Err(format!("key `{id}` stands there twice; put both hashes into one"));
            }
        }
        Ok(Self(book))
    }

    pub(super) fn find(&self, id: &str) -> Option<&Line> {
        self.0.get(id)
    }
}

impl Line {
    /// About what it takes, in bytes.
    pub(super) fn weight(&self) -> usize {
        let Entry { id, owner, plan, scopes, claims, .. } = &self.entry;
        let texts = [Some(id), owner.as_ref(), plan.as_ref()];
        let texts = texts.into_iter().flatten().chain(scopes).map(|text| text.len() + 32);
        let claims = claims.iter().map(|(name, value)| name.len() + value.to_string().len() + 128);
        size_of::<Self>() + 256 + texts.sum::<usize>() + claims.sum::<usize>()
    }

    pub(super) fn of(entry: Entry) -> Result<Self, String> {
        if !(1..=MOST).contains(&entry.hashes.len()) {
            return Err("it needs one hash, or two while its secret is rotated".into());
        }
        let mut hashes = [Hash::NONE; MOST];
        for (hash, text) in hashes.iter_mut().zip(&entry.hashes) {
            *hash = Hash::read(text)
                .ok_or_else(|| format!("`{text}` is no hash; `transom keys hash` makes one"))?;
        }
        let until = match &entry.expires {
            Some(text) => seconds(text)?,
            None => i64::MAX,
        };
        Ok(Self { entry, hashes, until })
    }
}

/// A time in seconds since 1970.
///
/// # Errors
/// It is none, in a sentence.
pub fn seconds(text: &str) -> Result<i64, String> {
    let time = humantime::parse_rfc3339_weak(text).map_err(|error| {
        format!("`{text}` is no time ({error}); write one such as `2027-01-01T00:00:00Z`")
    })?;
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
