//! The answer to a unary call, and the choice of the form for a stream.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderValue, Method, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName},
};

use super::{
    binding::{Binding, ResponseShape},
    compression::Accepts,
    http_body::HttpBody,
    negotiate::{Accepted, Framing},
    raw_stream::RawStream,
    stream::JsonStream,
};
use crate::{
    error::{Code, Error, Origin},
    exchange::{Messages, Metadata, Reply},
    protocol::{
        Answer, ResponseBody, Tongue, Written, body::StreamedBody, failure, json, metadata,
        only::only_message, streamed::StreamBody,
    },
};

const HTTP_CODE: HeaderName = HeaderName::from_static("x-http-code");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Writes the outcome of a REST call.
pub(super) struct RestAnswer {
    pub(super) binding: Arc<Binding>,
    pub(super) accepted: Accepted,
    /// The codings that the caller takes, where answers are compressed.
    pub(super) codings: Option<Accepts>,
    /// HEAD is answered like GET, without the body (RFC 9110 §9.3.2).
    pub(super) head: bool,
}

impl Answer for RestAnswer {
    fn tongue(&self) -> Tongue {
        if self.accepted.problem { failure::PROBLEM_TONGUE } else { failure::TONGUE }
    }

    fn write(self: Box<Self>, outcome: Result<Reply, Error>) -> Written {
        let reply = match outcome {
            Ok(reply) => reply,
            Err(error) => return Written::Now(self.fail(&error)),
        };
        if !self.binding.rule.method.server_streaming
            && let Some(message) = reply.messages.as_one().cloned()
        {
            return Written::Now(self.unary(message, reply));
        }
        Written::Later(Box::pin(self.wait(reply)))
    }
}

impl RestAnswer {
    fn fail(&self, error: &Error) -> Response<ResponseBody> {
        self.headless(failure::respond(error, &self.binding.plans, self.accepted.problem))
    }

    /// HTTP's status waits for the first message or the end, so that an early error is a plain one.
    async fn wait(self: Box<Self>, mut reply: Reply) -> Response<ResponseBody> {
        if !self.binding.rule.method.server_streaming {
            return match only_message(&mut reply.messages).await {
                Ok(message) => self.unary(message, reply),
                Err(error) => self.fail(&error),
            };
        }
        match reply.messages.next().await.transpose() {
            Ok(first) => self.stream(first, reply),
            // The head has not left, so its metadata go with the error's own.
            Err(error) => self.fail(&error.with_head(reply.metadata)),
        }
    }

    fn unary(&self, message: Bytes, mut reply: Reply) -> Response<ResponseBody> {
        let (content_type, body) = match self.content(message) {
            Ok(content) => content,
            Err(error) => return self.fail(&error),
        };
        let mut response = self.begin(reply.metadata, content_type);
        let trailers = reply.messages.take_trailers();
        self.binding.trailers.add(&trailers, response.headers_mut());
        *response.body_mut() = ResponseBody::Whole(body);
        self.headless(response)
    }

    /// A message's content type and body.
    fn content(&self, message: Bytes) -> Result<(HeaderValue, Bytes), Error> {
        match &self.binding.response {
            ResponseShape::RawWhole | ResponseShape::RawField(_) => {
                let body = self.binding.raw_response(message)?;
                Ok((raw_content_type(&body)?, body.data))
            }
            ResponseShape::Message | ResponseShape::Field(_) => {
                let mut text = Vec::with_capacity(json::room(message.len()));
                self.binding.write_json(&message, &mut text)?;
                Ok((JSON, text.into()))
            }
        }
    }

    fn stream(&self, first: Option<Bytes>, reply: Reply) -> Response<ResponseBody> {
        let Reply { metadata, messages } = reply;
        let streamed = if self.is_raw() {
            self.raw_stream(first, metadata, messages)
        } else {
            self.json_stream(first, metadata, messages)
        };
        streamed.unwrap_or_else(|error| self.fail(&error))
    }

    /// Whether the body is an HttpBody's.
    fn is_raw(&self) -> bool {
        matches!(self.binding.response, ResponseShape::RawWhole | ResponseShape::RawField(_))
    }

    fn json_stream(
        &self,
        first: Option<Bytes>,
        metadata: Metadata,
        messages: Messages,
    ) -> Result<Response<ResponseBody>, Error> {
        let (binding, framing) = (self.binding.clone(), self.accepted.framing);
        let form = JsonStream { binding, framing, started: false };
        let body = StreamBody::begun(first, messages, form)?;
        let content_type = HeaderValue::from_static(self.accepted.content_type);
        let mut response = self.begin(metadata, content_type);
        if self.accepted.framing == Framing::Events {
            let headers = response.headers_mut();
            // Events are of the moment: neither caches nor proxies may keep them back.
            headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
            headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        }
        Ok(self.streamed(response, body))
    }

    fn raw_stream(
        &self,
        first: Option<Bytes>,
        metadata: Metadata,
        messages: Messages,
    ) -> Result<Response<ResponseBody>, Error> {
        // The first message's content type is that of all of them.
        let head = first.clone().map(|message| self.binding.raw_response(message)).transpose()?;
        let content_type = raw_content_type(&head.unwrap_or_default())?;
        let body = StreamBody::begun(first, messages, RawStream(self.binding.clone()))?;
        let response = self.begin(metadata, content_type);
        Ok(self.streamed(response, body))
    }

    /// A response and the stream that is its body.
    fn streamed(
        &self,
        mut response: Response<ResponseBody>,
        body: impl StreamedBody + 'static,
    ) -> Response<ResponseBody> {
        self.binding.trailers.announce(response.headers_mut());
        *response.body_mut() = ResponseBody::stream(body);
        self.headless(response)
    }

    /// A success's status and headers.
    fn begin(&self, metadata: Metadata, content_type: HeaderValue) -> Response<ResponseBody> {
        let mut response = Response::new(ResponseBody::Empty);
        if self.binding.settings.status_from_metadata
            && let Some(status) = metadata.get(HTTP_CODE).and_then(success_status)
        {
            *response.status_mut() = status;
        }
        let headers = response.headers_mut();
        // Raw bytes may be packed already, and only the backend knows.
        let coding = metadata.get(CONTENT_ENCODING).filter(|_| self.is_raw()).cloned();
        metadata::to_response(metadata, headers);
        if let Some(coding) = coding {
            headers.insert(CONTENT_ENCODING, coding);
        }
        if self.binding.settings.status_from_metadata {
            headers.remove(HTTP_CODE);
        }
        headers.insert(CONTENT_TYPE, content_type);
        response
    }

    /// The response as its request and status allow: packed where the caller takes it so, without
    /// a body where none may be.
    fn headless(&self, mut response: Response<ResponseBody>) -> Response<ResponseBody> {
        if matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT) {
            response.headers_mut().remove(CONTENT_TYPE);
            *response.body_mut() = ResponseBody::Empty;
        }
        if let (Some(compression), Some(accepts)) = (&self.binding.compression, self.codings) {
            response = compression.apply(accepts, response);
        }
        if self.head { strip(response) } else { response }
    }
}

/// Takes the body of an answer to HEAD away, keeping its length.
pub(super) fn strip(mut response: Response<ResponseBody>) -> Response<ResponseBody> {
    if let ResponseBody::Whole(body) = response.body() {
        let length = body.len().into();
        response.headers_mut().insert(CONTENT_LENGTH, length);
    }
    *response.body_mut() = ResponseBody::Empty;
    response
}

/// A status of 200 to 299 from `x-http-code`; anything else is no success and is not believed.
fn success_status(value: &HeaderValue) -> Option<StatusCode> {
    StatusCode::from_bytes(value.as_bytes()).ok().filter(StatusCode::is_success)
}

fn raw_content_type(body: &HttpBody) -> Result<HeaderValue, Error> {
    if body.content_type.is_empty() {
        return Ok(HeaderValue::from_static("application/octet-stream"));
    }
    HeaderValue::from_maybe_shared(body.content_type.clone()).map_err(|error| {
        let message = "the backend's HttpBody has a content type that HTTP can't carry";
        Error::new(Code::Internal, "bad_response_message", message)
            .with_origin(Origin::Upstream)
            .with_source(error)
    })
}

/// Whether the request is HEAD.
pub(super) fn is_head(method: &Method) -> bool {
    method == Method::HEAD
}
