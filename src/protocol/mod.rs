//! How downstream speaks: a folder or file a protocol, each translating between HTTP and the waist.
//!
//! ```text
//! http::Request ── Door::open ──► Exchange ──► stages, upstream
//! http::Response ◄─ Answer::write ─ Result<Reply, Error> ◄─────
//! ```
//!
//! A protocol that answers before the call has begun opens a [`Session`] instead.
//!
//! A protocol finds the method first; only then do the policies of that method run, whichever
//! door the call came in by. No protocol knows another.

pub mod body;
pub mod break_off;
pub mod caller;
pub mod codec;
pub mod connect;
pub mod cors;
pub mod deadline;
pub mod failure;
pub mod grpc;
pub mod grpc_web;
pub mod incoming;
pub mod json;
pub mod metadata;
pub mod only;
pub mod outgoing;
pub mod packing;
pub mod refusal;
pub mod rest;
pub mod rpc;
pub mod rule;
pub mod session;
pub mod shape;
pub mod status;
pub mod streamed;
pub mod unpacked;
pub mod upload;
pub mod vary;
pub mod violation;
pub mod websocket;
pub mod whole;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;

pub use self::{
    body::ResponseBody, caller::Caller, refusal::Refusal, session::Session, shape::Methods,
    upload::Upload,
};
use crate::{
    error::Error,
    exchange::{Exchange, Limits, Reply},
    problem::Problem,
    schema::Method,
    transcode,
};

/// A protocol, compiled for one schema and its policies.
pub trait Door: Send + Sync {
    /// The protocol's name in logs and metrics.
    fn name(&self) -> &'static str;

    /// Whether a request speaks the protocol.
    fn knows(&self, request: &Request<Incoming>) -> bool;

    /// How callers are told of an error before the door has made a call of their request.
    fn tongue(&self) -> Tongue {
        failure::TONGUE
    }

    /// Finds the method that the request calls and translates it; a request that calls none is
    /// answered at once.
    fn open(&self, request: Request<Incoming>, caller: &Caller) -> Opening;
}

/// What a door makes of a request.
pub enum Opening {
    /// A call for the stages and the backend.
    Call(Box<Call>),
    /// A call whose answer goes out before anything else, and which is talked through after it.
    Session(Box<Session>),
    /// An answer that needs no backend: a refusal, or OPTIONS.
    Answered(Response<ResponseBody>),
}

/// The method that a refused request meant, among the extensions of its answer: so that it is
/// counted and logged as that method's, although no call was opened.
#[derive(Clone, Debug)]
pub struct Meant(pub Arc<Method>);

impl Opening {
    /// An answer that refuses, and the method that was meant if the request named one.
    pub fn refused(mut answer: Response<ResponseBody>, meant: Option<&Arc<Method>>) -> Self {
        if let Some(method) = meant {
            answer.extensions_mut().insert(Meant(method.clone()));
        }
        Self::Answered(answer)
    }
}

/// A call that a door has opened.
pub struct Call {
    /// The neutral call.
    pub exchange: Exchange,
    /// The route that matched, as written, for the access log; empty where the protocol has none.
    pub route: Arc<str>,
    /// Writes the outcome in the protocol's tongue.
    pub answer: Box<dyn Answer>,
}

/// Writes the outcome of a call in the protocol's tongue.
pub trait Answer: Send {
    /// How the caller is told of an error when the answer is gone.
    fn tongue(&self) -> Tongue;

    /// The response, at once where all of it is at hand; one that tells of an error has a
    /// [`Refusal`] among its extensions.
    fn write(self: Box<Self>, outcome: Result<Reply, Error>) -> Written;
}

/// How a caller is told of an error in its own protocol where nothing of its call is left: the
/// gateway has failed on it. It is two pointers, so that every call may have it ready.
#[derive(Clone, Copy, Debug)]
pub struct Tongue {
    /// The content type of the answer.
    pub content_type: &'static str,
    /// Writes the answer.
    pub write: fn(&Error, &'static str) -> Response<ResponseBody>,
}

impl Tongue {
    /// The answer that tells of an error.
    pub fn tell(self, error: &Error) -> Response<ResponseBody> {
        (self.write)(error, self.content_type)
    }
}

/// A response, now or once its status is known.
pub enum Written {
    /// It is ready.
    Now(Response<ResponseBody>),
    /// It waits for the first message of a stream.
    Later(BoxFuture<'static, Response<ResponseBody>>),
}

/// What a door needs to know of one method's policy.
#[derive(Clone, Debug, Default)]
pub struct MethodPolicy {
    /// How JSON is read and written.
    pub json: transcode::Settings,
    /// What becomes of path and query parameters.
    pub parameters: rule::Settings,
    /// How REST answers.
    pub rest: rest::Settings,
    /// How WebSocket sessions are held.
    pub websocket: websocket::Settings,
    /// How large messages may be.
    pub limits: Limits,
    /// How REST's answers are compressed, if they are.
    pub compression: Option<rest::Compression>,
    /// What web pages of other origins may do.
    pub cors: Option<cors::Permission>,
}

/// A kind of protocol, and how its door is made.
pub struct Entry {
    /// Its name in logs and metrics.
    pub name: &'static str,
    /// One sentence for the reference.
    pub summary: &'static str,
    /// Compiles the door.
    pub compile: fn(&Material<'_>) -> Compiled,
}

/// What doors are compiled from; they share it.
pub struct Material<'a> {
    /// The methods, and what holds for each.
    pub methods: &'a Arc<Methods>,
    /// The paths of methods.
    pub rules: &'a Arc<rule::Rules>,
}

/// A door, and what was found while compiling it. There is no door where a problem is an error.
pub struct Compiled {
    /// The door.
    pub door: Option<Box<dyn Door>>,
    /// Every finding.
    pub problems: Vec<Problem>,
}

/// Every protocol, in the order in which a request is offered to them; the last knows everything.
pub static PROTOCOLS: &[Entry] =
    &[websocket::ENTRY, grpc::ENTRY, grpc_web::ENTRY, connect::ENTRY, rest::ENTRY];
