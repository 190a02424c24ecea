//! A tonic service behind the waist: what would cross a connection goes from hand to hand.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderValue, Request, header::CONTENT_TYPE};
use http_body::{Body as _, Frame};
use tonic::{Status, body::Body, service::Routes};
use tower::ServiceExt;

use super::super::status::{Head, Told, listed, read_head, read_trailers};
use crate::{
    error::{Code, Error},
    exchange::{Exchange, MessageStream, Messages, Metadata, Reply},
    frame::{self, FrameReader},
};

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// The worker thread that serves the call, for services that call backends in turn.
#[derive(Clone, Copy)]
pub(super) struct Worker(pub(super) usize);

/// Calls the method of the exchange.
pub(super) async fn call(routes: Routes, exchange: Exchange) -> Result<Reply, Error> {
    let Exchange { method, metadata, messages, limits, deadline, worker, .. } = exchange;
    let mut request = Request::new(Body::new(Framing { messages, limit: limits.request_message }));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = method.path.clone().into();
    *request.headers_mut() = metadata;
    request.headers_mut().insert(CONTENT_TYPE, GRPC);
    request.extensions_mut().insert(Worker(worker));
    let Ok(response) = routes.oneshot(request).await;
    let (head, body) = response.into_parts();
    let (told, metadata) = Told::read(listed(head.headers));
    let metadata = match read_head(head.status, told, metadata, None, body.is_end_stream()) {
        Head::Messages(metadata) => metadata,
        Head::Ended(result) => {
            let trailers = result?;
            let stream = Incoming::ended(trailers);
            return Ok(Reply { metadata: Metadata::new(), messages: Messages::stream(stream) });
        }
    };
    let frames = FrameReader::new(limits.response_message);
    let deadline = deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline)));
    let stream = Incoming { body: Some(body), frames, trailers: Metadata::new(), deadline };
    Ok(Reply { metadata, messages: Messages::stream(stream) })
}

/// The caller's messages as the body of a request.
struct Framing {
    messages: Messages,
    limit: usize,
}

impl http_body::Body for Framing {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Poll::Ready(match ready!(self.messages.poll_message(cx)) {
            None => None,
            Some(Ok(message)) => Some(match frame::prefix(frame::MESSAGE, message.len()) {
                Some(prefix) if message.len() <= self.limit => {
                    let mut framed = BytesMut::with_capacity(prefix.len() + message.len());
                    framed.put_slice(&prefix);
                    framed.put_slice(&message);
                    Ok(Frame::data(framed.freeze()))
                }
                _ => Err(Status::resource_exhausted("the message is too large")),
            }),
            Some(Err(error)) => {
                let code = tonic::Code::from_i32(error.code().number() as i32);
                Some(Err(Status::new(code, error.message())))
            }
        })
    }
}

/// The body of a response as messages.
struct Incoming {
    /// Gone when the call is over.
    body: Option<Body>,
    frames: FrameReader,
    trailers: Metadata,
    deadline: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Incoming {
    fn ended(trailers: Metadata) -> Self {
        Self { body: None, frames: FrameReader::new(0), trailers, deadline: None }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        loop {
            match self.frames.next_frame() {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame.payload))),
                Ok(None) => {}
                Err(fault) => return Poll::Ready(Some(Err(broken(format!("{fault:?}"))))),
            }
            match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Pending => {
                    let late = self.deadline.as_mut().map(|deadline| deadline.as_mut().poll(cx));
                    return match late {
                        Some(Poll::Ready(())) => Poll::Ready(Some(Err(Error::deadline_exceeded()))),
                        _ => Poll::Pending,
                    };
                }
                Poll::Ready(None) => return Poll::Ready(Some(Err(broken("no status")))),
                Poll::Ready(Some(Err(status))) => {
                    return Poll::Ready(Some(Err(broken(status.to_string()))));
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.frames.push(data),
                    Err(frame) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        return Poll::Ready(
                            match read_trailers(&mut Metadata::new(), listed(trailers)) {
                                Ok(trailers) => {
                                    self.trailers = trailers;
                                    None
                                }
                                Err(error) => Some(Err(error)),
                            },
                        );
                    }
                },
            }
        }
    }
}

impl MessageStream for Incoming {
    fn poll_message(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        let polled = self.poll(cx);
        if !matches!(polled, Poll::Pending | Poll::Ready(Some(Ok(_)))) {
            self.body = None;
        }
        polled
    }

    fn take_trailers(mut self: Pin<&mut Self>) -> Metadata {
        std::mem::take(&mut self.trailers)
    }
}

/// The error of a service of ours that does not keep to the protocol.
fn broken(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(Code::Internal, "own_service", "the gateway's own service failed")
        .with_source(source)
}
