//! An RPC method and the HTTP rules that bind it.

use std::{fmt, sync::Arc};

use http::uri::PathAndQuery;
use prost_reflect::MessageDescriptor;

/// One RPC method of the merged schema. There may be tens of thousands, so it says nothing twice.
#[derive(Debug)]
pub struct Method {
    /// Its place among all methods of the schema, from 0: an index for tables a method.
    pub index: usize,
    /// The service's full name, `bookshelf.v1.Bookshelf`.
    pub service: Arc<str>,
    /// The full name with a dot, `bookshelf.v1.Bookshelf.GetBook`, as selectors name it.
    pub full_name: Box<str>,
    /// The path of a gRPC call, `/bookshelf.v1.Bookshelf/GetBook`.
    pub path: PathAndQuery,
    /// The request's type.
    pub input: MessageDescriptor,
    /// The response's type.
    pub output: MessageDescriptor,
    /// Whether the caller sends a stream.
    pub client_streaming: bool,
    /// Whether the backend answers with a stream.
    pub server_streaming: bool,
    /// What the method's author said about repeating it.
    pub idempotency: Idempotency,
    /// The HTTP rules, `additional_bindings` flattened behind their rule.
    pub rules: Box<[HttpRule]>,
}

impl Method {
    /// The method's own name, `GetBook`.
    pub fn name(&self) -> &str {
        &self.full_name[self.service.len() + 1..]
    }

    /// Whether both sides send exactly one message.
    pub fn is_unary(&self) -> bool {
        !self.client_streaming && !self.server_streaming
    }
}

/// `MethodOptions.IdempotencyLevel` of descriptor.proto.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Idempotency {
    /// Nothing was said.
    #[default]
    Unknown,
    /// Reads only.
    NoSideEffects,
    /// May be repeated.
    Idempotent,
}

/// One binding of `google.api.http`, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRule {
    /// The HTTP method that it answers.
    pub method: HttpMethod,
    /// The path template, not parsed yet.
    pub template: Arc<str>,
    /// What the request's body holds.
    pub body: Body,
    /// The field of the response that makes the HTTP body; empty for the whole message.
    pub response_body: Box<str>,
    /// Where the rule was written, for problems: `shelf.proto` or `rules.yaml:12`.
    pub origin: Arc<str>,
}

/// The HTTP method of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HttpMethod {
    /// This one.
    One(http::Method),
    /// `custom: { kind: "*" }`: every method.
    Any,
}

/// What a request's body holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Nothing: all fields come from path and query.
    None,
    /// `*`: the whole message but for what the path binds.
    Whole,
    /// The field of this name.
    Field(Box<str>),
}

impl fmt::Display for HttpMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HttpMethod::One(method) => f.write_str(method.as_str()),
            HttpMethod::Any => f.write_str("*"),
        }
    }
}
