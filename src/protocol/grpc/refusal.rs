//! What is no gRPC although its content type says so: told in HTTP's words and in gRPC's.

use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header::ALLOW};

use crate::{
    error::{Code, Error, Origin},
    protocol::{ResponseBody, status},
};

const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

/// A request over HTTP/1.1, which has no trailers that clients see.
pub(super) fn needs_http2() -> Response<ResponseBody> {
    let message = "gRPC needs HTTP/2; over HTTP/1.1 speak gRPC-Web (`application/grpc-web`)";
    respond(refused("http_version", message), StatusCode::HTTP_VERSION_NOT_SUPPORTED)
}

/// Another HTTP method than gRPC's only one.
pub(super) fn needs_post(method: &Method) -> Response<ResponseBody> {
    const SHOWN: usize = 20;
    let shown = &method.as_str()[..method.as_str().floor_char_boundary(SHOWN)];
    let error = refused("method_not_allowed", format!("gRPC calls are POST and never {shown}"));
    let error = error.with_header(ALLOW, HeaderValue::from_static("POST"));
    respond(error, StatusCode::METHOD_NOT_ALLOWED)
}

/// A codec that nobody here speaks.
pub(super) fn unknown_codec(codec: &str) -> Response<ResponseBody> {
    const SHOWN: usize = 50;
    let shown = &codec[..codec.floor_char_boundary(SHOWN)];
    let taken = "application/grpc, application/grpc+proto, application/grpc+json";
    let message = format!("messages in `{shown}` are not known; send {taken}");
    let error = refused("unknown_codec", message);
    let error = error.with_header(ACCEPT_POST, HeaderValue::from_static(taken));
    respond(error, StatusCode::UNSUPPORTED_MEDIA_TYPE)
}

fn refused(reason: &'static str, message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Code::Unimplemented, reason, message).with_origin(Origin::Downstream)
}

fn respond(error: Error, http: StatusCode) -> Response<ResponseBody> {
    let mut response = status::trailers_only(&error, HeaderValue::from_static("application/grpc"));
    *response.status_mut() = http;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Refusal;

    #[test]
    fn refusal_speaks_both_tongues() {
        for (response, http, header) in [
            (needs_http2(), 505, "grpc-message"),
            (needs_post(&Method::GET), 405, "allow"),
            (unknown_codec("thrift"), 415, "accept-post"),
        ] {
            assert_eq!(response.status(), http);
            assert_eq!(response.headers()["grpc-status"], "12");
            assert!(response.headers().contains_key(header));
            assert!(response.extensions().get::<Refusal>().is_some());
        }
    }
}
