//! Knows a gRPC request, and opens its call.

use std::sync::Arc;

use http::{HeaderValue, Method, Request, Version, header::CONTENT_TYPE};
use hyper::body::Incoming;

use super::form::Frames;
use crate::protocol::{
    Call, Caller, Compiled, Door, Material, Methods, Opening, Tongue, Upload,
    codec::{Codec, ContentType},
    rpc::{self, answer::RpcAnswer, refusal::Refuser},
    status,
};

/// What the content type begins with.
const BASE: &str = "application/grpc";

const REFUSER: Refuser = Refuser {
    name: "gRPC",
    content_type: BASE,
    taken: "application/grpc, application/grpc+proto, application/grpc+json",
};

/// gRPC, compiled for one schema.
struct Grpc {
    methods: Arc<Methods>,
}

/// Compiles the door; nothing can be wrong with it.
pub(super) fn compile(material: &Material<'_>) -> Compiled {
    let door = Grpc { methods: material.methods.clone() };
    Compiled { door: Some(Box::new(door)), problems: Vec::new() }
}

impl Door for Grpc {
    fn name(&self) -> &'static str {
        super::ENTRY.name
    }

    fn knows(&self, request: &Request<Incoming>) -> bool {
        content_type(request.headers().get(CONTENT_TYPE)).base.eq_ignore_ascii_case(BASE)
    }

    fn tongue(&self) -> Tongue {
        REFUSER.tongue()
    }

    fn open(&self, request: Request<Incoming>, caller: &Caller) -> Opening {
        let (head, body) = request.into_parts();
        let body = Upload::new(body, &head.headers);
        let content = content_type(head.headers.get(CONTENT_TYPE));
        if head.version != Version::HTTP_2 {
            return Opening::Answered(REFUSER.needs_http2());
        }
        if head.method != Method::POST {
            return Opening::Answered(REFUSER.needs_post(&head.method));
        }
        let Some(codec) = content.codec() else {
            return Opening::Answered(REFUSER.unknown_codec(content.suffix));
        };
        let content_type = answered_with(content, codec);
        match rpc::open(&self.methods, &head, caller, codec) {
            Err(error) => {
                let meant = self.methods.schema.method_by_path(head.uri.path());
                Opening::refused(status::trailers_only(&error, content_type), meant)
            }
            Ok(opened) => Opening::Call(Box::new(Call {
                answer: Box::new(RpcAnswer { content_type, form: Frames(opened.writer()) }),
                exchange: opened.with_messages(body),
                route: Arc::default(),
            })),
        }
    }
}

fn content_type(header: Option<&HeaderValue>) -> ContentType<'_> {
    ContentType::parse(header.and_then(|value| value.to_str().ok()).unwrap_or_default())
}

/// The answer's content type: that of the request, as gRPC's clients expect.
fn answered_with(content: ContentType<'_>, codec: Codec) -> &'static str {
    match codec {
        Codec::Json => "application/grpc+json",
        Codec::Proto if content.suffix.is_empty() => BASE,
        Codec::Proto => "application/grpc+proto",
    }
}
