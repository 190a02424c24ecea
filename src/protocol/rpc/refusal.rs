//! What is no call although its content type says so: told in HTTP's words and in gRPC's.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header::ALLOW};

use crate::{
    error::{Code, Error, Origin},
    protocol::{ResponseBody, Tongue, status},
};

const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

/// A refusal in the words of a protocol.
pub struct Refuser {
    /// The protocol's name.
    pub name: &'static str,
    /// The content type of its answers.
    pub content_type: &'static str,
    /// The content types that it takes.
    pub taken: &'static str,
}

impl Refuser {
    /// Another HTTP method than POST.
    pub fn needs_post(&self, method: &Method) -> Response<ResponseBody> {
        let message = format!("{} calls are POST and never {method:.20}", self.name);
        let error = refused("method_not_allowed", message);
        let error = error.with_header(ALLOW, HeaderValue::from_static("POST"));
        self.respond(&error, StatusCode::METHOD_NOT_ALLOWED)
    }

    /// A codec that nobody here speaks.
    pub fn unknown_codec(&self, codec: &str) -> Response<ResponseBody> {
        let taken = self.taken;
        let message = format!("messages in `{codec:.50}` are not known; send {taken}");
        let error = refused("unknown_codec", message);
        let error = error.with_header(ACCEPT_POST, HeaderValue::from_static(taken));
        self.respond(&error, StatusCode::UNSUPPORTED_MEDIA_TYPE)
    }

    /// A request over HTTP/1.1, of which callers see no trailers.
    pub fn needs_http2(&self) -> Response<ResponseBody> {
        let message = "gRPC needs HTTP/2; over HTTP/1.1 speak gRPC-Web (`application/grpc-web`)";
        self.respond(&refused("http_version", message), StatusCode::HTTP_VERSION_NOT_SUPPORTED)
    }

    /// How callers are told of an error.
    pub fn tongue(&self) -> Tongue {
        Tongue { content_type: self.content_type, write: status::trailers_only }
    }

    fn respond(&self, error: &Error, http: StatusCode) -> Response<ResponseBody> {
        let mut response = self.tongue().tell(error);
        *response.status_mut() = http;
        response
    }
}

fn refused(reason: &'static str, message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(Code::Unimplemented, reason, message).with_origin(Origin::Downstream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Refusal;

    #[test]
    fn refusal_speaks_both_tongues() {
        let (name, content_type) = ("gRPC", "application/grpc");
        let refuser = Refuser { name, content_type, taken: content_type };
        for (response, http, header) in [
            (refuser.needs_http2(), 505, "grpc-message"),
            (refuser.needs_post(&Method::GET), 405, "allow"),
            (refuser.unknown_codec("thrift"), 415, "accept-post"),
        ] {
            assert_eq!(response.status(), http);
            assert_eq!(response.headers()["grpc-status"], "12");
            assert!(response.headers().contains_key(header));
            assert!(response.extensions().get::<Refusal>().is_some());
        }
    }
}
