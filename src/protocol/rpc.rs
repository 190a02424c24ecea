//! What the doors have in common whose callers name a method by its path, `/pkg.Service/Method`.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, request::Parts};

use super::{
    Caller, Material, MethodPolicy,
    codec::{Codec, Json},
    deadline,
    incoming::{self, Pieces, Terms},
    metadata,
};
use crate::{
    coding::{Coding, Codings},
    error::{Code, Error, Origin},
    exchange::{Exchange, Limits},
    schema::{Method, Schema},
    transcode::Plans,
};

const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// The methods of a schema, as a door that is compiled for it knows them.
pub struct Methods {
    schema: Arc<Schema>,
    plans: Arc<Plans>,
    policies: Arc<[Arc<MethodPolicy>]>,
}

/// A call of which all but the messages has been read.
pub struct Opened {
    /// The call, without its messages.
    pub exchange: Exchange,
    /// How its messages are written, if not as protobuf.
    pub json: Option<Arc<Json>>,
    /// What the request says of its messages.
    terms: Terms,
}

impl Methods {
    /// The methods that a door is compiled for.
    pub fn new(material: &Material<'_>) -> Self {
        let (schema, plans) = (material.schema.clone(), material.plans.clone());
        Self { schema, plans, policies: material.policies.clone() }
    }

    /// Reads a request's head.
    ///
    /// # Errors
    /// UNIMPLEMENTED for a method that nobody declares and for messages that are packed in an
    /// unknown way; INVALID_ARGUMENT for metadata or a time-out that is none.
    pub fn open(&self, head: &Parts, caller: &Caller, codec: Codec) -> Result<Opened, Error> {
        let metadata = metadata::from_request(head, caller)?;
        let path = head.uri.path();
        let method = self.schema.method_by_path(path).ok_or_else(|| unknown(path))?.clone();
        let deadline = deadline::stated(&head.headers)?;
        let limits = self.policies[method.index].limits;
        let terms = terms(head, &method, limits)?;
        let json = match codec {
            Codec::Proto => None,
            Codec::Json => Json::of(&method, &self.plans, &self.policies).map(Arc::new),
        };
        let exchange = Exchange {
            method,
            metadata,
            messages: crate::exchange::Messages::none(),
            deadline,
            limits,
            // What becomes JSON has to be plain.
            codings: if json.is_some() { Codings::NONE } else { accepted(&head.headers) },
            worker: caller.worker,
            extensions: http::Extensions::new(),
            journal: None,
        };
        Ok(Opened { exchange, json, terms })
    }
}

impl Opened {
    /// The call with its messages, which come in frames.
    pub fn with_messages(mut self, pieces: impl Pieces) -> Exchange {
        let messages = incoming::messages(pieces, self.terms);
        self.exchange.messages = match &self.json {
            Some(json) => json.read(messages),
            None => messages,
        };
        self.exchange
    }
}

/// What a request says of its messages.
fn terms(head: &Parts, method: &Method, limits: Limits) -> Result<Terms, Error> {
    Ok(Terms {
        limit: limits.request_message,
        coding: sent(&head.headers)?,
        streaming: method.client_streaming,
        eager: head.version == http::Version::HTTP_2,
    })
}

/// What the request's messages may be packed with.
fn sent(headers: &HeaderMap) -> Result<Option<Coding>, Error> {
    let Some(value) = headers.get(GRPC_ENCODING).filter(|value| *value != "identity") else {
        return Ok(None);
    };
    let coding = value.to_str().ok().and_then(|name| Coding::from_name(name.trim()));
    coding.map(Some).ok_or_else(|| unknown_coding(value))
}

/// What the caller takes its messages packed with.
fn accepted(headers: &HeaderMap) -> Codings {
    let lists = headers.get_all(GRPC_ACCEPT_ENCODING).into_iter();
    lists
        .filter_map(|list| list.to_str().ok())
        .fold(Codings::NONE, |codings, list| codings.or(Codings::listed(list)))
}

/// Tells in a response's head what its messages may be packed with.
pub fn tell_coding(coding: Option<Coding>, headers: &mut HeaderMap) {
    if let Some(coding) = coding {
        headers.insert(GRPC_ENCODING, HeaderValue::from_static(coding.name()));
    }
}

fn unknown(path: &str) -> Error {
    const SHOWN: usize = 200;
    let shown = &path[..path.floor_char_boundary(SHOWN)];
    let message = format!("no service has the method `{shown}`; ask for `/package.Service/Method`");
    Error::new(Code::Unimplemented, "no_method", message).with_origin(Origin::Downstream)
}

fn unknown_coding(value: &HeaderValue) -> Error {
    const SHOWN: usize = 50;
    let name = String::from_utf8_lossy(value.as_bytes());
    let name = &name[..name.floor_char_boundary(SHOWN)];
    let taken = Codings::ALL.list();
    let message = format!("messages packed with `{name}` are not taken; send identity, or {taken}");
    Error::new(Code::Unimplemented, "unknown_encoding", message)
        .with_origin(Origin::Downstream)
        .with_header(GRPC_ACCEPT_ENCODING, HeaderValue::from_static(taken))
}
