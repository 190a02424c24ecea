//! Finds the binding of a request, and opens the call.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
    request::Parts,
};
use hyper::body::Incoming;

use super::{
    binding::{Binding, RequestShape},
    compile,
    compression::Accepts,
    fault,
    negotiate::{self, Accepted, Content},
    request, response,
    response::RestAnswer,
};
use crate::{
    coding::Codings,
    error::Error,
    exchange::Exchange,
    first_use::FirstUse,
    protocol::{
        Call, Caller, Compiled, Door, Material, Methods, Opening, ResponseBody, Upload, deadline,
        failure, metadata,
        rule::{self, Rules},
    },
    route::{self, Captures, Found},
    schema,
};

/// REST, compiled for one schema.
struct Rest {
    rules: Arc<Rules>,
    /// By the rule's number; made when the rule is used.
    bindings: FirstUse<Arc<Binding>>,
    methods: Arc<Methods>,
}

/// Checks that every rule has a binding.
pub(super) fn compile(material: &Material<'_>) -> Compiled {
    let problems = compile::check(material);
    if !problems.is_empty() {
        return Compiled { door: None, problems };
    }
    let (rules, methods) = (material.rules.clone(), material.methods.clone());
    let bindings = FirstUse::of(rules.len());
    Compiled { door: Some(Box::new(Rest { rules, bindings, methods })), problems }
}

impl Door for Rest {
    fn name(&self) -> &'static str {
        super::ENTRY.name
    }

    fn knows(&self, _: &Request<Incoming>) -> bool {
        true
    }

    fn open(&self, request: Request<Incoming>, caller: &Caller) -> Opening {
        let (head, body) = request.into_parts();
        let body = Upload::new(body, &head.headers);
        let accepted = Accepted::of(&head.headers);
        let is_head = response::is_head(&head.method);
        match self.call(&head, body, caller, accepted) {
            Ok(opening) => opening,
            Err(error) => {
                let refusal = failure::respond(&error, &self.methods.plans, accepted.problem);
                let refusal = if is_head { response::strip(refusal) } else { refusal };
                Opening::refused(refusal, self.meant(&head))
            }
        }
    }
}

impl Rest {
    /// The binding of the rule with this number.
    fn binding(&self, id: usize) -> &Arc<Binding> {
        self.bindings.ask(id, || {
            let rule = self.rules.rule(id);
            let bound = compile::bind(rule, &self.methods);
            Arc::new(bound.expect("what was sound at the start still is"))
        })
    }

    /// The method of the route that a request takes, whatever else is wrong with it.
    fn meant(&self, head: &Parts) -> Option<&Arc<schema::Method>> {
        let path = head.uri.path();
        route::check_path(path).ok()?;
        match self.rules.find(&head.method, path, &mut Captures::new()) {
            Found::Route(id) => Some(&self.rules.rule(id).method),
            _ => None,
        }
    }

    fn call(
        &self,
        head: &Parts,
        body: Upload,
        caller: &Caller,
        accepted: Accepted,
    ) -> Result<Opening, Error> {
        let metadata = metadata::from_request(head, caller)?;
        let path = head.uri.path();
        route::check_path(path).map_err(|error| rule::fault::path_encoding(&error))?;
        let mut captures = Captures::new();
        let binding = match self.rules.find(&head.method, path, &mut captures) {
            Found::Route(id) => self.binding(id),
            Found::MethodNotAllowed(allowed) if head.method == Method::OPTIONS => {
                return Ok(options(allowed.into_header_value()));
            }
            Found::MethodNotAllowed(allowed) => {
                return Err(fault::method_not_allowed(head, allowed.into_header_value()));
            }
            Found::NotFound if head.method == Method::OPTIONS && path == "*" => {
                return Ok(options(HeaderValue::from_static(EVERY_METHOD)));
            }
            Found::NotFound => return Err(fault::not_found(head)),
        };
        let deadline = deadline::stated(&head.headers)?;
        let codings = negotiate::codings(&head.headers)?;
        let content = check_content(binding, head)?;
        let content_type = head.headers.get(CONTENT_TYPE);
        let content_type = content_type.map(|value| Bytes::copy_from_slice(value.as_bytes()));
        let tail = binding.rule.tail(&captures, head.uri.query());
        let body = request::unpacked(binding, body, &codings)?;
        let messages = request::messages(binding, content, content_type, tail, body);
        Ok(Opening::Call(Box::new(Call {
            exchange: Exchange {
                method: binding.rule.method.clone(),
                metadata,
                messages,
                deadline,
                limits: binding.limits,
                codings: Codings::NONE,
                worker: caller.worker,
                extensions: http::Extensions::new(),
                journal: None,
            },
            route: binding.rule.source.template.clone(),
            answer: Box::new(RestAnswer {
                binding: binding.clone(),
                accepted,
                codings: binding.compression.as_ref().map(|_| Accepts::of(&head.headers)),
                head: response::is_head(&head.method),
            }),
        })))
    }
}

/// What `OPTIONS *` tells of the server as a whole (RFC 9110 §9.3.7).
const EVERY_METHOD: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

fn options(allow: HeaderValue) -> Opening {
    let mut response = Response::new(ResponseBody::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, allow);
    Opening::Answered(response)
}

/// Whether the route takes this kind of body.
fn check_content(binding: &Binding, head: &Parts) -> Result<Content, Error> {
    let content = Content::of(&head.headers);
    let takes = match binding.request {
        RequestShape::Nothing | RequestShape::RawWhole | RequestShape::RawField(_) => None,
        _ if binding.rule.method.client_streaming => match content {
            // A form may be JSON: see `binding`.
            Content::Json | Content::Lines | Content::Sequence | Content::Form => None,
            Content::Other => Some("application/json, application/x-ndjson, application/json-seq"),
        },
        _ => match content {
            Content::Json | Content::Form => None,
            _ => Some("application/json, application/x-www-form-urlencoded"),
        },
    };
    if let Some(takes) = takes {
        return Err(negotiate::unsupported(&head.headers, &head.method, takes));
    }
    Ok(content)
}
