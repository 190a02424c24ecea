//! CORS: which web pages of other origins may call a method, and read what it answers.
//!
//! ```text
//! OPTIONS /v1/books                         204
//! origin: https://app.example.com      ─►   access-control-allow-origin: https://app.example.com
//! access-control-request-method: POST       access-control-allow-methods: POST
//! ```
//!
//! The RPC method is the unit of policy here too, so this is no layer around the gateway: a
//! preflight names the HTTP method and the path of the call that will follow, the route table tells
//! which RPC method that is, and its policy answers, before any stage and without a backend. The
//! answer names that one HTTP method and no other of the path, for another may be another RPC
//! method with another policy. Where path and HTTP method could mean two RPC methods (a rule that
//! matches `/package.Service/Method`) with two policies, neither is believed.
//!
//! A method without a policy has no CORS at all. Where there is nothing to be called (404, 405), a
//! page may read that only where all that it could have meant has one policy: all methods of the
//! path, or all that there are. A preflight is answered for what there is alone. The rules are the
//! Fetch standard's (<https://fetch.spec.whatwg.org/#http-cors-protocol>).

mod origin;
mod policy;
mod settings;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::{
    HeaderValue, Method as HttpMethod, Request, Response,
    header::{ACCESS_CONTROL_REQUEST_METHOD, HOST, HeaderName, ORIGIN},
};

use self::policy::Policy;
pub use self::{
    origin::Origin,
    settings::{Name, OtherOrigins, Permission, Settings},
};
use super::{Material, ResponseBody, rule::Rules};
use crate::{
    error::{self, Code, Error},
    route::{Captures, Found},
    schema::{Idempotency, Method, Schema},
};

/// What the access log calls the protocol of a preflight.
pub const NAME: &str = "cors";

/// Tells whether page and gateway are of one origin; pages can't set it (Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The policies of all methods, compiled; by default no page of another origin may call.
#[derive(Default)]
pub struct Cors {
    /// None where no method has a policy.
    table: Option<Table>,
}

/// Which method a request means, and its policy.
struct Table {
    schema: Arc<Schema>,
    rules: Arc<Rules>,
    /// By `Method::index`.
    policies: Box<[Option<Policy>]>,
    /// A method whose policy all have but the gateway's own, if there is one.
    typical: Option<Arc<Method>>,
}

/// What becomes of a request as far as CORS is concerned.
pub enum Reception<'c> {
    /// It asked whether another may follow, and this is the answer.
    Preflight(Response<ResponseBody>),
    /// It is a call.
    Visit(Visit<'c>),
}

/// A call, perhaps by a page of another origin.
pub struct Visit<'c> {
    table: Option<&'c Table>,
    page: Option<Page>,
    policy: Option<&'c Policy>,
}

/// The page that a request was made by.
struct Page {
    origin: HeaderValue,
    /// There is one `Origin`, as there should be.
    single: bool,
    /// Page and gateway are of one origin.
    own: bool,
}

impl Cors {
    /// Compiles the policies, which are sound.
    pub fn compile(material: &Material<'_>) -> Self {
        let compile = |permission: &Permission| {
            (!permission.origins.is_empty()).then(|| Policy::compile(permission))
        };
        let permissions = material.methods.policies.iter().map(|policy| policy.cors.as_ref());
        if !permissions.clone().flatten().any(|permission| !permission.origins.is_empty()) {
            return Self::default();
        }
        let policies = permissions.map(|permission| permission.and_then(compile));
        let policies: Box<[_]> = policies.collect();
        let (schema, rules) = (material.methods.schema.clone(), material.rules.clone());
        let mut served = schema.services().iter().flat_map(|service| &service.methods);
        let typical = served
            .next()
            .cloned()
            .filter(|first| served.all(|other| policies[other.index] == policies[first.index]));
        Self { table: Some(Table { schema, rules, policies, typical }) }
    }

    /// Answers a preflight; notes who makes any other request. Where nobody has a policy, or no
    /// page asks, that is all there is to it.
    pub fn receive<B>(&self, request: &Request<B>) -> Reception<'_> {
        let mut visit = Visit { table: self.table.as_ref(), page: None, policy: None };
        let Some(table) = visit.table else { return Reception::Visit(visit) };
        let Some(page) = Page::of(request) else { return Reception::Visit(visit) };
        let path = request.uri().path();
        let asked = request.headers().get(ACCESS_CONTROL_REQUEST_METHOD);
        if let Some(asked) = asked.filter(|_| request.method() == HttpMethod::OPTIONS) {
            let asked = HttpMethod::from_bytes(asked.as_bytes()).ok();
            // Without a policy it is an OPTIONS like any other.
            if let Some(policy) = asked.and_then(|asked| table.meant(&asked, path)) {
                return Reception::Preflight(policy.answer(&page, request.headers()));
            }
        } else if request.method() != HttpMethod::OPTIONS {
            let policy = table.meant(request.method(), path);
            visit.policy = policy.or_else(|| table.around(path));
        }
        visit.page = Some(page);
        Reception::Visit(visit)
    }
}

impl Table {
    /// The policy of the method that path and HTTP method mean, by whichever protocol.
    fn meant(&self, http_method: &HttpMethod, path: &str) -> Option<&Policy> {
        let by_rule = self.by_rule(http_method, path);
        // gRPC-Web and Connect post to it; Connect may also get what has no side effects.
        let by_name = self.schema.method_by_path(path).filter(|method| match *http_method {
            HttpMethod::POST => true,
            HttpMethod::GET | HttpMethod::HEAD => method.idempotency == Idempotency::NoSideEffects,
            _ => false,
        });
        match (by_rule, by_name) {
            (Some(one), Some(other)) if self.policy(one) != self.policy(other) => None,
            (Some(method), _) | (None, Some(method)) => self.policy(method),
            (None, None) => None,
        }
    }

    /// The policy of a path whatever HTTP method it is called by, or of every path where this one has
    /// no method: by it a page may read that there is nothing to be called, if its policy is one
    /// whatever the page could have meant.
    fn around(&self, path: &str) -> Option<&Policy> {
        let (allowed, named) = (self.rules.allowed(path), self.schema.method_by_path(path));
        if allowed.is_none() && named.is_none() {
            return self.typical.as_ref().and_then(|method| self.policy(method));
        }
        let names = allowed.as_ref().and_then(|names| names.header_value().to_str().ok());
        let names = names.unwrap_or_default().split(", ");
        let by_rule = names.filter_map(|name| {
            let http_method = HttpMethod::from_bytes(name.as_bytes()).ok()?;
            self.by_rule(&http_method, path)
        });
        let mut policies = by_rule.chain(named).map(|method| self.policy(method));
        let first = policies.next()??;
        policies.all(|other| other == Some(first)).then_some(first)
    }

    fn by_rule(&self, http_method: &HttpMethod, path: &str) -> Option<&Arc<Method>> {
        match self.rules.find(http_method, path, &mut Captures::new()) {
            Found::Route(id) => Some(&self.rules.rule(id).method),
            Found::MethodNotAllowed(_) | Found::NotFound => None,
        }
    }

    fn policy(&self, method: &Method) -> Option<&Policy> {
        self.policies[method.index].as_ref()
    }
}

impl Visit<'_> {
    /// The call is one of this method, whose policy holds from here on.
    ///
    /// # Errors
    /// PERMISSION_DENIED for a page of an origin that the policy rejects.
    pub fn enter(&mut self, method: &Method) -> Result<(), Error> {
        self.policy = self.table.and_then(|table| table.policy(method));
        match (self.policy, &self.page) {
            (Some(policy), Some(page)) if policy.rejects(page) => Err(refused(page)),
            _ => Ok(()),
        }
    }

    /// Tells the browser of the page what it may let the page see, in a success or refusal alike.
    pub fn mark(self, response: Response<ResponseBody>) -> Response<ResponseBody> {
        match (self.policy, &self.page) {
            (Some(policy), Some(page)) => policy.mark(page, response),
            // A cache must not give a page what it has from somebody else.
            (Some(_), None) => Policy::vary(response, false),
            (None, _) => response,
        }
    }
}

impl Page {
    fn of<B>(request: &Request<B>) -> Option<Self> {
        let headers = request.headers();
        let mut origins = headers.get_all(ORIGIN).into_iter();
        let origin = origins.next()?.clone();
        let host = request.uri().authority().map(|authority| authority.as_str().as_bytes());
        let host = host.or_else(|| headers.get(HOST).map(HeaderValue::as_bytes));
        let own = headers.get(SEC_FETCH_SITE).is_some_and(|site| site == "same-origin")
            || host.is_some_and(|host| origin::is_at(&origin, host));
        Some(Self { origin, single: origins.next().is_none(), own })
    }
}

#[cold]
fn refused(page: &Page) -> Error {
    let origin = String::from_utf8_lossy(page.origin.as_bytes());
    let message = format!(
        "pages of `{origin:.100}` may not call this; only the origins of the method's CORS policy may"
    );
    Error::new(Code::PermissionDenied, "origin_refused", message)
        .with_origin(error::Origin::Downstream)
}
