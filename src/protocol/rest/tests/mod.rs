//! REST as its callers see it: requests by HTTP/1.1 through a door, and answers of made-up backends.

mod answers;
mod doors;
mod problems;
mod requests;
mod streams;

use std::{
    collections::VecDeque,
    convert::Infallible,
    fs,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;

use super::{ENTRY, Settings};
use crate::{
    error::Error,
    exchange::{Limits, MessageStream, Messages, Metadata, Reply},
    problem::Problem,
    protocol::{
        Call, Caller, Door, Material, MethodPolicy, Methods, Opening, ResponseBody, Written, rule,
    },
    schema::Schema,
    transcode::{self, Plans, json_to_wire, wire_to_json, wire_to_wire},
};

/// Compiles a service with one policy for all of its methods.
fn compiled(proto: &str, policy: &MethodPolicy) -> (Option<Kitchen>, Vec<Problem>) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("kitchen.proto"), proto).unwrap();
    let (schema, problems) = Schema::builder().add_proto_folder(folder.path()).build();
    let schema = schema.unwrap_or_else(|| panic!("no schema: {problems:#?}"));
    let plans = Arc::new(Plans::compile(schema.pool(), schema.features()));
    let schema = Arc::new(schema);
    let policies: Arc<[_]> = schema.methods().iter().map(|_| Arc::new(policy.clone())).collect();
    let rules = match rule::compile(&schema, &plans, &policies) {
        Ok(rules) => Arc::new(rules),
        Err(problems) => return (None, problems),
    };
    let methods = Arc::new(Methods::new(&schema, &plans, &policies));
    let material = Material { methods: &methods, rules: &rules };
    let compiled = (ENTRY.compile)(&material);
    let kitchen = compiled.door.map(|door| Kitchen { door: door.into(), plans });
    (kitchen, compiled.problems)
}

/// The service of kitchen.proto behind a REST door.
struct Kitchen {
    door: Arc<dyn Door>,
    plans: Arc<Plans>,
}

impl Kitchen {
    fn new() -> Self {
        Self::with(&MethodPolicy::default())
    }

    fn with_rest(rest: Settings) -> Self {
        Self::with(&MethodPolicy { rest, ..MethodPolicy::default() })
    }

    fn with_parameters(parameters: rule::Settings) -> Self {
        Self::with(&MethodPolicy { parameters, ..MethodPolicy::default() })
    }

    fn with_limit(request_message: usize) -> Self {
        let limits = Limits { request_message, ..Limits::default() };
        Self::with(&MethodPolicy { limits, ..MethodPolicy::default() })
    }

    fn with(policy: &MethodPolicy) -> Self {
        let (kitchen, problems) = compiled(include_str!("kitchen.proto"), policy);
        kitchen.unwrap_or_else(|| panic!("{problems:#?}"))
    }

    /// Sends a request through a connection of its own, and gives what the door makes of it. The
    /// body arrives in these pieces; one that is an error breaks it off.
    async fn open(&self, request: http::request::Builder, pieces: &[Piece]) -> Opening {
        let pieces: VecDeque<_> = pieces.iter().cloned().collect();
        let sized = match pieces.iter().collect::<Vec<_>>()[..] {
            [Ok(only)] => Some(only.len()),
            [] => Some(0),
            _ => None,
        };
        let frames = stream::iter(pieces).then(async |piece| {
            if piece.is_err() {
                // What was sent before leaves first.
                tokio::task::yield_now().await;
            }
            piece.map(Frame::data)
        });
        let body = StreamBody::new(Box::pin(frames));
        let request = request.header("host", "kitchen.example");
        let request = match sized {
            Some(length) if length > 0 => request.header("content-length", length),
            _ => request,
        };
        let (opened, mut opening) = mpsc::channel(1);
        let (client, io) = tokio::io::duplex(1 << 20);
        let door = self.door.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let opening = door.open(request, &Caller::new(None, "http", 0));
            let opened = opened.clone();
            async move {
                let _ = opened.send(opening).await;
                // The body can be read as long as the call runs.
                std::future::pending::<Result<Response<String>, Infallible>>().await
            }
        });
        let server = hyper::server::conn::http1::Builder::new();
        tokio::spawn(server.serve_connection(TokioIo::new(io), service));
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(client));
        let (mut sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        let request = if sized == Some(0) {
            request.body(http_body_util::Either::Left(http_body_util::Empty::new()))
        } else {
            request.body(http_body_util::Either::Right(body))
        };
        let request = request.unwrap();
        tokio::spawn(async move { drop(sender.send_request(request).await) });
        opening.recv().await.unwrap()
    }

    async fn call(&self, request: http::request::Builder, pieces: &[Piece]) -> Box<Call> {
        match self.open(request, pieces).await {
            Opening::Call(call) => call,
            Opening::Answered(response) => panic!("answered: {}", response.status()),
            Opening::Session(_) => panic!("a session"),
        }
    }

    async fn answered(
        &self,
        request: http::request::Builder,
        pieces: &[Piece],
    ) -> Response<ResponseBody> {
        match self.open(request, pieces).await {
            Opening::Call(_) | Opening::Session(_) => panic!("a call"),
            Opening::Answered(response) => response,
        }
    }

    /// The messages of a request as JSON, and the error they end with.
    async fn messages(
        &self,
        request: http::request::Builder,
        pieces: &[Piece],
    ) -> (Vec<String>, Option<Error>) {
        let call = self.call(request, pieces).await;
        let input = call.exchange.method.input.full_name().to_owned();
        let mut messages = call.exchange.messages;
        let mut seen = Vec::new();
        loop {
            match messages.next().await {
                None => return (seen, None),
                Some(Ok(message)) => seen.push(self.json(&input, &message)),
                Some(Err(error)) => {
                    assert!(messages.next().await.is_none(), "nothing comes after an error");
                    return (seen, Some(error));
                }
            }
        }
    }

    /// The only message of a request, as JSON.
    async fn message(&self, request: http::request::Builder, body: &str) -> String {
        let (mut messages, error) = self.messages(request, &[piece(body)]).await;
        assert!(error.is_none() && messages.len() == 1, "{messages:?} {error:?}");
        messages.remove(0)
    }

    /// The error of a request that has no message.
    async fn refusal(&self, request: http::request::Builder, body: &str) -> Error {
        let (messages, error) = self.messages(request, &[piece(body)]).await;
        error.unwrap_or_else(|| panic!("{messages:?}"))
    }

    fn json(&self, message: &str, wire: &[u8]) -> String {
        let plan = self.plans.message_by_name(message).unwrap();
        let settings = transcode::Settings::default();
        let (mut in_order, mut json) = (Vec::new(), Vec::new());
        wire_to_wire(&plan, &settings, 1 << 20, wire, &mut in_order).unwrap();
        wire_to_json(&plan, &settings, 1 << 20, &in_order, &mut json).unwrap();
        String::from_utf8(json).unwrap()
    }

    /// A message on the wire.
    fn wire(&self, message: &str, json: &str) -> Bytes {
        let plan = self.plans.message_by_name(message).unwrap();
        let mut wire = Vec::new();
        let settings = transcode::Settings::default();
        json_to_wire(&plan, &settings, 1 << 20, json.as_bytes(), &mut wire).unwrap();
        wire.into()
    }

    fn dish(&self, json: &str) -> Bytes {
        self.wire("kitchen.Dish", json)
    }

    /// The response to a request without a body that a backend answers so.
    async fn answer(
        &self,
        request: http::request::Builder,
        outcome: Result<Reply, Error>,
    ) -> Response<ResponseBody> {
        let call = self.call(request, &[]).await;
        match call.answer.write(outcome) {
            Written::Now(response) => response,
            Written::Later(response) => response.await,
        }
    }
}

/// A piece of a request's body, or its breaking off.
type Piece = Result<Bytes, Broken>;

#[derive(Clone, Copy, Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken off")
    }
}

impl std::error::Error for Broken {}

fn piece(text: &str) -> Piece {
    Ok(Bytes::copy_from_slice(text.as_bytes()))
}

/// A backend's reply of these messages, in a stream; an error is the last.
fn reply(messages: Vec<Result<Bytes, Error>>, trailers: Metadata) -> Reply {
    let messages = Messages::stream(Given { messages: messages.into(), trailers, waits: false });
    Reply { metadata: Metadata::new(), messages }
}

/// A reply of one message that is at hand.
fn one(message: Bytes) -> Reply {
    Reply { metadata: Metadata::new(), messages: Messages::one(message) }
}

/// Messages as a test gives them.
struct Given {
    messages: VecDeque<Result<Bytes, Error>>,
    trailers: Metadata,
    /// Whether it waits a turn before each message.
    waits: bool,
}

impl MessageStream for Given {
    fn poll_message(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        if self.waits {
            self.waits = false;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.messages.pop_front())
    }

    fn take_trailers(mut self: Pin<&mut Self>) -> Metadata {
        std::mem::take(&mut self.trailers)
    }
}

/// What a body says until it ends or breaks off.
struct Said {
    text: String,
    trailers: Option<Metadata>,
    error: Option<Error>,
}

async fn said(body: ResponseBody) -> Said {
    let mut body = body;
    let mut said = Said { text: String::new(), trailers: None, error: None };
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => said.text.push_str(str::from_utf8(&data).unwrap()),
            Ok(Err(frame)) => said.trailers = frame.into_trailers().ok(),
            Err(error) => said.error = Some(error),
        }
    }
    said
}
