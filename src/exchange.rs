//! The waist: what every protocol is translated to and every backend answers with.
//!
//! ```text
//! protocol ── Exchange ──► stages ── Exchange ──► Upstream
//!          ◄── Reply ────        ◄── Reply ──────
//! ```
//!
//! A message is protobuf wire bytes, never a tree. Unary is a stream of one with a fast path that
//! allocates nothing. Where both ends of a call take the same coding, messages may stay packed as
//! they crossed the wire ([`Packed`]); who wants to read one gets it plain and needn't know.

mod approach;
mod attempt;
mod begun;
mod companion;
pub mod identity;
mod journal;
mod packed;
pub mod principal;

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Extensions, HeaderMap};
use tokio::time::Instant;

pub use self::{
    approach::{Approach, Trust},
    attempt::Attempt,
    begun::Judge,
    companion::Companion,
    identity::Identity,
    journal::{Journal, Latest},
    packed::{Bound, Packed},
    principal::{Principal, PrincipalKind},
};
use crate::{
    coding::{Coding, Codings},
    error::{Error, Origin},
    schema::Method,
};

/// Metadata of a call: lower-case names, `-bin` values in base64 as on the wire.
pub type Metadata = HeaderMap;

/// One call on its way to a backend.
pub struct Exchange {
    /// What is called.
    pub method: Arc<Method>,
    /// What goes to the backend as request headers.
    pub metadata: Metadata,
    /// The request's messages; may not have been read yet.
    pub messages: Messages,
    /// When the caller has given up, if ever.
    pub deadline: Option<Instant>,
    /// How large messages may be.
    pub limits: Limits,
    /// What the reply's messages may come packed with; the backend is asked for no other coding.
    pub codings: Codings,
    /// The worker thread that serves the call (from 0); its upstream connections are used.
    pub worker: usize,
    /// What stages leave for later stages (a principal, for example).
    pub extensions: Extensions,
    /// Filled in on the way if an access log wants to know.
    pub journal: Option<Arc<Journal>>,
}

/// How large the messages of a call may be, in bytes: as they cross the wire, and unpacked where the
/// gateway unpacks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A message from downstream.
    pub request_message: usize,
    /// A message from upstream.
    pub response_message: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { request_message: 4 << 20, response_message: 64 << 20 }
    }
}

/// A backend's answer.
pub struct Reply {
    /// The response headers, control names removed.
    pub metadata: Metadata,
    /// The messages, and the trailers after them.
    pub messages: Messages,
}

/// Whoever answers an exchange: a cluster, a mock, a composite of several calls.
///
/// A call that fails before its first message is an `Err`; one that fails later yields the error
/// from its messages. Dropping the future or the reply cancels the call.
pub trait Upstream: Send + Sync {
    /// Calls the method of the exchange.
    fn call(&self, exchange: Exchange) -> BoxFuture<'_, Result<Reply, Error>>;
}

/// Messages in one direction, in order, with backpressure: nothing is read before it is polled.
pub struct Messages(Kind);

enum Kind {
    Ready { message: Option<Packed>, bound: Bound, trailers: Metadata },
    Stream(Pin<Box<dyn MessageStream>>),
}

/// A source of messages that arrive over time.
pub trait MessageStream: Send {
    /// The next message; `None` after the last one of a call that went well; an error ends the
    /// stream and is the call's status.
    fn poll_message(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>>;

    /// The same as it crossed the wire, perhaps packed with [`Self::coding`]. Who doesn't look into
    /// messages goes beside them as a [`Companion`], so that nobody unpacks them.
    fn poll_packed(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Packed, Error>>> {
        self.poll_message(cx).map_ok(Packed::plain)
    }

    /// What [`Self::poll_packed`] may give messages packed with.
    fn coding(&self) -> Option<Coding> {
        None
    }

    /// The trailers, control names removed; only complete after `poll_message` gave `None`.
    fn take_trailers(self: Pin<&mut Self>) -> Metadata {
        Metadata::new()
    }
}

/// What plain messages need.
const NO_BOUND: Bound = Bound { limit: usize::MAX, origin: Origin::Gateway };

impl Messages {
    /// No message at all.
    pub fn none() -> Self {
        Self(Kind::Ready { message: None, bound: NO_BOUND, trailers: Metadata::new() })
    }

    /// Exactly one message, which is at hand.
    pub fn one(message: Bytes) -> Self {
        Self::one_with_trailers(message, Metadata::new())
    }

    /// Exactly one message and the trailers after it.
    pub fn one_with_trailers(message: Bytes, trailers: Metadata) -> Self {
        Self::one_packed(Packed::plain(message), NO_BOUND, trailers)
    }

    /// Exactly one message as it crossed the wire, how far it may grow, and the trailers after it.
    pub fn one_packed(message: Packed, bound: Bound, trailers: Metadata) -> Self {
        Self(Kind::Ready { message: Some(message), bound, trailers })
    }

    /// Messages that arrive over time.
    pub fn stream(stream: impl MessageStream + 'static) -> Self {
        Self(Kind::Stream(Box::pin(stream)))
    }

    /// No message but an error, which is told when one is asked for and not before: the stages of
    /// a call come first, and who may not call learns nothing else.
    pub fn failed(error: Error) -> Self {
        Self::stream(Failed(Some(error)))
    }

    /// The one message, if it is at hand, plain, and no other can follow.
    pub fn as_one(&self) -> Option<&Bytes> {
        match &self.0 {
            Kind::Ready { message: Some(Packed { coding: None, bytes }), .. } => Some(bytes),
            _ => None,
        }
    }

    /// The one message as it crossed the wire, if it is at hand and no other can follow.
    pub fn as_packed_one(&self) -> Option<&Packed> {
        match &self.0 {
            Kind::Ready { message, .. } => message.as_ref(),
            Kind::Stream(_) => None,
        }
    }

    /// Takes the one message as it crossed the wire, if it is at hand and fits; the trailers stay.
    pub fn take_packed_one(&mut self, fits: impl FnOnce(&Packed) -> bool) -> Option<Packed> {
        match &mut self.0 {
            Kind::Ready { message, .. } => message.take_if(|message| fits(message)),
            Kind::Stream(_) => None,
        }
    }

    /// Whether all there is is at hand, so that no time passes in polling.
    pub fn is_at_hand(&self) -> bool {
        matches!(self.0, Kind::Ready { .. })
    }

    /// What [`Self::poll_packed`] may give messages packed with.
    pub fn coding(&self) -> Option<Coding> {
        match &self.0 {
            Kind::Ready { message, .. } => message.as_ref()?.coding,
            Kind::Stream(stream) => stream.coding(),
        }
    }

    /// The next message; see [`MessageStream::poll_message`].
    pub fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        match &mut self.0 {
            Kind::Ready { message, bound, .. } => {
                Poll::Ready(message.take().map(|message| message.unpack(*bound)))
            }
            Kind::Stream(stream) => stream.as_mut().poll_message(cx),
        }
    }

    /// The next message as it crossed the wire; see [`MessageStream::poll_packed`].
    pub fn poll_packed(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Packed, Error>>> {
        match &mut self.0 {
            Kind::Ready { message, .. } => Poll::Ready(message.take().map(Ok)),
            Kind::Stream(stream) => stream.as_mut().poll_packed(cx),
        }
    }

    /// The next message, to be awaited.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        poll_fn(|cx| self.poll_message(cx)).await
    }

    /// The next message as it crossed the wire, to be awaited.
    pub async fn next_packed(&mut self) -> Option<Result<Packed, Error>> {
        poll_fn(|cx| self.poll_packed(cx)).await
    }

    /// The message of a method that takes a single one. It is not waited for what may come after it,
    /// but a second one that is here already is refused.
    ///
    /// # Errors
    /// There is none, or another one behind it; or what the messages ended with.
    pub async fn only(&mut self) -> Result<Packed, Error> {
        let Some(message) = self.next_packed().await.transpose()? else {
            return Err(Error::invalid(
                "request_message_missing",
                "the method takes one message, but none was sent",
            ));
        };
        match poll_fn(|cx| Poll::Ready(self.poll_packed(cx))).await {
            Poll::Ready(Some(Ok(_))) => Err(Error::invalid(
                "request_message_twice",
                "the method takes one message, but more were sent",
            )),
            Poll::Ready(Some(Err(error))) => Err(error),
            Poll::Ready(None) | Poll::Pending => Ok(message),
        }
    }

    /// The trailers, once the last message has been taken.
    pub fn take_trailers(&mut self) -> Metadata {
        match &mut self.0 {
            Kind::Ready { trailers, .. } => std::mem::take(trailers),
            Kind::Stream(stream) => stream.as_mut().take_trailers(),
        }
    }
}

/// The error of a call whose messages can't be made.
struct Failed(Option<Error>);

impl MessageStream for Failed {
    fn poll_message(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        Poll::Ready(self.0.take().map(Err))
    }
}
