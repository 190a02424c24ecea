//! The answer to a call of gRPC or gRPC-Web: at once, for its head is known as soon as the backend's
//! is. What follows the head differs, and is the [`Form`]'s.

use http::{HeaderValue, Response, header::CONTENT_TYPE};

use crate::{
    error::Error,
    exchange::Reply,
    protocol::{
        Answer, ResponseBody, Tongue, Written, metadata,
        packing::GRPC,
        status,
        streamed::{self, Form},
    },
};

/// Writes the outcome of a call.
pub struct RpcAnswer<F> {
    /// The content type of the answer.
    pub content_type: &'static str,
    /// How its messages and its end are written.
    pub form: F,
}

impl<F: Form> Answer for RpcAnswer<F> {
    fn tongue(&self) -> Tongue {
        Tongue { content_type: self.content_type, write: status::trailers_only }
    }

    fn write(self: Box<Self>, outcome: Result<Reply, Error>) -> Written {
        let Self { content_type, form } = *self;
        Written::Now(match outcome {
            Err(error) => status::failed(&error, content_type, form),
            Ok(reply) => succeed(reply, content_type, form)
                .unwrap_or_else(|error| status::trailers_only(&error, content_type)),
        })
    }
}

fn succeed(
    reply: Reply,
    content_type: &'static str,
    form: impl Form,
) -> Result<Response<ResponseBody>, Error> {
    let Reply { metadata, messages } = reply;
    let mut response = Response::new(ResponseBody::Empty);
    let headers = response.headers_mut();
    metadata::to_response(metadata, headers);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    GRPC.tell(messages.coding().filter(|_| form.takes_packed()), headers);
    *response.body_mut() = streamed::body(messages, form)?;
    Ok(response)
}
