//! `google.api.http`: from the bytes of a method's options to [`HttpRule`]s.
//!
//! The option is an extension that the pool knows only if `google/api/annotations.proto` is among
//! its files. It is read from the raw bytes instead, which need no declaration
//! (<https://github.com/googleapis/googleapis/blob/master/google/api/http.proto>).

use std::sync::Arc;

use prost::{Message, Oneof};

use super::{
    descriptor::records,
    method::{Body, HttpMethod, HttpRule},
};
use crate::problem::Severity;

/// The number of the extension `google.api.http` of MethodOptions.
const HTTP: u32 = 72_295_728;

/// `MethodOptions`, as much as matters for the rules.
#[derive(Clone, PartialEq, Message)]
struct Annotated {
    #[prost(message, optional, tag = "72295728")]
    http: Option<Rule>,
}

/// `google.api.HttpRule`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Rule {
    #[prost(string, tag = "1")]
    pub(super) selector: String,
    #[prost(oneof = "Pattern", tags = "2, 3, 4, 5, 6, 8")]
    pub(super) pattern: Option<Pattern>,
    #[prost(string, tag = "7")]
    pub(super) body: String,
    #[prost(message, repeated, tag = "11")]
    pub(super) additional_bindings: Vec<Rule>,
    #[prost(string, tag = "12")]
    pub(super) response_body: String,
}

/// The fields of HttpRule by number.
const KNOWN: [u32; 10] = [1, 2, 3, 4, 5, 6, 7, 8, 11, 12];

/// `HttpRule.pattern`.
#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Pattern {
    #[prost(string, tag = "2")]
    Get(String),
    #[prost(string, tag = "3")]
    Put(String),
    #[prost(string, tag = "4")]
    Post(String),
    #[prost(string, tag = "5")]
    Delete(String),
    #[prost(string, tag = "6")]
    Patch(String),
    #[prost(message, tag = "8")]
    Custom(Custom),
}

/// `google.api.CustomHttpPattern`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Custom {
    #[prost(string, tag = "1")]
    pub(super) kind: String,
    #[prost(string, tag = "2")]
    pub(super) path: String,
}

/// Something wrong with a rule, to be told with the place that only the caller knows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) severity: Severity,
    pub(super) message: String,
    pub(super) mend: &'static str,
}

impl Fault {
    pub(super) fn error(message: impl Into<String>, mend: &'static str) -> Self {
        Self { severity: Severity::Error, message: message.into(), mend }
    }
}

/// The rules in the bytes of a method's options. `origin` says where they are written.
pub(super) fn read(options: &[u8], origin: &Arc<str>, faults: &mut Vec<Fault>) -> Vec<HttpRule> {
    for record in records(options).filter(|record| record.number == HTTP) {
        report_unknown(record.contents(), faults);
    }
    match Annotated::decode(options) {
        Ok(Annotated { http: Some(rule) }) => flatten(&rule, origin, faults),
        Ok(Annotated { http: None }) => Vec::new(),
        Err(error) => {
            faults.push(Fault::error(
                format!("the option google.api.http can't be read: {error}"),
                "compile the file with the google/api/http.proto of googleapis",
            ));
            Vec::new()
        }
    }
}

fn report_unknown(rule: &[u8], faults: &mut Vec<Fault>) {
    for record in records(rule) {
        if record.number == 11 {
            report_unknown(record.contents(), faults);
        } else if !KNOWN.contains(&record.number) {
            faults.push(Fault {
                severity: Severity::Warning,
                message: format!("google.api.http has an unknown field {}", record.number),
                mend: "it is ignored; a newer version of the gateway may know it",
            });
        }
    }
}

/// A rule and its additional bindings, each as a rule of its own.
pub(super) fn flatten(rule: &Rule, origin: &Arc<str>, faults: &mut Vec<Fault>) -> Vec<HttpRule> {
    let mut rules = Vec::with_capacity(1 + rule.additional_bindings.len());
    rules.extend(bind(rule, origin, faults));
    for additional in &rule.additional_bindings {
        if !additional.additional_bindings.is_empty() {
            faults.push(Fault::error(
                "additional_bindings stand inside additional_bindings",
                "write them side by side; they nest one level only",
            ));
        }
        rules.extend(bind(additional, origin, faults));
    }
    rules
}

fn bind(rule: &Rule, origin: &Arc<str>, faults: &mut Vec<Fault>) -> Option<HttpRule> {
    use http::Method;
    let one = |method: Method| Some(HttpMethod::One(method));
    let (method, template) = match rule.pattern.as_ref() {
        Some(Pattern::Get(path)) => (one(Method::GET), path),
        Some(Pattern::Put(path)) => (one(Method::PUT), path),
        Some(Pattern::Post(path)) => (one(Method::POST), path),
        Some(Pattern::Delete(path)) => (one(Method::DELETE), path),
        Some(Pattern::Patch(path)) => (one(Method::PATCH), path),
        Some(Pattern::Custom(custom)) if custom.kind == "*" => {
            (Some(HttpMethod::Any), &custom.path)
        }
        Some(Pattern::Custom(custom)) => {
            let method = Method::from_bytes(custom.kind.as_bytes());
            (method.ok().map(HttpMethod::One), &custom.path)
        }
        None => {
            faults.push(Fault::error(
                "an HTTP rule has no pattern",
                "give it one of get, put, post, delete, patch and custom",
            ));
            return None;
        }
    };
    if template.is_empty() {
        faults.push(Fault::error("an HTTP rule has an empty path", "write one like `/v1/books`"));
        return None;
    }
    let Some(method) = method else {
        faults.push(Fault::error(
            format!("the custom pattern of `{template}` has a kind that is no HTTP method"),
            "write a token such as `HEAD`, or `*` for every method",
        ));
        return None;
    };
    let body = match rule.body.as_str() {
        "" => Body::None,
        "*" => Body::Whole,
        field => Body::Field(field.into()),
    };
    let response_body = rule.response_body.as_str().into();
    Some(HttpRule {
        method,
        template: template.as_str().into(),
        body,
        response_body,
        origin: origin.clone(),
    })
}
