//! Knows a gRPC-Web request, and opens its call.

use std::sync::Arc;

use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode, header::ALLOW, request::Parts,
};
use hyper::body::Incoming;

use super::{
    answer::WebAnswer,
    form::{Form, Said},
    text::TextPieces,
};
use crate::{
    error::{Code, Error, Origin},
    protocol::{
        Call, Caller, Compiled, Door, Material, Opening, ResponseBody, Upload, rpc::Methods, status,
    },
};

const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

/// A browser's word that it speaks gRPC-Web, which concerns this hop alone.
const X_GRPC_WEB: HeaderName = HeaderName::from_static("x-grpc-web");

/// gRPC-Web, compiled for one schema.
struct GrpcWeb {
    methods: Methods,
}

/// Compiles the door; nothing can be wrong with it.
pub(super) fn compile(material: &Material<'_>) -> Compiled {
    let door = GrpcWeb { methods: Methods::new(material) };
    Compiled { door: Some(Box::new(door)), problems: Vec::new() }
}

impl Door for GrpcWeb {
    fn name(&self) -> &'static str {
        super::ENTRY.name
    }

    fn knows(&self, request: &Request<Incoming>) -> bool {
        Said::by(request.headers()) != Said::Nothing
    }

    fn open(&self, request: Request<Incoming>, caller: &Caller) -> Opening {
        let (mut head, body) = request.into_parts();
        let body = Upload::new(body, &head.headers);
        let form = match check(&head) {
            Ok(form) => form,
            Err((error, status)) => return Opening::Answered(respond(&error, status)),
        };
        head.headers.remove(X_GRPC_WEB);
        let answered = form.answered(&head.headers);
        match self.methods.open(&head, caller, form.codec) {
            Err(error) => Opening::Answered(status::trailers_only(&error, answered.content_type())),
            Ok(opened) => Opening::Call(Box::new(Call {
                answer: Box::new(WebAnswer { form: answered, json: opened.json.clone() }),
                exchange: match form.text {
                    true => opened.with_messages(TextPieces::new(body)),
                    false => opened.with_messages(body),
                },
                route: Arc::from(""),
            })),
        }
    }
}

/// The request's form, or why it can't be a call.
fn check(head: &Parts) -> Result<Form, (Error, StatusCode)> {
    let said = Said::by(&head.headers);
    if head.method != Method::POST {
        const SHOWN: usize = 20;
        let shown = &head.method.as_str()[..head.method.as_str().floor_char_boundary(SHOWN)];
        let message = format!("gRPC-Web calls are POST and never {shown}");
        let error = refused("method_not_allowed", message)
            .with_header(ALLOW, HeaderValue::from_static("POST"));
        return Err((error, StatusCode::METHOD_NOT_ALLOWED));
    }
    match said {
        Said::Form(form) => Ok(form),
        Said::UnknownCodec(codec) => Err(unknown_codec(codec)),
        Said::Nothing => Err(unknown_codec("nothing")),
    }
}

fn unknown_codec(codec: &str) -> (Error, StatusCode) {
    const SHOWN: usize = 50;
    let shown = &codec[..codec.floor_char_boundary(SHOWN)];
    let taken = "application/grpc-web, application/grpc-web+proto, application/grpc-web+json, \
                 application/grpc-web-text, application/grpc-web-text+proto";
    let message = format!("messages in `{shown}` are not known; send {taken}");
    let error =
        refused("unknown_codec", message).with_header(ACCEPT_POST, HeaderValue::from_static(taken));
    (error, StatusCode::UNSUPPORTED_MEDIA_TYPE)
}

fn refused(reason: &'static str, message: String) -> Error {
    Error::new(Code::Unimplemented, reason, message).with_origin(Origin::Downstream)
}

fn respond(error: &Error, http: StatusCode) -> Response<ResponseBody> {
    let content_type = HeaderValue::from_static("application/grpc-web");
    let mut response = status::trailers_only(error, content_type);
    *response.status_mut() = http;
    response
}
