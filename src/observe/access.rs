//! The access log: one line of JSON a request.
//!
//! ```text
//! {"timestamp":"…","rpc":"bookshelf.v1.Bookshelf.GetBook","route":"/v1/{name=shelves/*/books/*}",
//!  "http_method":"GET","path":"/v1/shelves/1/books/7","protocol":"rest","http_version":"HTTP/1.1",
//!  "http_status":200,"grpc_status":"OK","upstream_status":"OK","total_ms":1.25,"upstream_ms":0.9,
//!  "request_bytes":0,"response_bytes":118,"upstream_endpoint":"127.0.0.1:50051",
//!  "request_id":"…","peer":"127.0.0.1:40312","principal":"ada","issuer":"https://id.example.com",
//!  "auth":"jwt"}
//! ```
//!
//! What is not known is left out. The path stands without its query, which may hold secrets. While
//! the log is off a request pays for one look at a flag, [`enabled`].

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use http::{Method, StatusCode, Version};

use crate::{error::Code, exchange::Journal};

/// The target of the access log's events.
pub const TARGET: &str = "transom::access";

static ENABLED: AtomicBool = AtomicBool::new(false);

/// Whether records are wanted. Ask before gathering one.
#[inline]
pub fn enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

/// Switches the log on or off; [`super::init`] does so as its settings say.
pub fn enable(wanted: bool) {
    ENABLED.store(wanted, Ordering::Relaxed);
}

/// What there is to say about one request when its answer has gone out.
#[derive(Clone, Copy, Debug)]
pub struct AccessRecord<'a> {
    /// The full name of the RPC method, if one was found.
    pub rpc: Option<&'a str>,
    /// The template of the route, if one was found.
    pub route: Option<&'a str>,
    /// The HTTP method.
    pub http_method: &'a Method,
    /// The path as it came, percent-encoded; a query is cut off.
    pub path: &'a str,
    /// The name of the protocol: `rest`, `grpc`.
    pub protocol: &'a str,
    /// The version of HTTP that the request came by.
    pub http_version: Version,
    /// The status that went downstream.
    pub http_status: StatusCode,
    /// The outcome of the call as a gRPC code.
    pub grpc_status: Code,
    /// From the request's head to the answer's last byte.
    pub total: Duration,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    pub response_bytes: u64,
    /// What only the upstream side could tell, if the call got that far.
    pub journal: Option<&'a Journal>,
    /// The request's id; see [`super::request_id`].
    pub request_id: &'a str,
    /// Who is at the other end of the connection.
    pub peer: Option<SocketAddr>,
    /// Whom the client's certificate names.
    pub client: Option<&'a str>,
    /// The stable word of the error that the call ended with, if it did.
    pub reason: Option<&'a str>,
}

/// Writes the record.
pub fn emit(record: &AccessRecord<'_>) {
    let journal = record.journal;
    let endpoint = journal.and_then(|journal| journal.endpoint.get());
    let principal = journal.and_then(|journal| journal.principal.get());
    tracing::info!(
        target: TARGET,
        rpc = record.rpc,
        route = record.route,
        http_method = record.http_method.as_str(),
        path = without_query(record.path),
        protocol = record.protocol,
        http_version = version(record.http_version),
        http_status = record.http_status.as_u16(),
        grpc_status = record.grpc_status.name(),
        upstream_status = journal.and_then(|j| j.upstream_status.get()).map(|code| code.name()),
        total_ms = milliseconds(record.total),
        upstream_ms = journal.and_then(|j| j.upstream_latency.get()).map(milliseconds),
        request_bytes = record.request_bytes,
        response_bytes = record.response_bytes,
        upstream_endpoint = endpoint.as_deref(),
        request_id = record.request_id,
        peer = record.peer.map(tracing::field::display),
        client = record.client,
        principal = principal.map(|principal| principal.id.as_str()),
        issuer = principal.map(|principal| principal.issuer.as_str()),
        auth = principal.map(|principal| principal.kind.name()),
        reason = record.reason,
    );
}

/// The path alone, whatever came with it.
fn without_query(path: &str) -> &str {
    path.find(['?', '#']).map_or(path, |end| &path[..end])
}

/// Milliseconds to the microsecond.
fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_11 => "HTTP/1.1",
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_3 => "HTTP/3",
        _ => "HTTP/0.9",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::exchange::{Principal, PrincipalKind};

    fn ada() -> Arc<Principal> {
        Arc::new(Principal {
            id: "ada".into(),
            issuer: "https://id.example".into(),
            kind: PrincipalKind::Jwt,
            scopes: Vec::new(),
            claims: serde_json::Map::new(),
        })
    }

    /// Makes a record with everything in it.
    pub(in crate::observe) fn sample(write: fn(&AccessRecord<'_>)) {
        let journal = Journal::default();
        journal.endpoint.set(Arc::from("127.0.0.1:50051"));
        journal.upstream_status.set(Code::NotFound);
        journal.principal.set(ada()).unwrap();
        journal.upstream_latency.set(Duration::from_micros(900));
        write(&AccessRecord {
            rpc: Some("bookshelf.v1.Bookshelf.GetBook"),
            route: Some("/v1/{name=shelves/*/books/*}"),
            http_method: &Method::GET,
            path: "/v1/shelves/1/books/%22?token=secret",
            protocol: "rest",
            http_version: Version::HTTP_11,
            http_status: StatusCode::NOT_FOUND,
            grpc_status: Code::NotFound,
            total: Duration::from_micros(1250),
            request_bytes: 0,
            response_bytes: 118,
            journal: Some(&journal),
            request_id: "abc",
            peer: Some(([127, 0, 0, 1], 40312).into()),
            client: Some("spiffe://example.org/reader"),
            reason: Some("upstream_status"),
        });
    }

    /// Parses a line and compares it with the sample.
    pub(in crate::observe) fn check_sample(line: &str) {
        let mut line: Value = serde_json::from_str(line).unwrap();
        let timestamp = line.as_object_mut().unwrap().remove("timestamp").unwrap();
        assert!(timestamp.as_str().unwrap().ends_with('Z'), "{timestamp}");
        assert_eq!(
            line,
            json!({
                "rpc": "bookshelf.v1.Bookshelf.GetBook",
                "route": "/v1/{name=shelves/*/books/*}",
                "http_method": "GET",
                "path": "/v1/shelves/1/books/%22",
                "protocol": "rest",
                "http_version": "HTTP/1.1",
                "http_status": 404,
                "grpc_status": "NOT_FOUND",
                "upstream_status": "NOT_FOUND",
                "total_ms": 1.25,
                "upstream_ms": 0.9,
                "request_bytes": 0,
                "response_bytes": 118,
                "upstream_endpoint": "127.0.0.1:50051",
                "request_id": "abc",
                "peer": "127.0.0.1:40312",
                "client": "spiffe://example.org/reader",
                "principal": "ada",
                "issuer": "https://id.example",
                "auth": "jwt",
                "reason": "upstream_status",
            })
        );
    }

    #[test]
    fn path_never_keeps_a_query() {
        assert_eq!(without_query("/a?token=1"), "/a");
        assert_eq!(without_query("/a#b?c"), "/a");
        assert_eq!(without_query("/a%3Fb"), "/a%3Fb");
        assert_eq!(without_query("*"), "*");
    }
}
