//! `ext_authz`: a service decides about each call.
//!
//! ```yaml
//! services:
//!   "bookshelf.v1.*":
//!     ext_authz:
//!       grpc: { upstream: authz }            # or  http: { url: "https://auth.example/check" }
//!       timeout: 200ms
//!       on_failure: closed
//!       headers_to_backend: [x-user, x-auth-*]
//!       message: { max_bytes: 8192 }
//! ```
//!
//! By gRPC it is Envoy's `envoy.service.auth.v3.Authorization`, so that services made for Envoy will
//! do; by HTTP it is what others call forward-auth. It is asked once a call and before the backend:
//! where the caller sends a stream, before the first message. What it refuses (`verdict`) each
//! protocol tells in its own tongue.
//!
//! A header that the service may set for the backend is the service's alone: callers' copies are
//! taken away whatever it answers, and also where it isn't asked because it can't be.

mod account;
mod counts;
mod forward;
mod grpc;
mod names;
mod settings;
mod verdict;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::StatusCode;
use serde_json::Value;

pub use settings::{Grpc, Http, Message, OnFailure, Settings};

use self::{
    account::Account,
    counts::Counts,
    forward::Forward,
    names::Names,
    verdict::{Pass, Verdict, undecided},
};
use super::{Blueprint, Built, Entry, Finding, Next, Stage, read_settings};
use crate::{
    callout::{self, Callout, http::Client},
    error::{Error, Origin},
    exchange::{Bound, Exchange, Messages, Metadata, Principal, Reply},
};

/// The stage's line in the table.
pub(super) const ENTRY: Entry = Entry {
    name: "ext_authz",
    summary: "Asks a service about each call, by Envoy's ext_authz protocol or by plain HTTP, and \
              refuses what it refuses.",
    json_schema: |generator| generator.subschema_for::<Settings>(),
    build,
};

/// By HTTP, what a service needs to know callers by.
const CREDENTIALS: [&str; 2] = ["authorization", "cookie"];

/// What a service tells callers by default.
const TOLD: [&str; 4] = ["location", "www-authenticate", "set-cookie", "retry-after"];

/// The claim that holds what a gRPC service says in `dynamic_metadata`.
const CLAIM: &str = "ext_authz";

/// The stage at work.
struct External {
    asked: Asked,
    send: Names,
    to_backend: Names,
    to_caller: Names,
    message: Option<Message>,
    on_failure: OnFailure,
    status_on_failure: StatusCode,
    counts: Counts,
}

/// Who is asked.
enum Asked {
    Grpc(grpc::Grpc),
    Http(Forward),
}

fn build(blueprint: &Blueprint<'_>) -> Built {
    let Some(value) = blueprint.settings else { return Ok(None) };
    let settings = read_settings::<Settings>(value)?;
    let at = |path: &'static str| move |message: String| (path.to_owned(), message);
    let asked = match (&settings.grpc, &settings.http) {
        (Some(written), None) => {
            let upstream = blueprint.upstream("grpc.upstream", &written.upstream)?;
            let method = callout::method(grpc::METHOD)
                .ok_or_else(|| at("grpc")("its protocol is not bundled".to_owned()))?;
            Asked::Grpc(grpc::Grpc {
                callout: Callout::new(method, upstream),
                timeout: settings.timeout,
                context: settings.context.clone(),
            })
        }
        (None, Some(written)) => {
            let ca = written.ca.as_ref().map(|ca| blueprint.folder.join(ca));
            // Connections outlive a reload while nothing about them changes, nor what the file holds.
            let client = Client::new(ca.as_deref(), written.allow_http, settings.timeout);
            let client = client.map_err(at("http.ca"))?;
            let name = format!("ext_authz {}", client.terms());
            let client = blueprint.lasting.keep(&name, || client);
            Asked::Http(Forward::new(written, client).map_err(at("http.url"))?)
        }
        (None, None) => {
            let message = "nothing says who decides: add `grpc: { upstream: … }` or \
                           `http: { url: … }`";
            return Err((String::new(), message.into()));
        }
        (Some(_), Some(_)) => {
            let message = "one service decides: keep `grpc` or `http`";
            return Err(("http".into(), message.into()));
        }
    };
    let all = ["*".to_owned()];
    let send = match (&settings.send_headers, &asked) {
        (Some(written), _) => Names::read("send_headers", written),
        (None, Asked::Grpc(_)) => Names::read("send_headers", &all),
        (None, Asked::Http(_)) => Names::read("send_headers", &CREDENTIALS),
    };
    let to_caller = match &settings.headers_to_caller {
        Some(written) => Names::read("headers_to_caller", written),
        None => Names::read("headers_to_caller", &TOLD),
    };
    Ok(Some(Box::new(External {
        asked,
        send: send?,
        to_backend: Names::read_for_backend("headers_to_backend", &settings.headers_to_backend)?,
        to_caller: to_caller?,
        message: settings.message,
        on_failure: settings.on_failure,
        status_on_failure: status(settings.status_on_failure)?,
        counts: Counts::of(blueprint),
    })))
}

fn status(number: u16) -> Result<StatusCode, Finding> {
    let status = StatusCode::from_u16(number).ok();
    let is_error = |status: &StatusCode| status.is_client_error() || status.is_server_error();
    status.filter(is_error).ok_or_else(|| {
        let message = format!("{number} is no status of an error: write 400 to 599");
        ("status_on_failure".to_owned(), message)
    })
}

impl External {
    /// Decides about a call, and prepares one that goes on.
    async fn decide(&self, exchange: &mut Exchange) -> Result<Pass, Error> {
        let message = self.message(exchange).await?;
        let verdict = {
            let account = Account::of(exchange, &self.send, message);
            match &self.asked {
                Asked::Grpc(grpc) => grpc.ask(&account),
                Asked::Http(forward) => forward.ask(&account, &self.to_backend),
            }
        };
        let mut pass = match (verdict.await, self.on_failure) {
            (Ok(Verdict::Pass(pass)), _) => {
                self.counts.allowed.count();
                pass
            }
            (Ok(Verdict::Deny(error)), _) => {
                self.counts.denied.count();
                return Err(error.retain_headers(|name| self.to_caller.have(name.as_str())));
            }
            (Err(problem), on_failure) => {
                let passes = on_failure == OnFailure::Open;
                tracing::warn!(problem, passes, "nobody has decided about a call");
                if !passes {
                    self.counts.refused.count();
                    return Err(undecided(self.status_on_failure));
                }
                self.counts.let_through.count();
                Pass::default()
            }
        };
        pass.to_backend.retain(|(name, ..)| self.to_backend.have(name.as_str()));
        pass.to_caller.retain(|(name, _)| self.to_caller.have(name.as_str()));
        self.to_backend.strip(&mut exchange.metadata);
        pass.apply(&mut exchange.metadata);
        if !pass.claims.is_empty() {
            claim(exchange, std::mem::take(&mut pass.claims));
        }
        Ok(pass)
    }

    /// The call's message where it is to be sent, as much of it as may be, and its size.
    async fn message(
        &self,
        exchange: &mut Exchange,
    ) -> Result<(Option<Bytes>, Option<usize>), Error> {
        let known = exchange.messages.as_one().map(Bytes::len);
        let Some(wanted) = &self.message else { return Ok((None, known)) };
        if exchange.method.client_streaming {
            return Ok((None, None));
        }
        let packed = exchange.messages.only().await?;
        let bound = Bound { limit: exchange.limits.request_message, origin: Origin::Downstream };
        let message = packed.clone().unpack(bound)?;
        exchange.messages = Messages::one_packed(packed, bound, Metadata::new());
        let size = message.len();
        if size > wanted.max_bytes && !wanted.allow_partial {
            let most = wanted.max_bytes;
            let told = format!("the message has {size} bytes; at most {most} can be looked at");
            return Err(Error::too_large(told));
        }
        Ok((Some(message.slice(..size.min(wanted.max_bytes))), Some(size)))
    }
}

/// Lays what the service says of a caller among the claims of the one that is known.
fn claim(exchange: &mut Exchange, told: serde_json::Map<String, Value>) {
    if let Some(principal) = exchange.extensions.get::<Arc<Principal>>() {
        let mut principal = Principal::clone(principal);
        principal.claims.insert(CLAIM.to_owned(), Value::Object(told));
        exchange.extensions.insert(Arc::new(principal));
    }
}

impl Stage for External {
    fn call<'a>(
        &'a self,
        mut exchange: Exchange,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<Reply, Error>> {
        Box::pin(async move {
            let Pass { to_caller, .. } = self.decide(&mut exchange).await?;
            let mut outcome = next.call(exchange).await;
            let metadata = match &mut outcome {
                Ok(reply) => &mut reply.metadata,
                Err(error) => error.lead_mut(),
            };
            for (name, value) in to_caller {
                metadata.append(name, value);
            }
            outcome
        })
    }

    fn asks_for_approach(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
