//! The opening handshake: RFC 6455 §4.2 over HTTP/1.1, RFC 8441 §5 over HTTP/2.
//!
//! ```text
//! GET /path  upgrade: websocket  sec-websocket-key: …    ─►  101  sec-websocket-accept: …
//! CONNECT /path  :protocol = websocket                   ─►  200
//! ```

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{
        CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
        SEC_WEBSOCKET_VERSION, UPGRADE,
    },
    request::Parts,
};
use http_body::Body;
use hyper::ext::Protocol;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::{
    error::{Code, Error, Origin},
    protocol::ResponseBody,
};

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const VERSION: HeaderValue = HeaderValue::from_static("13");

/// Whether a request wants to be a WebSocket, or another protocol that we speak as little as REST
/// does.
pub(super) fn asks<B>(request: &Request<B>) -> bool {
    match request.version() {
        Version::HTTP_11 => {
            *request.method() == Method::GET && lists(request.headers(), UPGRADE, "websocket")
        }
        _ => request.extensions().get::<Protocol>().is_some(),
    }
}

/// Checks a handshake; gives the answer to it, but for the subprotocol.
///
/// # Errors
/// 400, 426 or 501, in words that tell what to send.
pub(super) fn accept<B: Body>(
    head: &Parts,
    body: &B,
    subprotocol: Option<HeaderValue>,
) -> Result<Response<ResponseBody>, Error> {
    let mut response = Response::new(ResponseBody::Empty);
    let headers = response.headers_mut();
    if head.version == Version::HTTP_11 {
        check_upgrade(head, body)?;
        headers.insert(UPGRADE, WEBSOCKET);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept_key(&head.headers)?);
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    } else {
        check_protocol(head)?;
    }
    check_version(&head.headers)?;
    if let Some(name) = subprotocol {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, name);
    }
    Ok(response)
}

fn check_upgrade<B: Body>(head: &Parts, body: &B) -> Result<(), Error> {
    if !lists(&head.headers, CONNECTION, "upgrade") {
        return Err(bad(
            "the handshake lacks `Connection: Upgrade`; a proxy on the way may have dropped it",
        ));
    }
    if !body.is_end_stream() {
        return Err(bad("a WebSocket handshake has no body"));
    }
    Ok(())
}

/// RFC 8441 §4: CONNECT with `:protocol`. RFC 9220 §3 wants 501 for one that isn't spoken.
fn check_protocol(head: &Parts) -> Result<(), Error> {
    let protocol = head.extensions.get::<Protocol>().map(Protocol::as_str);
    if protocol.is_some_and(|name| name.eq_ignore_ascii_case("websocket")) {
        return Ok(());
    }
    let message = "of extended CONNECT's protocols only `websocket` is spoken here";
    Err(Error::new(Code::Unimplemented, "unknown_protocol", message)
        .with_origin(Origin::Downstream)
        .with_http(StatusCode::NOT_IMPLEMENTED))
}

fn check_version(headers: &HeaderMap) -> Result<(), Error> {
    let mut versions = headers.get_all(SEC_WEBSOCKET_VERSION).into_iter();
    if versions.next() == Some(&VERSION) && versions.next().is_none() {
        return Ok(());
    }
    let message = "only version 13 of WebSocket is spoken here: send `Sec-WebSocket-Version: 13`";
    // RFC 9110 §15.5.22 wants `Upgrade` beside RFC 6455's own header.
    Err(Error::new(Code::InvalidArgument, "bad_handshake", message)
        .with_origin(Origin::Downstream)
        .with_http(StatusCode::UPGRADE_REQUIRED)
        .with_header(SEC_WEBSOCKET_VERSION, VERSION)
        .with_header(UPGRADE, WEBSOCKET))
}

/// What proves that we have read the handshake (RFC 6455 §4.2.2, step 5.4).
fn accept_key(headers: &HeaderMap) -> Result<HeaderValue, Error> {
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).into_iter();
    let key = keys.next().filter(|key| is_key(key.as_bytes()) && keys.next().is_none());
    let key = key.ok_or_else(|| {
        bad("a WebSocket handshake has one `Sec-WebSocket-Key`: 16 random bytes in base64")
    })?;
    let accept = derive_accept_key(key.as_bytes());
    HeaderValue::try_from(accept).map_err(|_| bad("the handshake's key is none"))
}

/// Sixteen bytes in base64: 22 digits and the padding.
fn is_key(key: &[u8]) -> bool {
    let Some(digits) = key.strip_suffix(b"==") else { return false };
    digits.len() == 22
        && digits.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

fn bad(message: &'static str) -> Error {
    Error::invalid("bad_handshake", message)
}

/// Whether a header that is a list has this token, in any case.
fn lists(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake() -> http::request::Builder {
        Request::get("/")
            .header("upgrade", "h2c, WebSocket")
            .header("connection", "keep-alive, Upgrade")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
    }

    fn accepted(
        change: impl FnOnce(&mut HeaderMap),
        body: &'static str,
    ) -> Result<Response<ResponseBody>, StatusCode> {
        let mut request = handshake().body(ResponseBody::whole(body)).unwrap();
        change(request.headers_mut());
        assert!(asks(&request));
        let (head, body) = request.into_parts();
        accept(&head, &body, None).map_err(|error| error.http_status())
    }

    #[test]
    fn handshake_of_the_rfc_is_accepted() {
        let response = accepted(|_| (), "").unwrap();
        assert_eq!(response.status(), 101);
        assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(response.headers()["upgrade"], "websocket");
    }

    #[test]
    fn mistakes_are_plain_answers() {
        fn replace(name: &'static str, values: &[&'static str]) -> impl FnOnce(&mut HeaderMap) {
            move |headers| {
                headers.remove(name);
                for value in values {
                    headers.append(name, HeaderValue::from_static(value));
                }
            }
        }
        for (name, values, status) in [
            ("connection", &["keep-alive"][..], 400),
            ("connection", &[], 400),
            ("sec-websocket-version", &["8"], 426),
            ("sec-websocket-version", &["13, 8"], 426),
            ("sec-websocket-version", &[], 426),
            ("sec-websocket-key", &[], 400),
            ("sec-websocket-key", &["short"], 400),
            ("sec-websocket-key", &["dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=="], 400),
        ] {
            let refused = accepted(replace(name, values), "").map(|_| ()).unwrap_err();
            assert_eq!(refused, status, "{name}: {values:?}");
        }
        assert_eq!(accepted(|_| (), "body").map(|_| ()).unwrap_err(), 400);
    }

    #[test]
    fn other_requests_are_not_asked_for() {
        let is_asked = |request: http::request::Builder| asks(&request.body(()).unwrap());
        assert!(!is_asked(Request::get("/")));
        assert!(!is_asked(Request::get("/").header("upgrade", "h2c")));
        assert!(!is_asked(handshake().method("POST")));
        assert!(!is_asked(handshake().version(Version::HTTP_10)));
        assert!(!is_asked(handshake().version(Version::HTTP_2)));
    }
}
