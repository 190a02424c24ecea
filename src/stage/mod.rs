//! What happens on the way: policies that stand between every protocol and every backend.
//!
//! A stage is a folder here and a line in [`STAGES`], whose order is run order. It sees the
//! exchange on its way up and the reply on its way back, and may refuse with one
//! [`Error`], which each protocol writes in its own tongue.
//!
//! # What is defended
//!
//! All of the gateway, by threat. Who calls is a table of [`auth`], how often one of [`rate_limit`]. A
//! test holds that the tests are there.
//!
//! | threat                                       | defence                  | test                                |
//! |----------------------------------------------|--------------------------|-------------------------------------|
//! | a request that two servers read as two       | the listener             | `length_and_chunks_together_are_not_two_requests` |
//! | a path, verb or header that leads around a policy | methods are found once, policies hang on methods | `detours_lead_to_the_policy_…` |
//! | a door that is less strict than another      | stages stand behind all doors | `matrix_asks_every_stage_…`, `matrix_callers_are_judged_…`, `matrix_services_decide_alike_…`, `matrix_limits_are_alike_…` |
//! | methods that nobody was to know of           | `schema`: `expose`       | `exposed_alone_is_there_…`, `exposed_alone_is_told_of_by_reflection` |
//! | headers made up as if a service had set them | `external::names`        | `external_headers_for_the_backend_are_…`, `lists_strip_copies_too` |
//! | a deciding service that is down, slow or mad | `external`: closed       | `external_service_that_decides_nothing_…`, `external_service_that_is_gone_…` |
//! | a decision that comes behind the first message | `external`             | `matrix_services_decide_alike_…`    |
//! | a service's answer that frames or controls   | `names`                  | `names_that_frame_or_control_are_reserved` |
//! | huge heads, many headers, heads without end  | the listener             | `head_past_the_limit_is_431`, `edges_headers_past_the_count_are_431`, `head_that_never_ends_…` |
//! | huge messages, and small ones that unpack to huge | sizes by selector   | `message_past_the_limit_is_413_…`, `edges_selector_may_have_…`, `damage_is_told_to_who_did_it` |
//! | deep nesting                                 | `transcode`              | `body_nested_past_the_limit_is_400` |
//! | a caller or a backend that falls silent      | `timeout`                | `caller_that_falls_silent_…`, `stream_that_falls_silent_…`, `answer_that_does_not_begin_…` |
//! | floods of HTTP/2 frames                      | the listener             | `http2_rapid_reset_…`, `http2_continuation_flood_…`, `http2_header_bomb_…` |
//! | a backend that breaks HTTP/2                 | `upstream::http2`        | `first_frame_has_to_be_settings`    |
//! | a forged address                             | the listener's trusted proxies | `caller_is_told_in_forwarded_headers_…`, `proxy_protocol_of_a_stranger_…` |
//! | web pages of other origins                   | `protocol::cors`, `websocket` | `page_of_another_origin_is_refused_…`, `page_of_another_origin_is_403_…` |
//! | what browsers make of answers                | `security_headers`       | `edges_answers_of_every_kind_…`     |
//! | secrets that are printed                     | `config`                 | `secrets_are_seen_neither_…`, `secrets_are_not_told_by_…`, `secrets_are_not_printed_…` |
//! | old TLS, and its known faults                | `tls`                    | `edges_tls_has_nothing_…`           |
//! | web pages that reach the operator's port     | `admin`                  | `admin_is_not_for_web_pages`        |

pub mod admission;
pub mod auth;
pub mod authorize;
mod expression;
pub mod external;
pub mod headers;
pub mod rate_limit;
pub mod retry;
pub mod timeout;
pub mod validate;

mod names;

#[cfg(test)]
mod testing;

use std::{path::Path, sync::Arc};

use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    callout::Upstreams,
    error::Error,
    exchange::{Exchange, Reply, Upstream},
    lasting::Lasting,
    meter::{Counter, Meter, Series},
    schema::Method,
};

/// A policy at work. One value serves all calls of one method.
pub trait Stage: Send + Sync {
    /// Handles one call: change the exchange, refuse it, or pass it to `next` and look at the reply.
    fn call<'a>(
        &'a self,
        exchange: Exchange,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<Reply, Error>>;

    /// Whether it looks at the [`Approach`](crate::exchange::Approach), which is only gathered then.
    fn asks_for_approach(&self) -> bool {
        false
    }
}

/// The rest of the way. It can be gone more than once, each time with an exchange of its own.
#[derive(Clone, Copy)]
pub struct Next<'a> {
    stages: &'a [Box<dyn Stage>],
    upstream: &'a dyn Upstream,
}

impl<'a> Next<'a> {
    /// Goes on with the next stage, or with the backend after the last one.
    pub fn call(self, exchange: Exchange) -> BoxFuture<'a, Result<Reply, Error>> {
        match self.stages.split_first() {
            Some((stage, stages)) => stage.call(exchange, Next { stages, ..self }),
            None => self.upstream.call(exchange),
        }
    }
}

/// The stages of one method, compiled from its policy, and the backend behind them.
pub struct Chain {
    stages: Box<[Box<dyn Stage>]>,
    upstream: Arc<dyn Upstream>,
}

impl Chain {
    /// A chain that runs `stages` in order and then calls `upstream`.
    pub fn new(stages: Vec<Box<dyn Stage>>, upstream: Arc<dyn Upstream>) -> Self {
        Self { stages: stages.into(), upstream }
    }

    /// Whether a stage looks at how the call came in.
    pub fn asks_for_approach(&self) -> bool {
        self.stages.iter().any(|stage| stage.asks_for_approach())
    }

    /// Runs one call through all of it.
    pub fn call(&self, exchange: Exchange) -> BoxFuture<'_, Result<Reply, Error>> {
        Next { stages: &self.stages, upstream: &*self.upstream }.call(exchange)
    }
}

/// A kind of stage: its name in a policy, and how it is made.
pub struct Entry {
    /// The key in a policy of the configuration's `services`. A stage that stands in the table twice
    /// is made twice from the same settings.
    pub name: &'static str,
    /// One sentence for the reference.
    pub summary: &'static str,
    /// The JSON Schema of its settings.
    pub json_schema: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
    /// Makes the stage for one method; `Ok(None)` if the method needs no such stage.
    pub build: fn(&Blueprint<'_>) -> Built,
}

/// What a stage is made from.
pub struct Blueprint<'a> {
    /// The merged settings of the method's policy, `None` where the policy doesn't name the stage.
    pub settings: Option<&'a Value>,
    /// The method whose stage it will be.
    pub method: &'a Method,
    /// The place of the settings that decided, `services["a.b.*"].timeout` for example: methods that
    /// share it share the stage's state.
    pub place: &'a str,
    /// The place of what stands at a path inside the settings, in the selector that decided it.
    pub places: &'a dyn Fn(&str) -> String,
    /// Where relative paths in the settings start.
    pub folder: &'a Path,
    /// Where state is kept that outlives the snapshot.
    pub lasting: &'a Lasting,
    /// The upstreams of the configuration, for stages that ask one.
    pub upstreams: &'a Upstreams,
}

impl Blueprint<'_> {
    /// The upstream of this name, to be asked; `path` is where the name stands in the settings.
    fn upstream(&self, path: &str, name: &str) -> Result<Arc<dyn Upstream>, Finding> {
        self.upstreams.named(name).map_err(|message| (path.to_owned(), message))
    }

    /// A counter of the method's own. The series' labels are service and method.
    fn counter(&self, series: &'static Series) -> Arc<Counter> {
        // The configuration has made it by now, and knows the protocols.
        let meter = Meter::of(self.lasting, []);
        meter.counter(series, &[&self.method.service, self.method.name()])
    }
}

/// What is wrong with a stage's settings: the path inside them (empty for the whole), and a
/// sentence that says what is wrong there.
pub type Finding = (String, String);

/// A stage for one method, if the method needs one.
pub type Built = Result<Option<Box<dyn Stage>>, Finding>;

/// Every stage there is, in run order, which is the reference's order too.
///
/// `timeout` is the outermost, so that its deadline covers all the others, and with them every
/// attempt that `retry` makes. `rate_limit` stands on both sides of `auth` and `authorize`, with the
/// limits that don't need to know the caller before and the others behind: even the attempt to get in
/// is limited, and then nothing is done for somebody who may not call. `ext_authz` follows them: it
/// hears who calls, nobody is asked about callers that are refused anyway, and what it refuses takes
/// nothing from a quota. `validate` looks at the messages of those alone who may. `admission` counts
/// calls, not attempts, and what it refuses is not tried again. `headers` is the innermost: what it
/// gives the backend (an `authorization` of the gateway's own, for example) must not be taken by
/// another stage for something that the caller brought.
pub static STAGES: &[Entry] = &[
    timeout::ENTRY,
    rate_limit::FIRST,
    auth::ENTRY,
    authorize::ENTRY,
    external::ENTRY,
    rate_limit::ADMITTED,
    validate::ENTRY,
    admission::ENTRY,
    retry::ENTRY,
    headers::ENTRY,
];

/// A problem with a path into a method's message, and what mends it where the field is another
/// method's: a wide selector has methods that lack it.
fn wrong_field(method: &Method, first: &str, problem: &str) -> String {
    let input = &method.input;
    if input.get_field_by_name(first).or_else(|| input.get_field_by_json_name(first)).is_some() {
        return problem.to_owned();
    }
    format!(
        "{problem}; or write it under a selector of methods that have the field, for every method of \
         its selector needs it"
    )
}

/// Reads a stage's settings, and says where they are wrong.
fn read_settings<T: DeserializeOwned>(value: &Value) -> Result<T, Finding> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        (if path == "." { String::new() } else { path }, error.inner().to_string())
    })
}

#[cfg(test)]
mod tests;
