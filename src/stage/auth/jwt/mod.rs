//! `jwt`: tokens that an issuer has signed (RFC 7519), judged as RFC 8725 asks.
//!
//! ```text
//! call ─► the one token ─► verified before? ─► its caller
//!                           │ no
//!                           ▼
//!         taken apart ─► whose? ─► algorithm allowed? ─► key of its id ─► signature ─► claims
//!                                                         │ unknown
//!                                                         ▼
//!                                       keys read again, at a limited rate
//! ```
//!
//! What has been verified is kept by the token's bytes until its end, or until its issuer's keys
//! change. One cache belongs to one list of issuers with all that is asked of their tokens, so what
//! one policy has found good is nothing to another.

mod algorithm;
mod key_set;
mod origin;
pub(super) mod rules;
mod token;

use std::{borrow::Cow, path::Path, sync::Arc};

use self::{
    key_set::KeySet,
    origin::{Discovery, SHORTEST_REFETCH, TIMEOUT, Url},
    rules::{Holds, Rules, check_bound},
    token::Token,
};
use super::{
    cache::Cache,
    denial::Denial,
    fetch::Fetcher,
    place::{self, Place},
    refresh::{self, Refreshed},
    scheme::{Check, Scheme, Verdict},
    settings,
};
use crate::{
    exchange::{Exchange, Identity, Principal},
    lasting::Lasting,
    secret::Secret,
    stage::Finding,
};

/// How much the verified tokens of one list of issuers may take, in bytes.
const CACHE: usize = 32 << 20;

/// The most keys that are tried for a token that names none.
const TRIED: usize = 16;

/// The scheme at work.
pub(super) struct Jwt {
    verifier: Arc<Verifier>,
    places: Vec<Place>,
    max_token: usize,
    clock: fn() -> i64,
}

/// Issuers, what is asked of their tokens, and what has been verified of them.
struct Verifier {
    issuers: Vec<Issuer>,
    cache: Cache<Arc<Verified>>,
}

struct Issuer {
    rules: Rules,
    keys: Arc<Refreshed<KeySet>>,
}

/// A token that was found good.
struct Verified {
    principal: Arc<Principal>,
    certificate: Option<[u8; 32]>,
    /// The seconds between which it holds without another look.
    since: i64,
    until: i64,
    /// Whose it is, and by which version of its keys.
    issuer: usize,
    version: u64,
}

/// Why a token is not taken yet.
enum Obstacle {
    Denied(Denial),
    /// The issuer at this place may have a new key for it.
    Key(Lack),
}

/// What a token lacks: a key, or the right one.
struct Lack {
    issuer: usize,
    /// The version of the keys among which it isn't.
    version: u64,
    reason: &'static str,
}

impl From<Denial> for Obstacle {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

impl Jwt {
    /// Makes the scheme of its settings; relative paths start at `folder`.
    pub(super) fn build(
        written: &settings::Jwt,
        places: Vec<Place>,
        folder: &Path,
        lasting: &Lasting,
        clock: fn() -> i64,
    ) -> Result<Self, Finding> {
        if written.issuers.is_empty() {
            return Err(("issuers".into(), "without an issuer no token is taken: name one".into()));
        }
        let mut issuers = Vec::new();
        for (index, one) in written.issuers.iter().enumerate() {
            let inside = |(path, message): Finding| (format!("issuers[{index}].{path}"), message);
            let rules = Rules::compile(one).map_err(inside)?;
            if issuers.iter().any(|other: &Issuer| other.rules.issuer == rules.issuer) {
                let message = format!("`{}` stands there twice: keep one", rules.issuer);
                return Err(inside(("issuer".into(), message)));
            }
            let keys = keys(one, folder, lasting).map_err(inside)?;
            issuers.push(Issuer { rules, keys });
        }
        let secrets = written.issuers.iter().filter_map(|issuer| issuer.secret.as_ref());
        let secrets: Vec<_> = secrets.map(Secret::reveal).collect();
        let name = super::name("tokens", &format!("{:?} {secrets:?} {folder:?}", written.issuers));
        let verifier = lasting.keep(&name, || Verifier { issuers, cache: Cache::new(CACHE) });
        Ok(Self { verifier, places, max_token: written.max_token, clock })
    }

    /// Judges a token whose issuer's keys have to be read first.
    async fn wait(
        &self,
        token: String,
        identity: Option<Arc<Identity>>,
        Lack { issuer, version, reason }: Lack,
    ) -> Verdict {
        let keys = &self.verifier.issuers[issuer].keys;
        keys.reread().await;
        let lacks = || match keys.current().value.is_empty() {
            true => Err(Denial::unavailable("issuer_keys_unavailable")),
            false => Err(Denial::refused(reason)),
        };
        // What these keys have not verified they won't, and a look at it isn't cheap.
        if keys.is_current(version) {
            return lacks();
        }
        match self.verifier.verify(&token, identity.as_deref(), (self.clock)()) {
            Ok(principal) => Ok(Some(principal)),
            Err(Obstacle::Denied(denial)) => Err(denial),
            Err(Obstacle::Key(_)) => lacks(),
        }
    }
}

impl Scheme for Jwt {
    fn check<'a>(&'a self, exchange: &Exchange) -> Check<'a> {
        let token: Cow<'_, str> = match place::find(&self.places, exchange) {
            Ok(Some(token)) => token,
            Ok(None) => return Check::Now(Ok(None)),
            Err(denial) => return Check::Now(Err(denial)),
        };
        if token.len() > self.max_token {
            return Check::Now(Err(Denial::refused("token_too_long")));
        }
        let identity = exchange.extensions.get::<Arc<Identity>>();
        match self.verifier.verify(&token, identity.map(|one| &**one), (self.clock)()) {
            Ok(principal) => Check::Now(Ok(Some(principal))),
            Err(Obstacle::Denied(denial)) => Check::Now(Err(denial)),
            Err(Obstacle::Key(lack)) => {
                let (token, identity) = (token.into_owned(), identity.cloned());
                Check::Later(Box::pin(self.wait(token, identity, lack)))
            }
        }
    }

    fn strip(&self, exchange: &mut Exchange) {
        place::strip(&self.places, &mut exchange.metadata);
    }

    fn challenge(&self) -> &'static str {
        "Bearer"
    }
}

impl Verifier {
    /// Whom a token names at `now`, in seconds since 1970.
    fn verify(
        &self,
        text: &str,
        identity: Option<&Identity>,
        now: i64,
    ) -> Result<Arc<Principal>, Obstacle> {
        // A clock that has gone back makes what is kept worth nothing, not worth more.
        let good = |one: &Arc<Verified>| {
            (one.since..one.until).contains(&now)
                && self.issuers[one.issuer].keys.is_current(one.version)
        };
        let verified = match self.cache.find(text.as_bytes(), good) {
            Some(verified) => verified,
            None => self.verify_anew(text, now)?,
        };
        check_bound(verified.certificate.as_ref(), identity)?;
        Ok(verified.principal.clone())
    }

    fn verify_anew(&self, text: &str, now: i64) -> Result<Arc<Verified>, Obstacle> {
        let token = Token::read(text)?;
        let told = token.issuer();
        let place = self.issuers.iter().position(|one| Some(one.rules.issuer.as_str()) == told);
        let place = place.ok_or(Denial::refused("token_issuer"))?;
        let Issuer { rules, keys } = &self.issuers[place];
        let algorithm = rules.algorithm(&token.header)?;
        let keys = keys.current();
        let kid = token.header.kid.as_deref();
        let mut tried = 0;
        let is_signed = keys.value.candidates(kid, algorithm).take(TRIED).any(|key| {
            tried += 1;
            algorithm.verifies(key, token.message, &token.signature)
        });
        if !is_signed {
            let lack = |reason| Obstacle::Key(Lack { issuer: place, version: keys.number, reason });
            return Err(match (tried, kid) {
                (0, _) => lack("token_key"),
                // It may be of a key that has come since; which one, it doesn't say.
                (_, None) => lack("token_signature"),
                _ => Denial::refused("token_signature").into(),
            });
        }
        let Holds { principal, until, certificate } = rules.judge(token, now)?;
        let verified = Arc::new(Verified {
            principal: Arc::new(principal),
            certificate,
            since: now,
            until,
            issuer: place,
            version: keys.number,
        });
        // The claims take about three times their text.
        self.cache.keep(text.as_bytes(), verified.clone(), 3 * text.len());
        Ok(verified)
    }
}

/// Where an issuer's keys come from.
fn keys(
    issuer: &settings::Issuer,
    folder: &Path,
    lasting: &Lasting,
) -> Result<Arc<Refreshed<KeySet>>, Finding> {
    let settings::Issuer { jwks_url, jwks_file, jwks, secret, refetch, ca, allow_http, .. } =
        issuer;
    let named = [jwks_url.is_some(), jwks_file.is_some(), jwks.is_some(), secret.is_some()];
    if named.iter().filter(|is_named| **is_named).count() > 1 {
        let message = "the keys come from one source: keep one of `jwks_url`, `jwks_file`, `jwks` \
                       and `secret`";
        return Err(("issuer".into(), message.into()));
    }
    if let Some(secret) = secret {
        return Ok(Arc::new(Refreshed::fixed(KeySet::of_secret(secret.reveal()))));
    }
    if let Some(text) = jwks {
        let set = KeySet::read(text).map_err(|problem| ("jwks".into(), problem))?;
        return Ok(Arc::new(Refreshed::fixed(set)));
    }
    if let Some(path) = jwks_file {
        let finding = |message: String| ("jwks_file".to_owned(), message);
        let path = folder.join(path);
        let shown = path.display();
        let text = std::fs::read_to_string(&path)
            .map_err(|error| finding(format!("`{shown}` can't be read: {error}; name a file")))?;
        let set =
            KeySet::read(&text).map_err(|problem| finding(format!("`{shown}`: {problem}")))?;
        let name = super::name("keys", &format!("file {shown}"));
        let origin = Box::new(refresh::File(path.clone()));
        return Ok(lasting.keep(&name, || Refreshed::from(origin, KeySet::read, set, Some(text))));
    }
    if *refetch < SHORTEST_REFETCH {
        let message = "made-up keys would keep the issuer busy; write `1s` or more";
        return Err(("refetch".into(), message.into()));
    }
    let fetcher =
        Fetcher::new(ca.as_ref().map(|ca| folder.join(ca)).as_deref(), *allow_http, TIMEOUT);
    let fetcher = Arc::new(fetcher.map_err(|problem| ("ca".to_owned(), problem))?);
    let (key, url) = match jwks_url {
        Some(url) => ("jwks_url", url.clone()),
        None => ("issuer", Discovery::url(&issuer.issuer)),
    };
    fetcher.check(&url).map_err(|problem| (key.to_owned(), problem))?;
    let name =
        super::name("keys", &format!("{key} {url} {ca:?} {folder:?} {allow_http} {refetch:?}"));
    let refetch = *refetch;
    Ok(lasting.keep(&name, || {
        let origin: Box<dyn refresh::Origin> = match jwks_url {
            Some(_) => Box::new(Url { fetcher, url, refetch }),
            None => Box::new(Discovery { fetcher, issuer: issuer.issuer.clone(), refetch }),
        };
        Refreshed::from(origin, KeySet::read, KeySet::default(), None)
    }))
}

#[cfg(test)]
pub(super) mod tests;
