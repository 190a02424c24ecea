//! What one request's line in the access log is gathered in, while the request goes its way.
//!
//! A record is written when the answer's last byte has been taken, or when the caller has left
//! before: dropping it writes it. Nobody who has no log pays for one.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body;

use super::{access, request_id};
use crate::{
    error::Code,
    exchange::{Exchange, Identity, Journal},
    protocol::{Caller, Refusal, ResponseBody, session::Ending},
    schema,
};

/// One request, as far as it has come.
pub struct Record {
    begun: Instant,
    http_method: Method,
    uri: Uri,
    version: Version,
    peer: Option<SocketAddr>,
    identity: Option<Arc<Identity>>,
    request_id: HeaderValue,
    request_bytes: u64,
    protocol: &'static str,
    rpc: Option<String>,
    route: Option<Arc<str>>,
    status: StatusCode,
    code: Code,
    reason: Option<&'static str>,
    response_bytes: u64,
    journal: Arc<Journal>,
}

impl Record {
    /// The record of a request that has just come in; `None` while there is no access log.
    pub fn begin<B: Body>(request: &Request<B>, caller: &Caller) -> Option<Box<Self>> {
        access::enabled().then(|| {
            Box::new(Self {
                begun: Instant::now(),
                http_method: request.method().clone(),
                uri: request.uri().clone(),
                version: request.version(),
                peer: caller.peer,
                identity: caller.identity.clone(),
                request_id: request_id::take_or_make(request.headers()),
                request_bytes: request.body().size_hint().lower(),
                protocol: "",
                rpc: None,
                route: None,
                // What a caller that leaves before the answer is logged with.
                status: Code::Cancelled.http_status(),
                code: Code::Cancelled,
                reason: Some("caller_left"),
                response_bytes: 0,
                journal: Arc::default(),
            })
        })
    }

    /// The protocol that the request speaks is known.
    pub fn entered(&mut self, protocol: &'static str) {
        self.protocol = protocol;
    }

    /// A door has opened the call; the backend gets to know the request's id.
    pub fn opened(&mut self, exchange: &mut Exchange, route: &Arc<str>) {
        let Exchange { method, metadata, journal, .. } = exchange;
        self.rpc = Some(method.full_name.to_string());
        self.route = Some(route.clone());
        metadata.insert(request_id::HEADER, self.request_id.clone());
        *journal = Some(self.journal.clone());
    }

    /// A door has refused a request that meant this method.
    pub fn meant(&mut self, method: &schema::Method) {
        self.rpc = Some(method.full_name.to_string());
    }

    /// The answer is ready, or begins; the caller gets the word by which its request is found in the
    /// log.
    pub fn answered(&mut self, response: &mut Response<ResponseBody>) {
        self.status = response.status();
        response.headers_mut().insert(request_id::HEADER, self.request_id.clone());
    }

    /// So many bytes of the answer's body have gone out.
    pub fn sent(&mut self, bytes: usize) {
        self.response_bytes += bytes as u64;
    }

    /// A session has ended.
    pub fn parted(&mut self, ending: &Ending) {
        self.end(ending.refusal);
        (self.request_bytes, self.response_bytes) = (ending.received, ending.sent);
    }

    /// Whether the backend has told how the call ended.
    pub fn knows_the_end(&self) -> bool {
        self.journal.upstream_status.get().is_some()
    }

    /// How the request ended, as far as that is known.
    pub fn end(&mut self, refusal: Option<Refusal>) {
        self.code = refusal.map_or(Code::Ok, |refusal| refusal.code);
        self.reason = refusal.map(|refusal| refusal.reason);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        access::emit(&access::AccessRecord {
            rpc: self.rpc.as_deref(),
            route: self.route.as_deref(),
            http_method: &self.http_method,
            path: self.uri.path(),
            protocol: self.protocol,
            http_version: self.version,
            http_status: self.status,
            grpc_status: self.code,
            total: self.begun.elapsed(),
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            journal: Some(&self.journal),
            request_id: self.request_id.to_str().unwrap_or_default(),
            peer: self.peer,
            client: self.identity.as_deref().map(Identity::name),
            reason: self.reason,
        });
    }
}
