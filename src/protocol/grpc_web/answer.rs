//! The answer to a gRPC-Web call: at once, for its head is known as soon as the backend's is.

use std::sync::Arc;

use http::{Response, header::CONTENT_TYPE};

use super::{
    form::Form,
    stream::{FrameBody, append_trailers, written},
};
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

/// Writes the outcome of a gRPC-Web call.
pub(super) struct WebAnswer {
    pub(super) form: Form,
    pub(super) json: Option<Arc<Json>>,
}

impl Answer for WebAnswer {
    fn write(self: Box<Self>, outcome: Result<Reply, Error>) -> Written {
        let (content_type, text) = (self.form.content_type(), self.form.text);
        let answered = outcome.and_then(|reply| self.answer(reply));
        let framed = |trailers| {
            let mut frame = Vec::new();
            append_trailers(&trailers, &mut frame);
            ResponseBody::Whole(written(frame, text))
        };
        let failed = |error: Error| status::failed(&error, content_type, framed);
        Written::Now(answered.unwrap_or_else(failed))
    }
}

impl WebAnswer {
    fn answer(&self, reply: Reply) -> Result<Response<ResponseBody>, Error> {
        let Reply { metadata, mut messages } = reply;
        let mut response = Response::new(ResponseBody::Empty);
        let headers = response.headers_mut();
        metadata::to_response(metadata, headers);
        headers.insert(CONTENT_TYPE, self.form.content_type());
        if self.json.is_none() {
            tell_coding(messages.coding(), headers);
        }
        let text = self.form.text;
        *response.body_mut() = match outgoing::frame_at_hand(&messages, self.json.as_deref())? {
            Some(mut frame) => {
                append_trailers(&status::of_success(messages.take_trailers()), &mut frame);
                ResponseBody::Whole(written(frame, text))
            }
            None => {
                let outgoing = Outgoing::new(messages, self.json.clone());
                ResponseBody::stream(FrameBody::new(outgoing, text))
            }
        };
        Ok(response)
    }
}
