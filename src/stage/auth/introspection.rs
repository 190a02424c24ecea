//! `introspection`: tokens that say nothing themselves, so their issuer is asked (RFC 7662).
//!
//! An answer is believed for a while: a good one at most until the token's own end, a bad one
//! shorter. The two are kept apart, so that made-up tokens push no good one out. An issuer that
//! doesn't answer in time, or answers what nobody understands, lets nobody in: such calls fail with
//! UNAVAILABLE, not with "your token is bad".

use std::{borrow::Cow, path::Path, sync::Arc, time::Duration};

use base64_simd::STANDARD;
use http::HeaderValue;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::{
    cache::Cache,
    denial::Denial,
    fetch::Fetcher,
    jwt::rules::{bound_to, check_bound, is_for, scopes},
    place::{self, Place},
    scheme::{Check, Scheme, Verdict},
    settings,
};
use crate::{
    exchange::{Exchange, Identity, Principal, PrincipalKind},
    lasting::Lasting,
    stage::Finding,
};

/// How much good answers may take, and bad ones, in bytes.
const CACHES: (usize, usize) = (32 << 20, 8 << 20);

/// How many tokens the issuer is asked about at once.
const AT_ONCE: usize = 64;

/// Longer tokens are refused unread, in bytes.
const LONGEST: usize = 8 << 10;

/// The scheme at work.
pub(super) struct Introspection {
    asker: Arc<Asker>,
    places: Vec<Place>,
    clock: fn() -> i64,
}

/// Whom to ask, and what the answers were.
struct Asker {
    settings: settings::Introspection,
    fetcher: Fetcher,
    authorization: HeaderValue,
    good: Cache<Arc<Active>>,
    /// Until when a token is taken to be bad, in seconds since 1970, and since when.
    bad: Cache<(i64, i64)>,
    permits: Semaphore,
}

/// A token that is good.
struct Active {
    principal: Arc<Principal>,
    certificate: Option<[u8; 32]>,
    since: i64,
    until: i64,
}

impl Introspection {
    /// Makes the scheme of its settings; relative paths start at `folder`.
    pub(super) fn build(
        written: &settings::Introspection,
        places: Vec<Place>,
        folder: &Path,
        lasting: &Lasting,
        clock: fn() -> i64,
    ) -> Result<Self, Finding> {
        let ca = written.ca.as_ref().map(|ca| folder.join(ca));
        let fetcher = Fetcher::new(ca.as_deref(), written.allow_http, written.answer_timeout)
            .map_err(|problem| ("ca".to_owned(), problem))?;
        fetcher.check(&written.url).map_err(|problem| ("url".to_owned(), problem))?;
        if written.client_secret.reveal().is_empty() {
            let message = "the issuer has to know who asks: write `${SECRET}`";
            return Err(("client_secret".into(), message.into()));
        }
        let secret = written.client_secret.reveal();
        let name = super::name("introspection", &format!("{written:?} {secret} {folder:?}"));
        let asker = lasting.keep(&name, || Asker {
            settings: written.clone(),
            fetcher,
            authorization: basic(&written.client_id, secret),
            good: Cache::new(CACHES.0),
            bad: Cache::new(CACHES.1),
            permits: Semaphore::new(AT_ONCE),
        });
        Ok(Self { asker, places, clock })
    }
}

impl Scheme for Introspection {
    fn check<'a>(&'a self, exchange: &Exchange) -> Check<'a> {
        let token: Cow<'_, str> = match place::find(&self.places, exchange) {
            Ok(Some(token)) => token,
            Ok(None) => return Check::Now(Ok(None)),
            Err(denial) => return Check::Now(Err(denial)),
        };
        if token.is_empty() || token.len() > LONGEST {
            return Check::Now(Err(Denial::refused("token_malformed")));
        }
        let identity = exchange.extensions.get::<Arc<Identity>>();
        if let Some(verdict) = self.asker.known(&token, identity.map(|one| &**one), (self.clock)())
        {
            return Check::Now(verdict);
        }
        let (token, identity) = (token.into_owned(), identity.cloned());
        Check::Later(Box::pin(self.asker.ask(token, identity, self.clock)))
    }

    fn strip(&self, exchange: &mut Exchange) {
        place::strip(&self.places, &mut exchange.metadata);
    }

    fn challenge(&self) -> &'static str {
        "Bearer"
    }
}

impl Asker {
    /// What has been answered before.
    fn known(&self, token: &str, identity: Option<&Identity>, now: i64) -> Option<Verdict> {
        let good = |one: &Arc<Active>| (one.since..one.until).contains(&now);
        if let Some(active) = self.good.find(token.as_bytes(), good) {
            let bound = check_bound(active.certificate.as_ref(), identity);
            return Some(bound.map(|()| Some(active.principal.clone())));
        }
        let bad = |(since, until): &(i64, i64)| (*since..*until).contains(&now);
        self.bad.find(token.as_bytes(), bad).map(|_| Err(Denial::refused("token_inactive")))
    }

    async fn ask(
        &self,
        token: String,
        identity: Option<Arc<Identity>>,
        clock: fn() -> i64,
    ) -> Verdict {
        let unavailable = Denial::unavailable("introspection_unavailable");
        let permit = tokio::time::timeout(self.settings.answer_timeout, self.permits.acquire());
        let _permit = permit.await.map_err(|_| unavailable)?.map_err(|_| unavailable)?;
        // Others may have asked about the same token meanwhile.
        if let Some(verdict) = self.known(&token, identity.as_deref(), clock()) {
            return verdict;
        }
        let form = format!("token={}&token_type_hint=access_token", form_encode(&token));
        let url = &self.settings.url;
        let answer = self.fetcher.post_form(url, self.authorization.clone(), form).await;
        let answer = answer.and_then(|fetched| {
            serde_json::from_slice::<Map<String, Value>>(&fetched.body)
                .map_err(|error| format!("{url} gave no introspection response: {error}"))
        });
        let answer = match answer {
            Ok(answer) if answer.get("active").is_some_and(Value::is_boolean) => answer,
            Ok(_) => {
                tracing::warn!(url, "an introspection response doesn't say `active`");
                return Err(unavailable);
            }
            Err(problem) => {
                tracing::warn!(problem, "a token could not be introspected");
                return Err(unavailable);
            }
        };
        let now = clock();
        match self.judge(answer, now) {
            Ok(active) => {
                let bound = check_bound(active.certificate.as_ref(), identity.as_deref());
                let principal = active.principal.clone();
                let weight = 3 * token.len() + 1024;
                self.good.keep(token.as_bytes(), Arc::new(active), weight);
                bound.map(|()| Some(principal))
            }
            Err(denial) => {
                let until = now + seconds(self.settings.cache_inactive_for);
                self.bad.keep(token.as_bytes(), (now, until), 0);
                Err(denial)
            }
        }
    }

    /// Judges an answer (RFC 7662 §2.2): the issuer has looked at the token, but not for us.
    fn judge(&self, answer: Map<String, Value>, now: i64) -> Result<Active, Denial> {
        if answer.get("active") != Some(&Value::Bool(true)) {
            return Err(Denial::refused("token_inactive"));
        }
        let time = |name: &str| answer.get(name).and_then(Value::as_f64).map(|time| time as i64);
        let ends = time("exp").unwrap_or(i64::MAX);
        if ends <= now {
            return Err(Denial::refused("token_expired"));
        }
        if time("nbf").is_some_and(|begins| begins > now) {
            return Err(Denial::refused("token_not_yet_valid"));
        }
        let audiences = &self.settings.audiences;
        if !audiences.is_empty() && !is_for(audiences, answer.get("aud")) {
            return Err(Denial::refused("token_audience"));
        }
        let certificate = bound_to(&answer)?;
        let text =
            |name: &str| answer.get(name).and_then(Value::as_str).filter(|id| !id.is_empty());
        let id = text("sub").or(text("username")).or(text("client_id"));
        let id = id.ok_or(Denial::refused("token_subject"))?.to_owned();
        let issuer = text("iss").unwrap_or(PrincipalKind::Introspection.name()).to_owned();
        let scopes = scopes(&answer, None);
        let kind = PrincipalKind::Introspection;
        let until = ends.min(now + seconds(self.settings.cache_for));
        let principal = Arc::new(Principal { id, issuer, kind, scopes, claims: answer });
        Ok(Active { principal, certificate, since: now, until })
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX / 4)
}

/// `Basic` (RFC 7617) for a client, whose name and secret are encoded as in a form (RFC 6749
/// §2.3.1).
fn basic(id: &str, secret: &str) -> HeaderValue {
    let pair = format!("{}:{}", form_encode(id), form_encode(secret));
    let text = format!("Basic {}", STANDARD.encode_to_string(pair));
    // Base64 can always stand in a header.
    let mut value =
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("Basic"));
    value.set_sensitive(true);
    value
}

/// Percent-encodes all that isn't unreserved (RFC 3986 §2.3).
fn form_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
