//! `authorize`: whether a caller that is known may call this method.
//!
//! ```yaml
//! services:
//!   "*": { authorize: { deny_all: true } }
//!   "bookshelf.v1.*":
//!     authorize:
//!       deny_all: false
//!       scopes: [books.read]
//!       claims: { tenant: [library, archive] }
//!       deny_addresses: [192.0.2.0/24]
//!       when:
//!         - name: own_shelf
//!           expression: request.shelf == principal.claims.shelf
//! ```
//!
//! Whatever is asked for has to hold. A caller that nobody knows is asked for credentials (401), one
//! that is known but lacks something is refused (403, with RFC 6750's `insufficient_scope` where
//! scopes would mend it). Which claim, address or condition was wrong stands in the log alone.
//!
//! Conditions on the message are judged last, once the first message is there, and for a stream again
//! with every message: nobody gets by with a harmless first one. A stream that ends without a message
//! is judged as the empty message would be.

mod condition;
mod settings;
mod verdict;

use std::{net::IpAddr, sync::Arc};

use futures_util::future::{BoxFuture, ready};
use http::{HeaderValue, header::WWW_AUTHENTICATE};
use serde_json::Value;

pub use settings::{Network, Settings, Wanted, When};

use verdict::Verdicts;

use super::{Blueprint, Built, Entry, Finding, Next, Stage, read_settings};
use crate::{
    error::{Code, Error, Origin},
    exchange::{Approach, Exchange, Principal, Reply},
};

/// The stage's line in the table.
pub(super) const ENTRY: Entry = Entry {
    name: "authorize",
    summary: "Refuses callers (403) that lack a scope or a claim, or call from an address that \
              may not.",
    json_schema: |generator| generator.subschema_for::<Settings>(),
    build,
};

fn build(blueprint: &Blueprint<'_>) -> Built {
    let Some(value) = blueprint.settings else { return Ok(None) };
    let settings = read_settings::<Settings>(value)?;
    let verdicts = Arc::new(Verdicts::compile(&settings.when, blueprint.method)?);
    Ok(Some(Box::new(Authorize::compile(settings, verdicts)?)))
}

/// The stage at work.
struct Authorize {
    settings: Settings,
    /// What a caller that lacks scopes is told (RFC 6750 §3).
    insufficient: HeaderValue,
    verdicts: Arc<Verdicts>,
}

impl Authorize {
    fn compile(settings: Settings, verdicts: Arc<Verdicts>) -> Result<Self, Finding> {
        for (key, scopes) in [("scopes", &settings.scopes), ("any_scope", &settings.any_scope)] {
            for (index, scope) in scopes.iter().enumerate() {
                if !is_scope(scope) {
                    let message = format!(
                        "`{scope}` is no scope: write printable ASCII without spaces, `\"` and `\\`"
                    );
                    return Err((format!("{key}[{index}]"), message));
                }
            }
        }
        for (claim, Wanted(wanted)) in &settings.claims {
            if wanted.is_null()
                || wanted.is_object()
                || wanted.as_array().is_some_and(Vec::is_empty)
            {
                let message = "write the value that the claim has to be, or a list of those that \
                               will do";
                return Err((format!("claims.{claim}"), message.into()));
            }
        }
        let scopes: Vec<&str> =
            settings.scopes.iter().chain(&settings.any_scope).map(String::as_str).collect();
        let told = match scopes.is_empty() {
            true => "Bearer error=\"insufficient_scope\"".to_owned(),
            false => format!("Bearer error=\"insufficient_scope\", scope=\"{}\"", scopes.join(" ")),
        };
        // Scopes are printable, so the whole can stand in a header.
        let insufficient = HeaderValue::try_from(told)
            .unwrap_or(HeaderValue::from_static("Bearer error=\"insufficient_scope\""));
        Ok(Self { settings, insufficient, verdicts })
    }

    /// Whether a call may go on.
    fn judge(&self, exchange: &Exchange) -> Result<(), Error> {
        let settings = &self.settings;
        if settings.deny_all {
            return Err(denied("denied_to_all"));
        }
        let approach = exchange.extensions.get::<Arc<Approach>>();
        self.judge_address(approach.and_then(|approach| approach.client))?;
        let Settings { scopes, any_scope, claims, .. } = settings;
        if scopes.is_empty() && any_scope.is_empty() && claims.is_empty() {
            return Ok(());
        }
        let Some(principal) = exchange.extensions.get::<Arc<Principal>>() else {
            return Err(unknown());
        };
        let has_one = any_scope.is_empty() || any_scope.iter().any(|one| principal.has_scope(one));
        if !has_one || !scopes.iter().all(|scope| principal.has_scope(scope)) {
            let error = denied("scope_missing");
            return Err(match principal.kind.is_bearer() {
                true => error.with_header(WWW_AUTHENTICATE, self.insufficient.clone()),
                false => error,
            });
        }
        let holds = claims.iter().all(|(path, wanted)| wanted.is_met(principal.claim(path)));
        if holds { Ok(()) } else { Err(denied("claim_missing")) }
    }

    fn judge_address(&self, address: Option<IpAddr>) -> Result<(), Error> {
        let Settings { allow_addresses, deny_addresses, .. } = &self.settings;
        let is_in = |networks: &[Network]| {
            address.is_some_and(|address| networks.iter().any(|one| one.0.contains(&address)))
        };
        if is_in(deny_addresses) || !allow_addresses.is_empty() && !is_in(allow_addresses) {
            return Err(denied("address_denied"));
        }
        Ok(())
    }
}

impl Wanted {
    /// Whether a claim is what it has to be.
    fn is_met(&self, claim: Option<&Value>) -> bool {
        let fits = |one: &Value| match &self.0 {
            Value::Array(several) => several.contains(one),
            only => only == one,
        };
        match claim {
            Some(Value::Array(list)) => list.iter().any(fits),
            Some(one) => fits(one),
            None => false,
        }
    }
}

/// A scope-token of RFC 6749 §3.3.
fn is_scope(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    !text.is_empty() && text.bytes().all(fits)
}

/// Nobody is known to call.
fn unknown() -> Error {
    let message = "the call lacks credentials that it needs";
    Error::new(Code::Unauthenticated, "principal_missing", message)
        .with_origin(Origin::Downstream)
        .with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

fn denied(reason: &'static str) -> Error {
    let message = "the caller may not call this method";
    Error::new(Code::PermissionDenied, reason, message).with_origin(Origin::Downstream)
}

impl Stage for Authorize {
    fn call<'a>(
        &'a self,
        exchange: Exchange,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<Reply, Error>> {
        let judged = self.judge(&exchange).and_then(|()| self.verdicts.judge(&exchange));
        match judged {
            Ok(true) => next.call(exchange),
            Ok(false) => Box::pin(self.verdicts.clone().judge_messages(exchange, next)),
            Err(error) => Box::pin(ready(Err(error))),
        }
    }

    fn asks_for_approach(&self) -> bool {
        let Settings { allow_addresses, deny_addresses, .. } = &self.settings;
        !allow_addresses.is_empty() || !deny_addresses.is_empty() || self.verdicts.read_address()
    }
}

#[cfg(test)]
mod tests;
