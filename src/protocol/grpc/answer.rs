//! The answer to a gRPC call: at once, for its head is known as soon as the backend's is.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response, header::CONTENT_TYPE};

use super::stream::FrameBody;
use crate::{
    error::Error,
    exchange::Reply,
    protocol::{
        Answer, ResponseBody, Written,
        codec::Json,
        metadata,
        outgoing::{self, Outgoing},
        rpc::tell_coding,
        status,
    },
};

/// Writes the outcome of a gRPC call.
pub(super) struct GrpcAnswer {
    pub(super) content_type: HeaderValue,
    pub(super) json: Option<Arc<Json>>,
}

impl Answer for GrpcAnswer {
    fn write(self: Box<Self>, outcome: Result<Reply, Error>) -> Written {
        let answered = outcome.and_then(|reply| self.answer(reply));
        let trailed = |trailers| ResponseBody::Trailed(Bytes::new(), Box::new(trailers));
        let failed = |error: Error| status::failed(&error, self.content_type, trailed);
        Written::Now(answered.unwrap_or_else(failed))
    }
}

impl GrpcAnswer {
    fn answer(&self, reply: Reply) -> Result<Response<ResponseBody>, Error> {
        let Reply { metadata, mut messages } = reply;
        let mut response = Response::new(ResponseBody::Empty);
        let headers = response.headers_mut();
        metadata::to_response(metadata, headers);
        headers.insert(CONTENT_TYPE, self.content_type.clone());
        if self.json.is_none() {
            tell_coding(messages.coding(), headers);
        }
        *response.body_mut() = match outgoing::frame_at_hand(&messages, self.json.as_deref())? {
            Some(frame) => {
                let trailers = status::of_success(messages.take_trailers());
                ResponseBody::Trailed(frame.into(), Box::new(trailers))
            }
            None => {
                ResponseBody::stream(FrameBody::new(Outgoing::new(messages, self.json.clone())))
            }
        };
        Ok(response)
    }
}
