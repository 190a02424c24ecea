//! Knows a gRPC request, and opens its call.

use std::sync::Arc;

use http::{HeaderValue, Method, Request, Version, header::CONTENT_TYPE};
use hyper::body::Incoming;

use super::{answer::GrpcAnswer, refusal};
use crate::protocol::{
    Call, Caller, Compiled, Door, Material, Opening, Upload,
    codec::{Codec, ContentType},
    rpc::Methods,
    status,
};

/// What the content type begins with.
const BASE: &str = "application/grpc";

/// gRPC, compiled for one schema.
struct Grpc {
    methods: Methods,
}

/// Compiles the door; nothing can be wrong with it.
pub(super) fn compile(material: &Material<'_>) -> Compiled {
    let door = Grpc { methods: Methods::new(material) };
    Compiled { door: Some(Box::new(door)), problems: Vec::new() }
}

impl Door for Grpc {
    fn name(&self) -> &'static str {
        super::ENTRY.name
    }

    fn knows(&self, request: &Request<Incoming>) -> bool {
        content_type(request.headers().get(CONTENT_TYPE)).base.eq_ignore_ascii_case(BASE)
    }

    fn open(&self, request: Request<Incoming>, caller: &Caller) -> Opening {
        let (head, body) = request.into_parts();
        let body = Upload::new(body, &head.headers);
        let content = content_type(head.headers.get(CONTENT_TYPE));
        if head.version != Version::HTTP_2 {
            return Opening::Answered(refusal::needs_http2());
        }
        if head.method != Method::POST {
            return Opening::Answered(refusal::needs_post(&head.method));
        }
        let Some(codec) = content.codec() else {
            return Opening::Answered(refusal::unknown_codec(content.suffix));
        };
        let content_type = answered_with(content, codec);
        match self.methods.open(&head, caller, codec) {
            Err(error) => Opening::Answered(status::trailers_only(&error, content_type)),
            Ok(opened) => Opening::Call(Box::new(Call {
                answer: Box::new(GrpcAnswer { content_type, json: opened.json.clone() }),
                exchange: opened.with_messages(body),
                route: Arc::from(""),
            })),
        }
    }
}

fn content_type(header: Option<&HeaderValue>) -> ContentType<'_> {
    ContentType::parse(header.and_then(|value| value.to_str().ok()).unwrap_or_default())
}

/// The answer's content type: that of the request, as gRPC's clients expect.
fn answered_with(content: ContentType<'_>, codec: Codec) -> HeaderValue {
    HeaderValue::from_static(match codec {
        Codec::Json => "application/grpc+json",
        Codec::Proto if content.suffix.is_empty() => BASE,
        Codec::Proto => "application/grpc+proto",
    })
}
