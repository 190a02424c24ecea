//! Writes outcomes: a unary call's as one body, a stream's as frames.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Response,
    header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, VARY},
};

use super::{failure, form, stream::Frames};
use crate::{
    coding::Coding,
    error::Error,
    exchange::Reply,
    protocol::{
        Answer, ResponseBody, Tongue, Written,
        codec::Codec,
        only::only_message,
        outgoing::{FrameWriter, WORTH},
        packing::{CONNECT, HTTP},
        shape::Shape,
        streamed,
    },
};

/// Writes the outcome of a unary call.
pub(super) struct UnaryAnswer {
    pub(super) shape: Arc<Shape>,
    pub(super) codec: Codec,
    pub(super) coding: Option<Coding>,
    /// Whether caches may keep it, and so have to know what it depends on.
    pub(super) get: bool,
    /// HEAD is answered like GET, without the body (RFC 9110 §9.3.2).
    pub(super) head: bool,
}

impl Answer for UnaryAnswer {
    fn tongue(&self) -> Tongue {
        failure::TONGUE
    }

    fn write(self: Box<Self>, outcome: Result<Reply, Error>) -> Written {
        let reply = match outcome {
            Ok(reply) => reply,
            Err(error) => return Written::Now(self.fail(&error)),
        };
        match reply.messages.as_one().cloned() {
            Some(message) => Written::Now(self.succeed(message, reply)),
            None => Written::Later(Box::pin(self.wait(reply))),
        }
    }
}

impl UnaryAnswer {
    async fn wait(self: Box<Self>, mut reply: Reply) -> Response<ResponseBody> {
        match only_message(&mut reply.messages).await {
            Ok(message) => self.succeed(message, reply),
            Err(error) => self.fail(&error),
        }
    }

    fn fail(&self, error: &Error) -> Response<ResponseBody> {
        bare(failure::unary(error, Some(&self.shape.plans)), self.head)
    }

    fn succeed(&self, message: Bytes, reply: Reply) -> Response<ResponseBody> {
        match self.body(message) {
            Ok((body, coding)) => bare(self.respond(body, coding, reply), self.head),
            Err(error) => self.fail(&error),
        }
    }

    /// The body, and the coding that it has.
    fn body(&self, message: Bytes) -> Result<(Bytes, Option<Coding>), Error> {
        let body = self.shape.write(self.codec, message)?;
        match self.coding.filter(|_| body.len() >= WORTH) {
            Some(coding) => Ok((coding.pack(&body)?, Some(coding))),
            None => Ok((body, None)),
        }
    }

    fn respond(&self, body: Bytes, coding: Option<Coding>, reply: Reply) -> Response<ResponseBody> {
        let Reply { metadata, mut messages } = reply;
        let mut response = Response::new(ResponseBody::Whole(body));
        let headers = response.headers_mut();
        failure::lead(metadata, headers);
        for (name, value) in failure::trailing(&messages.take_trailers()) {
            // A name and eight letters may be too long for a name.
            if let Ok(name) = HeaderName::try_from(format!("trailer-{name}")) {
                headers.append(name, value.clone());
            }
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(form::content_type(self.codec)));
        HTTP.tell(coding, headers);
        if self.get {
            headers.append(VARY, ACCEPT_ENCODING.into());
        }
        response
    }
}

/// The response as its request allows: to HEAD without its body, but with its length.
pub(super) fn bare(mut response: Response<ResponseBody>, head: bool) -> Response<ResponseBody> {
    if head && let ResponseBody::Whole(body) = std::mem::take(response.body_mut()) {
        response.headers_mut().insert(CONTENT_LENGTH, body.len().into());
    }
    response
}

/// Writes the outcome of a stream.
pub(super) struct StreamAnswer {
    pub(super) shape: Arc<Shape>,
    pub(super) codec: Codec,
    pub(super) coding: Option<Coding>,
}

impl Answer for StreamAnswer {
    fn tongue(&self) -> Tongue {
        failure::stream_tongue(self.codec)
    }

    fn write(self: Box<Self>, outcome: Result<Reply, Error>) -> Written {
        let answered = outcome.and_then(|reply| self.succeed(reply));
        Written::Now(answered.unwrap_or_else(|error| {
            failure::stream(&error, form::stream_type(self.codec), Some(&self.shape.plans))
        }))
    }
}

impl StreamAnswer {
    fn succeed(&self, reply: Reply) -> Result<Response<ResponseBody>, Error> {
        let Self { shape, codec, coding } = self;
        let json = (*codec == Codec::Json).then(|| shape.clone());
        let writer = FrameWriter { json, coding: *coding };
        let form = Frames { writer, plans: shape.plans.clone() };
        let mut response = Response::new(streamed::body(reply.messages, form)?);
        let headers = response.headers_mut();
        failure::lead(reply.metadata, headers);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(form::stream_type(*codec)));
        CONNECT.tell(*coding, headers);
        Ok(response)
    }
}
