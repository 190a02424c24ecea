//! `api_key`: keys of which a file has the hashes, and nobody here the secrets.
//!
//! Each call costs one SHA-256 and two comparisons, for an id that nobody has too: how long an
//! answer takes tells nothing of which ids there are, or of how much of a secret was right. A change
//! of the file is in force within two seconds; a file that is broken changes nothing.

pub mod book;
pub mod key;

use std::{path::Path, sync::Arc};

use serde_json::Value;

use self::{
    book::{Book, Line},
    key::{Hash, Key},
};
use super::{
    denial::Denial,
    place::{self, Place},
    refresh::{self, Refreshed},
    scheme::{Check, Scheme},
    settings,
};
use crate::{
    exchange::{Exchange, Principal, PrincipalKind},
    lasting::Lasting,
    stage::Finding,
};

/// The scheme at work.
pub(super) struct ApiKey {
    book: Arc<Refreshed<Book>>,
    places: Vec<Place>,
    clock: fn() -> i64,
}

impl ApiKey {
    /// Makes the scheme of its settings; relative paths start at `folder`.
    pub(super) fn build(
        written: &settings::ApiKey,
        places: Vec<Place>,
        folder: &Path,
        lasting: &Lasting,
        clock: fn() -> i64,
    ) -> Result<Self, Finding> {
        let path = folder.join(&written.file);
        let shown = path.display().to_string();
        let finding = |message: String| ("file".to_owned(), message);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            finding(format!("`{shown}` can't be read: {error}; `transom keys create` makes one"))
        })?;
        let book = Book::read(&text).map_err(|problem| finding(format!("`{shown}`: {problem}")))?;
        let origin = Box::new(refresh::File(path));
        let book = lasting.keep(&super::name("api keys", &shown), || {
            Refreshed::from(origin, Book::read, book, Some(text))
        });
        Ok(Self { book, places, clock })
    }

    fn verify(&self, text: &str) -> Result<Arc<Principal>, Denial> {
        let key = Key::read(text).ok_or(Denial::refused("key_malformed"))?;
        let book = self.book.current();
        let line = book.value.find(key.id);
        let hash = key.hash();
        let [first, second] = line.map_or([Hash::NONE; 2], |line| line.hashes);
        // Both, whether the first is right or not.
        let is_right = hash.is(&first) | hash.is(&second);
        let line = line.ok_or(Denial::refused("key_unknown"))?;
        if !is_right {
            return Err(Denial::refused("key_secret"));
        }
        if (self.clock)() >= line.until {
            return Err(Denial::refused("key_expired"));
        }
        Ok(Arc::new(principal(line)))
    }
}

fn principal(line: &Line) -> Principal {
    let entry = &line.entry;
    let mut claims = entry.claims.clone();
    claims.insert("key".to_owned(), Value::from(entry.id.as_str()));
    if let Some(plan) = &entry.plan {
        claims.insert("plan".to_owned(), Value::from(plan.as_str()));
    }
    Principal {
        id: entry.owner.clone().unwrap_or_else(|| entry.id.clone()),
        issuer: PrincipalKind::ApiKey.name().to_owned(),
        kind: PrincipalKind::ApiKey,
        scopes: entry.scopes.clone(),
        claims,
    }
}

impl Scheme for ApiKey {
    fn check<'a>(&'a self, exchange: &Exchange) -> Check<'a> {
        let found = place::find(&self.places, exchange);
        Check::Now(found.and_then(|text| text.map(|text| self.verify(&text)).transpose()))
    }

    fn strip(&self, exchange: &mut Exchange) {
        place::strip(&self.places, &mut exchange.metadata);
    }

    fn challenge(&self) -> &'static str {
        "ApiKey"
    }
}

#[cfg(test)]
mod tests;
