//! `api_key`: keys of which a file or a shared store has the hashes, and nobody here the secrets.
//!
//! Each call costs one SHA-256 and two comparisons, for an id that nobody has too: how long an
//! answer takes tells nothing of which ids there are, or of how much of a secret was right. A change
//! of the file is in force within two seconds; a file that is broken changes nothing. How long a
//! store is believed is told where it is asked (`shared`).

pub mod book;
pub mod key;
mod shared;

use std::{path::Path, sync::Arc};

use serde_json::Value;

use self::{
    book::{Book, Line},
    key::{Hash, Key},
    shared::Shared,
};
use super::{
    denial::Denial,
    place::{self, Place},
    refresh::{self, Refreshed},
    scheme::{Check, Scheme, Verdict},
    settings,
};
use crate::{
    exchange::{Exchange, Principal, PrincipalKind},
    lasting::Lasting,
    stage::Finding,
};

/// The scheme at work.
pub(super) struct ApiKey {
    source: Source,
    places: Vec<Place>,
    clock: fn() -> i64,
}

/// Who has the hashes.
enum Source {
    File(Arc<Refreshed<Book>>),
    Store(Arc<Shared>),
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
        let source = match (&written.file, &written.redis) {
            (Some(file), None) => Source::File(book(&folder.join(file), lasting)?),
            (None, Some(redis)) => Source::Store(Shared::of(written, redis, folder, lasting)?),
            (None, None) => {
                let message = "the keys have to stand somewhere: add `file` or `redis`";
                return Err(("file".into(), message.into()));
            }
            (Some(_), Some(_)) => {
                let message = "keys come from one place: take out `file` or `redis`; two ways of \
                               `any_of` have both";
                return Err(("redis".into(), message.into()));
            }
        };
        Ok(Self { source, places, clock })
    }

    fn check_key(&self, text: &str, worker: usize) -> Check<'_> {
        let Some(key) = Key::read(text) else {
            return Check::Now(Err(Denial::refused("key_malformed")));
        };
        let now = (self.clock)();
        match &self.source {
            Source::File(book) => {
                Check::Now(judge(&key, book.current().value.find(key.id), now).map(Some))
            }
            Source::Store(shared) => match shared.recall(key.id, now) {
                Some(found) => Check::Now(judge(&key, found.as_deref(), now).map(Some)),
                None => Check::Later(Box::pin(self.ask(shared, text.to_owned(), worker))),
            },
        }
    }

    async fn ask(&self, shared: &Shared, text: String, worker: usize) -> Verdict {
        let key = Key::read(&text).ok_or(Denial::refused("key_malformed"))?;
        let found = shared.ask(worker, key.id, self.clock).await?;
        judge(&key, found.as_deref(), (self.clock)()).map(Some)
    }
}

/// The keys of a file.
fn book(path: &Path, lasting: &Lasting) -> Result<Arc<Refreshed<Book>>, Finding> {
    let shown = path.display().to_string();
    let finding = |message: String| ("file".to_owned(), message);
    let text = std::fs::read_to_string(path).map_err(|error| {
        finding(format!("`{shown}` can't be read: {error}; `transom keys create` makes one"))
    })?;
    let book = Book::read(&text).map_err(|problem| finding(format!("`{shown}`: {problem}")))?;
    let origin = Box::new(refresh::File(path.to_owned()));
    Ok(lasting.keep(&super::name("api keys", &shown), || {
        Refreshed::from(origin, Book::read, book, Some(text))
    }))
}

/// Whether a key is the one that stands there.
fn judge(key: &Key<'_>, line: Option<&Line>, now: i64) -> Result<Arc<Principal>, Denial> {
    let hash = key.hash();
    let [first, second] = line.map_or([Hash::NONE; 2], |line| line.hashes);
    // Both, whether the first is right or not.
    let is_right = hash.is(&first) | hash.is(&second);
    let line = line.ok_or(Denial::refused("key_unknown"))?;
    if !is_right {
        return Err(Denial::refused("key_secret"));
    }
    if now >= line.until {
        return Err(Denial::refused("key_expired"));
    }
    Ok(Arc::new(principal(line)))
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
        match place::find(&self.places, exchange) {
            Ok(Some(text)) => self.check_key(&text, exchange.worker),
            Ok(None) => Check::Now(Ok(None)),
            Err(denial) => Check::Now(Err(denial)),
        }
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
