//! HTTP headers to gRPC metadata and back: the same rules for every door.
//!
//! | header                                        | to the backend                      |
//! |-----------------------------------------------|-------------------------------------|
//! | hop-by-hop (RFC 9110 §7.6.1), `Connection`'s  | dropped                             |
//! | host, content-*, expect, accept-encoding, te  | dropped: they tell of this hop      |
//! | `grpc-*`, `connect-*`, `x-request-timeout`    | dropped: they control the call      |
//! | `grpc-trace-bin`, `grpc-tags-bin`             | kept: they are tracing's            |
//! | `sec-websocket-*`                             | dropped: they tell of this hop      |
//! | `x-forwarded-*`, `forwarded`                  | set here; kept from trusted peers   |
//! | `…-bin`                                       | kept if it is base64, else refused  |
//! | names that gRPC has no letters for            | dropped: backends fail the call     |
//! | everything else                               | kept                                |

use http::{
    HeaderMap, HeaderName, HeaderValue, Version,
    header::{self, CONNECTION, HOST},
    request::Parts,
};

use super::Caller;
use crate::{error::Error, exchange::Metadata};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Makes the metadata that a backend sees of a request's head.
///
/// # Errors
/// INVALID_ARGUMENT for a `-bin` header that isn't base64, and for a `Host` that is missing, given
/// twice or malformed; RESOURCE_EXHAUSTED (431) for a head over the caller's limit.
pub fn from_request(head: &Parts, caller: &Caller) -> Result<Metadata, Error> {
    check_size(head, caller)?;
    let host = host(head)?;
    let mut metadata = Metadata::with_capacity(head.headers.len() + 3);
    let is_listed = |name| head.headers.get_all(CONNECTION).iter().any(|one| lists(one, name));
    let may_be_listed = head.headers.contains_key(CONNECTION);
    for (name, value) in &head.headers {
        if is_reserved(name.as_str()) || !is_grpc_name(name) || may_be_listed && is_listed(name) {
            continue;
        }
        if name.as_str().ends_with("-bin") && !is_base64(value) {
            return Err(Error::invalid(
                "bad_binary_header",
                format!("header `{name}` must hold base64, as its name ends in `-bin`"),
            ));
        }
        metadata.append(name, value.clone());
    }
    forward(head, caller, host, &mut metadata);
    Ok(metadata)
}

/// Refuses a head over the caller's limits.
fn check_size(head: &Parts, caller: &Caller) -> Result<(), Error> {
    let (limit, most) = (caller.head_limit, caller.header_limit);
    let count = head.headers.len();
    if count > most {
        return Err(too_large(format!(
            "the request has {count} headers; at most {most} are taken"
        )));
    }
    // The limit is far away for nearly all: a name and a value are at most a few kilobytes.
    let path = head.uri.path_and_query().map_or(0, |path| path.as_str().len());
    let size = head
        .headers
        .iter()
        .fold(path, |size, (name, value)| size + name.as_str().len() + value.len() + 4);
    if size <= limit {
        return Ok(());
    }
    Err(too_large(format!("the request's head has {size} bytes; at most {limit} are taken")))
}

fn too_large(message: String) -> Error {
    Error::new(crate::error::Code::ResourceExhausted, "head_too_large", message)
        .with_origin(crate::error::Origin::Downstream)
        .with_http(http::StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
}

/// Whether a header tells of this hop or controls the call, so that it is not passed on.
fn is_reserved(name: &str) -> bool {
    match name.as_bytes()[0] {
        b'a' => name == "accept-encoding",
        b'c' => {
            matches!(name, "connection" | "content-length" | "content-type" | "content-encoding")
                || name.starts_with("connect-")
        }
        b'e' => name == "expect",
        b'f' => name == "forwarded",
        b'g' => is_grpcs_own(name),
        b'h' => matches!(name, "host" | "http2-settings"),
        b'k' => name == "keep-alive",
        b'p' => matches!(name, "proxy-connection" | "proxy-authenticate" | "proxy-authorization"),
        b's' => name.starts_with("sec-websocket-"),
        b't' => matches!(name, "te" | "trailer" | "transfer-encoding"),
        b'u' => name == "upgrade",
        b'x' => matches!(
            name,
            "x-request-timeout" | "x-forwarded-for" | "x-forwarded-proto" | "x-forwarded-host"
        ),
        _ => false,
    }
}

/// Whether gRPC keeps the name for itself. Two of its names are no control of a call but what tracing
/// libraries hand on from end to end, though in gRPC's own part of the names.
fn is_grpcs_own(name: &str) -> bool {
    name.starts_with("grpc-") && !matches!(name, "grpc-trace-bin" | "grpc-tags-bin")
}

/// Whether a name has only the letters that gRPC knows in one: HTTP allows more, `!` for example,
/// but a backend fails the whole call for them.
fn is_grpc_name(name: &HeaderName) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    name.as_str().bytes().all(known)
}

/// Whether a `Connection` header lists this name.
fn lists(connection: &HeaderValue, name: &HeaderName) -> bool {
    connection
        .to_str()
        .is_ok_and(|list| list.split(',').any(|one| one.trim().eq_ignore_ascii_case(name.as_str())))
}

/// A `-bin` value: base64, padded or not, several joined by commas.
fn is_base64(value: &HeaderValue) -> bool {
    value.as_bytes().split(|byte| *byte == b',').all(|one| {
        let one = one.trim_ascii();
        let body = one.strip_suffix(b"==").or_else(|| one.strip_suffix(b"=")).unwrap_or(one);
        let padded = body.len() != one.len();
        body.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
            && body.len() % 4 != 1
            && (!padded || one.len() % 4 == 0)
    })
}

/// Tells the backend who called, in the headers that proxies use for it.
fn forward(head: &Parts, caller: &Caller, host: Option<HeaderValue>, metadata: &mut Metadata) {
    let kept = |name: &HeaderName| head.headers.get(name).filter(|_| caller.trusted).cloned();
    if let Some(chain) = forwarded_for(head, caller) {
        metadata.insert(FORWARDED_FOR, chain);
    }
    let scheme = || HeaderValue::from_static(caller.scheme);
    metadata.insert(FORWARDED_PROTO, kept(&FORWARDED_PROTO).unwrap_or_else(scheme));
    if let Some(host) = kept(&FORWARDED_HOST).or(host) {
        metadata.insert(FORWARDED_HOST, host);
    }
    if caller.trusted {
        for forwarded in head.headers.get_all(header::FORWARDED) {
            metadata.append(header::FORWARDED, forwarded.clone());
        }
    }
}

/// The peer, behind those whom a trusted peer names, on however many lines it does.
fn forwarded_for(head: &Parts, caller: &Caller) -> Option<HeaderValue> {
    if !caller.trusted {
        return caller.forwarded_for.clone();
    }
    let named = head.headers.get_all(FORWARDED_FOR).into_iter().chain(&caller.forwarded_for);
    let chain: Vec<_> = named.map(HeaderValue::as_bytes).collect();
    HeaderValue::from_bytes(&chain.join(&b", "[..])).ok().filter(|chain| !chain.is_empty())
}

/// The name that the caller called us by. An authority in the request's target goes before `Host`
/// (RFC 9112 §3.2.2, RFC 9113 §8.3.1).
fn host(head: &Parts) -> Result<Option<HeaderValue>, Error> {
    let mut hosts = head.headers.get_all(HOST).into_iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(bad_host("there is more than one `Host` header; send one"));
    }
    if host.is_some_and(|host| !host.as_bytes().iter().all(is_host_byte)) {
        return Err(bad_host("the `Host` header is no host name or address, with or without port"));
    }
    if host.is_none() && head.version == Version::HTTP_11 {
        return Err(bad_host("HTTP/1.1 asks for a `Host` header"));
    }
    let authority = head.uri.authority();
    let authority = authority.and_then(|one| HeaderValue::from_str(one.as_str()).ok());
    Ok(authority.or_else(|| host.cloned()))
}

/// A byte of RFC 3986's `host [":" port]`.
fn is_host_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:[]%".contains(byte)
}

/// RFC 9112 §3.2 wants 400 for each of these.
fn bad_host(message: &'static str) -> Error {
    Error::invalid("bad_host", message)
}

/// Adds a backend's metadata to response headers; what belongs to gRPC or to the hop stays behind.
pub fn to_response(metadata: Metadata, headers: &mut HeaderMap) {
    if headers.is_empty() && metadata.keys().all(|name| !is_upstream_only(name.as_str())) {
        *headers = metadata;
        return;
    }
    let mut current = None;
    for (name, value) in metadata {
        // The map's own iterator gives a name only with the first of its values.
        current = name.or(current);
        if let Some(name) = &current
            && !is_upstream_only(name.as_str())
        {
            headers.append(name, value);
        }
    }
}

/// Whether response metadata concerns the hop between gateway and backend alone.
pub fn is_upstream_only(name: &str) -> bool {
    is_grpcs_own(name)
        || matches!(
            name,
            "connection"
                | "content-length"
                | "content-type"
                | "content-encoding"
                | "keep-alive"
                | "proxy-connection"
                | "te"
                | "trailer"
                | "transfer-encoding"
                | "upgrade"
        )
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn metadata(request: http::request::Builder, caller: &Caller) -> Metadata {
        from_request(&request.body(()).unwrap().into_parts().0, caller).unwrap()
    }

    fn caller() -> Caller {
        Caller::new(Some("192.0.2.7:1234".parse().unwrap()), "http", 0)
    }

    #[test]
    fn end_to_end_headers_pass_and_hop_by_hop_ones_stay() {
        let request = Request::get("/v1/x")
            .header("authorization", "Bearer t")
            .header("x-tenant", "a")
            .header("x-tenant", "b")
            .header("trace-bin", "AAEC")
            .header("connection", "close, X-Secret")
            .header("x-secret", "hop")
            .header("te", "trailers")
            .header("content-length", "3")
            .header("grpc-timeout", "1S")
            .header("grpc-encoding", "gzip")
            .header("grpc-trace-bin", "AAAB")
            .header("host", "api.example");
        let request = request.header("connection", "x-second").header("x-second", "hop");
        let request = request.header("connect-timeout-ms", "5").header("x!y", "1");
        let seen = metadata(request, &caller());
        assert_eq!(seen.get("authorization").unwrap(), "Bearer t");
        assert_eq!(seen.get_all("x-tenant").iter().count(), 2);
        assert_eq!(seen.get("trace-bin").unwrap(), "AAEC");
        assert_eq!(seen.get("grpc-trace-bin").unwrap(), "AAAB");
        for name in [
            "connection",
            "x-secret",
            "x-second",
            "connect-timeout-ms",
            "x!y",
            "te",
            "content-length",
            "grpc-timeout",
            "grpc-encoding",
            "host",
        ] {
            assert!(!seen.contains_key(name), "{name}");
        }
        assert_eq!(seen.get("x-forwarded-for").unwrap(), "192.0.2.7");
        assert_eq!(seen.get("x-forwarded-proto").unwrap(), "http");
        assert_eq!(seen.get("x-forwarded-host").unwrap(), "api.example");
    }

    #[test]
    fn forwarding_headers_of_strangers_are_replaced_and_of_trusted_peers_kept() {
        let request = || {
            Request::get("/")
                .header("host", "api.example")
                .header("x-forwarded-for", "10.0.0.1")
                .header("x-forwarded-for", "10.0.0.2")
                .header("x-forwarded-proto", "https")
                .header("forwarded", "for=10.0.0.1")
        };
        let stranger = metadata(request(), &caller());
        assert_eq!(stranger.get("x-forwarded-for").unwrap(), "192.0.2.7");
        assert_eq!(stranger.get("x-forwarded-proto").unwrap(), "http");
        assert!(!stranger.contains_key("forwarded"));
        let trusted = metadata(request(), &caller().trusted(true));
        assert_eq!(trusted.get("x-forwarded-for").unwrap(), "10.0.0.1, 10.0.0.2, 192.0.2.7");
        assert_eq!(trusted.get("x-forwarded-proto").unwrap(), "https");
        assert_eq!(trusted.get("forwarded").unwrap(), "for=10.0.0.1");
    }

    #[test]
    fn binary_header_that_is_no_base64_is_refused() {
        for (value, good) in [
            ("", true),
            ("AA==", true),
            ("AA", true),
            ("AAEC,AA", true),
            ("A", false),
            ("AA=", false),
            ("!!", false),
        ] {
            let request = Request::get("/").header("host", "a").header("x-bin", value);
            let (head, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(from_request(&head, &caller()).is_ok(), good, "{value}");
        }
    }

    #[test]
    fn host_is_one_and_well_formed_and_yields_to_the_target() {
        let seen = |target: &str, version, hosts: &[&str]| {
            let mut request = Request::get(target).version(version);
            for host in hosts {
                request = request.header("host", *host);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            let metadata = from_request(&head, &caller()).map_err(|error| error.http_status())?;
            Ok(metadata.get("x-forwarded-host").map(|host| host.to_str().unwrap().to_owned()))
        };
        let found = |host: &str| Ok(Some(host.to_owned()));
        let refused = Err(http::StatusCode::BAD_REQUEST);
        assert_eq!(seen("/", Version::HTTP_11, &["a.example:80"]), found("a.example:80"));
        assert_eq!(seen("/", Version::HTTP_11, &["[::1]:80"]), found("[::1]:80"));
        assert_eq!(seen("http://b/", Version::HTTP_11, &["a"]), found("b"));
        assert_eq!(seen("http://b/", Version::HTTP_2, &[]), found("b"));
        assert_eq!(seen("/", Version::HTTP_2, &["a"]), found("a"));
        assert_eq!(seen("/", Version::HTTP_10, &[]), Ok(None));
        assert_eq!(seen("/", Version::HTTP_11, &[]), refused);
        for bad in ["a b", "a/b", "a@b", "a, b\"", "\u{e9}"] {
            assert_eq!(seen("/", Version::HTTP_11, &[bad]), refused, "{bad}");
        }
        assert_eq!(seen("/", Version::HTTP_11, &["a", "a"]), refused);
    }

    #[test]
    fn head_over_the_limit_is_431() {
        let request = Request::get("/").header("x-long", "a".repeat(caller().head_limit));
        let error = from_request(&request.body(()).unwrap().into_parts().0, &caller()).unwrap_err();
        assert_eq!(error.http_status(), 431);
    }

    #[test]
    fn response_metadata_loses_what_is_grpcs_own() {
        let mut metadata = Metadata::new();
        metadata.append("x-a", "1".parse().unwrap());
        metadata.append("x-a", "2".parse().unwrap());
        metadata.append("grpc-status", "0".parse().unwrap());
        metadata.append("grpc-tags-bin", "AA".parse().unwrap());
        metadata.append("content-type", "application/grpc".parse().unwrap());
        metadata.append("set-cookie", "c=1".parse().unwrap());
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        to_response(metadata, &mut headers);
        assert_eq!(headers.get_all("x-a").iter().count(), 2);
        assert_eq!(headers.get("content-type").unwrap(), "application/json");
        assert!(headers.contains_key("set-cookie"));
        assert!(headers.contains_key("grpc-tags-bin") && !headers.contains_key("grpc-status"));
    }
}
