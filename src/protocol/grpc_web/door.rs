//! Knows a gRPC-Web request, and opens its call.

use std::sync::Arc;

use http::{HeaderName, Method, Request};
use hyper::body::Incoming;

use super::{content::Said, form::Frames, text::TextPieces};
use crate::protocol::{
    Call, Caller, Compiled, Door, Material, Methods, Opening, Tongue, Upload,
    rpc::{self, answer::RpcAnswer, refusal::Refuser},
    status,
};

const REFUSER: Refuser = Refuser {
    name: "gRPC-Web",
    content_type: "application/grpc-web",
    taken: "application/grpc-web, application/grpc-web+proto, application/grpc-web+json, \
            application/grpc-web-text, application/grpc-web-text+proto",
};

/// A browser's word that it speaks gRPC-Web, which concerns this hop alone.
const X_GRPC_WEB: HeaderName = HeaderName::from_static("x-grpc-web");

/// gRPC-Web, compiled for one schema.
struct GrpcWeb {
    methods: Arc<Methods>,
}

/// Compiles the door; nothing can be wrong with it.
pub(super) fn compile(material: &Material<'_>) -> Compiled {
    let door = GrpcWeb { methods: material.methods.clone() };
    Compiled { door: Some(Box::new(door)), problems: Vec::new() }
}

impl Door for GrpcWeb {
    fn name(&self) -> &'static str {
        super::ENTRY.name
    }

    fn knows(&self, request: &Request<Incoming>) -> bool {
        Said::by(request.headers()) != Said::Nothing
    }

    fn tongue(&self) -> Tongue {
        REFUSER.tongue()
    }

    fn open(&self, request: Request<Incoming>, caller: &Caller) -> Opening {
        let (mut head, body) = request.into_parts();
        let body = Upload::new(body, &head.headers);
        if head.method != Method::POST {
            return Opening::Answered(REFUSER.needs_post(&head.method));
        }
        let sent = match Said::by(&head.headers) {
            Said::Content(content) => content,
            Said::UnknownCodec(codec) => return Opening::Answered(REFUSER.unknown_codec(codec)),
            Said::Nothing => return Opening::Answered(REFUSER.unknown_codec("nothing")),
        };
        head.headers.remove(X_GRPC_WEB);
        let answered = sent.answered(&head.headers);
        let (content_type, text) = (answered.content_type(), answered.text);
        match rpc::open(&self.methods, &head, caller, sent.codec) {
            Err(error) => {
                let meant = self.methods.schema.method_by_path(head.uri.path());
                Opening::refused(status::trailers_only(&error, content_type), meant)
            }
            Ok(opened) => {
                let form = Frames { writer: opened.writer(), text };
                Opening::Call(Box::new(Call {
                    answer: Box::new(RpcAnswer { content_type, form }),
                    exchange: match sent.text {
                        true => opened.with_messages(TextPieces::new(body)),
                        false => opened.with_messages(body),
                    },
                    route: Arc::default(),
                }))
            }
        }
    }
}
