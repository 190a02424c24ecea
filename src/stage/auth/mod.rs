//! `auth`: who calls.
//!
//! ```yaml
//! services:
//!   "bookshelf.v1.*":
//!     auth:
//!       any_of:
//!         - jwt: { issuers: [{ issuer: "https://id.example.com", audiences: [bookshelf] }] }
//!         - api_key: { file: keys.json }
//!       forward: { x-user: id, x-tenant: claims.tenant }
//! ```
//!
//! Each way to tell who somebody is (`scheme`) looks for its own kind of credential. A caller that
//! is known becomes the [`Principal`](crate::exchange::Principal) that later stages, the access log
//! and, by `forward`, the backend see. One that isn't is refused before anything else is done for
//! it: what is wrong stands in the access log as a word, and the caller only hears that it is
//! (`denial`).
//!
//! | threat                                            | defence           | test                                 |
//! |---------------------------------------------------|-------------------|--------------------------------------|
//! | `none`, another algorithm, a public key as secret | `jwt::algorithm`  | `jwt_headers_of_attackers_…`, `jwt_public_key_is_no_secret` |
//! | keys in the header, made-up `kid`                 | `jwt::token`      | `jwt_headers_of_attackers_are_refused` |
//! | made-up `kid`s that flood the issuer              | `refresh`         | `jwt_unknown_keys_are_asked_for_at_a_limited_rate` |
//! | bad tokens that cost much                          | `jwt`: one look   | `jwt_token_costs_one_signature_…`    |
//! | `crit` that isn't understood                      | `jwt::token`      | `jwt_headers_of_attackers_are_refused` |
//! | expired, future, endless tokens; a clock gone back | `jwt::rules`, `jwt` | `jwt_claims_that_don_t_hold_…`, `jwt_cache_never_lends_a_token_time` |
//! | a token for somebody else, a token of another use | `jwt::rules`      | `jwt_claims_that_don_t_hold_are_refused` |
//! | one issuer vouches for another, or for a cache     | `jwt`             | `jwt_issuers_can_t_vouch_…`, `jwt_cache_of_one_policy_…` |
//! | a member that comes twice                         | `jwt::token`      | `jwt_tokens_that_are_none_are_refused` |
//! | a stolen token that is bound to a certificate      | `jwt::rules`      | `jwt_bound_token_needs_its_certificate` |
//! | huge tokens, many tokens                          | `jwt`, `cache`    | `jwt_huge_token_…`, `many_keys_take_no_more_…` |
//! | credentials in two places                         | `place`           | `auth_token_in_two_places_…`         |
//! | made-up headers of a principal, by any door       | `forward`         | `own_copies_of_the_caller_…`, `auth_backend_gets_no_…`, `matrix_made_up_principals_…` |
//! | a `Connection` header that takes the principal away | hop-by-hop goes first | `auth_caller_can_t_have_its_principal_…` |
//! | a certificate of somebody else, or told in a header | `mtls`          | `auth_certificate_is_the_connection_s_…` |
//! | guessing of key ids and secrets by time           | `api_key`, `key::Hash::is` | `api_key_costs_as_many_comparisons_…` |
//! | a store of keys that is down, or has gone wrong    | `api_key::shared` | `api_key_store_that_is_gone_…`, `api_key_in_a_store_that_can_t_be_read_…` |
//! | made-up key ids that push good ones out           | `api_key::shared` | by construction: two caches          |
//! | the password to a store in logs, `/config`, errors | `store::settings`, `config::shown` | `store_is_logged_in_to_and_its_password_never_shown`, `settings_that_can_t_be_are_told_without_the_password`, `secrets_are_not_shown_…` |
//! | an issuer that is down                            | `refresh`, `introspection` | `jwt_last_good_keys_…`, `auth_issuer_that_can_t_be_asked_…` |
//! | a door that is less strict than another           | the stage's place | `matrix_callers_are_judged_alike_by_every_door` |
//!
//! A token that was verified before costs one look into a cache. What is read elsewhere (keys of
//! issuers, the file of API keys) is kept fresh beside the calls (`refresh`) and outlives a reload.

pub mod api_key;
mod cache;
mod denial;
mod fetch;
mod forward;
mod introspection;
mod jwt;
mod mtls;
mod place;
mod refresh;
mod scheme;
mod settings;

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use futures_util::future::{BoxFuture, ready};
use http::HeaderName;
use ring::digest;

pub use settings::{ApiKey, From, Introspection, Issuer, Jwt, Mtls, Settings, Way};

use self::{
    denial::Denial,
    forward::Forward,
    place::Place,
    scheme::{Check, Group, Verdict},
};
use super::{Blueprint, Built, Entry, Finding, Next, Stage, read_settings};
use crate::{
    error::Error,
    exchange::{Exchange, Reply},
    lasting::Lasting,
};

/// The stage's line in the table.
pub(super) const ENTRY: Entry = Entry {
    name: "auth",
    summary: "Tells who calls, by signed tokens, API keys, client certificates or token \
              introspection, and refuses whom it doesn't know (401).",
    json_schema: |generator| generator.subschema_for::<Settings>(),
    build,
};

fn build(blueprint: &Blueprint<'_>) -> Built {
    let Some(value) = blueprint.settings else { return Ok(None) };
    let settings = read_settings::<Settings>(value)?;
    let making = Making { folder: blueprint.folder, lasting: blueprint.lasting, clock: now };
    Ok(Some(Box::new(Auth::build(&settings, &making)?)))
}

/// The stage at work.
struct Auth {
    ways: Group,
    optional: bool,
    forward: Forward,
    keep_credentials: bool,
}

/// What the ways are made with.
struct Making<'a> {
    folder: &'a Path,
    lasting: &'a Lasting,
    clock: fn() -> i64,
}

impl Auth {
    fn build(settings: &Settings, making: &Making<'_>) -> Result<Self, Finding> {
        let ways = match (&settings.any_of[..], &settings.all_of[..]) {
            ([], []) => {
                let message =
                    "nothing says how callers are known: add `any_of` with one way or more";
                return Err((String::new(), message.into()));
            }
            (any, []) => Group::Any(making.ways("any_of", any)?),
            ([], all) => Group::All(making.ways("all_of", all)?),
            _ => {
                let message = "`any_of` and `all_of` don't stand side by side: write `all_of` as one \
                               of the ways of `any_of`";
                return Err(("all_of".into(), message.into()));
            }
        };
        Ok(Self {
            ways,
            optional: settings.optional,
            forward: Forward::compile(&settings.forward)?,
            keep_credentials: settings.keep_credentials,
        })
    }

    /// Lets a caller in, or not.
    fn admit(&self, verdict: Verdict, exchange: &mut Exchange) -> Result<(), Error> {
        let principal = match verdict {
            Ok(None) if !self.optional => return Err(self.refuse(Denial::MISSING)),
            Ok(principal) => principal,
            Err(denial) => return Err(self.refuse(denial)),
        };
        if !self.keep_credentials {
            self.ways.each(&mut |scheme| scheme.strip(exchange));
        }
        self.forward.apply(principal.as_deref(), &mut exchange.metadata);
        if let Some(principal) = principal {
            if let Some(journal) = &exchange.journal {
                // Nobody else tells.
                let _ = journal.principal.set(principal.clone());
            }
            exchange.extensions.insert(principal);
        }
        Ok(())
    }

    fn refuse(&self, denial: Denial) -> Error {
        let mut challenges = Vec::new();
        self.ways.each(&mut |scheme| {
            if !challenges.contains(&scheme.challenge()) {
                challenges.push(scheme.challenge());
            }
        });
        denial.error(&challenges)
    }
}

impl Stage for Auth {
    fn call<'a>(
        &'a self,
        mut exchange: Exchange,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<Reply, Error>> {
        match self.ways.check(&exchange) {
            Check::Now(verdict) => match self.admit(verdict, &mut exchange) {
                Ok(()) => next.call(exchange),
                Err(error) => Box::pin(ready(Err(error))),
            },
            Check::Later(verdict) => Box::pin(async move {
                let verdict = verdict.await;
                self.admit(verdict, &mut exchange)?;
                next.call(exchange).await
            }),
        }
    }

    fn asks_for_approach(&self) -> bool {
        true
    }
}

impl Making<'_> {
    /// The ways of a list.
    fn ways(&self, key: &str, written: &[Way]) -> Result<Vec<Group>, Finding> {
        let mut ways = Vec::new();
        for (index, way) in written.iter().enumerate() {
            let made = self.way(way);
            ways.push(made.map_err(|(path, message)| {
                let separator = if path.is_empty() { "" } else { "." };
                (format!("{key}[{index}]{separator}{path}"), message)
            })?);
        }
        Ok(ways)
    }

    fn way(&self, way: &Way) -> Result<Group, Finding> {
        let below = |name: &'static str| {
            move |(path, message): Finding| (format!("{name}.{path}"), message)
        };
        let Self { folder, lasting, clock } = *self;
        let one = |scheme: Box<dyn scheme::Scheme>| Ok(Group::One(scheme));
        match way {
            Way::Jwt(written) => {
                let places = places(written.from.as_deref(), &BEARER).map_err(below("jwt"))?;
                let made = jwt::Jwt::build(written, places, folder, lasting, clock);
                one(Box::new(made.map_err(below("jwt"))?))
            }
            Way::ApiKey(written) => {
                let places = places(written.from.as_deref(), &API_KEY).map_err(below("api_key"))?;
                let made = api_key::ApiKey::build(written, places, folder, lasting, clock);
                one(Box::new(made.map_err(below("api_key"))?))
            }
            Way::Mtls(written) => one(Box::new(mtls::Mtls::new(written))),
            Way::Introspection(written) => {
                let below = below("introspection");
                let places = places(written.from.as_deref(), &BEARER).map_err(&below)?;
                let made =
                    introspection::Introspection::build(written, places, folder, lasting, clock);
                one(Box::new(made.map_err(&below)?))
            }
            Way::AllOf(written) if written.is_empty() => {
                Err(("all_of".into(), "without any way nobody is known: name one or more".into()))
            }
            Way::AllOf(written) => Ok(Group::All(self.ways("all_of", written)?)),
        }
    }
}

/// Where bearer tokens stand by default.
const BEARER: [Place; 2] = [Place::Bearer, Place::Subprotocol];

/// Where API keys stand by default.
const API_KEY: [Place; 1] = [Place::Header(HeaderName::from_static("x-api-key"))];

/// The places of a `from`.
fn places(written: Option<&[From]>, default: &[Place]) -> Result<Vec<Place>, Finding> {
    let Some(written) = written else { return Ok(default.to_vec()) };
    if written.is_empty() {
        return Err(("from".into(), "a credential has to stand somewhere: name one place".into()));
    }
    let place = |(index, from): (usize, &From)| match from {
        From::Bearer => Ok(Place::Bearer),
        From::Subprotocol => Ok(Place::Subprotocol),
        From::Cookie(name) => Ok(Place::Cookie(name.clone())),
        From::Query(name) => Ok(Place::Query(name.clone())),
        From::Header(name) => {
            let header = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes());
            header.map(Place::Header).map_err(|_| {
                let mend = "use letters, digits and `-`";
                (format!("from[{index}].header"), format!("`{name}` is no header name: {mend}"))
            })
        }
    };
    written.iter().enumerate().map(place).collect()
}

/// A name to keep something by, which says all that it depends on without showing it: there may be
/// secrets in it.
fn name(what: &str, depends: &str) -> String {
    let digest = digest::digest(&digest::SHA256, depends.as_bytes());
    let digits: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("auth {what} {digits}")
}

/// The time in seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
