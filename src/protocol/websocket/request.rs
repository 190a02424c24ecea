//! A caller's frames as the messages of a call, with what path and query set on the first.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;

use super::{door::Terms, inbox::Taker};
use crate::{
    error::Error,
    exchange::{MessageStream, Messages},
    protocol::{codec::Codec, rule::Rule},
};

/// How many messages a caller has to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// None: path and query are the whole request.
    Nothing,
    /// One, or the half-close in its place.
    One,
    /// Any number, until the half-close.
    Many,
}

/// What a call's messages are made of.
pub(super) struct Source {
    pub(super) terms: Arc<Terms>,
    pub(super) rule: Arc<Rule>,
    pub(super) codec: Codec,
    /// The wire bytes of path and query, or what is wrong with them.
    pub(super) tail: Result<Vec<u8>, Error>,
}

impl Source {
    /// The call's messages. What is wrong with path, query or frames is told by them, and not
    /// before: the method's stages come first.
    pub(super) fn messages(self, takes: Takes, frames: Taker) -> Messages {
        let Self { terms, rule, codec, tail } = self;
        let (tail, failed) = match tail {
            Ok(tail) if takes == Takes::Nothing => return Messages::one(tail.into()),
            Ok(tail) => (Some(tail), None),
            Err(error) => (None, Some(error)),
        };
        let single = takes != Takes::Many;
        Messages::stream(Request { terms, rule, codec, frames, tail, failed, single, ended: false })
    }
}

/// Messages as they come.
struct Request {
    terms: Arc<Terms>,
    rule: Arc<Rule>,
    codec: Codec,
    frames: Taker,
    /// Taken by the first message.
    tail: Option<Vec<u8>>,
    failed: Option<Error>,
    single: bool,
    ended: bool,
}

impl Request {
    fn message(&mut self, payload: Option<Bytes>) -> Result<Bytes, Error> {
        let message = match payload {
            Some(payload) => self.terms.shape.read(self.codec, payload)?,
            None => Bytes::new(),
        };
        let tail = self.tail.take().filter(|tail| !tail.is_empty());
        let Some(tail) = tail else { return Ok(message) };
        let mut message = Vec::from(message);
        self.rule.weave(&mut message, &tail)?;
        Ok(message.into())
    }
}

impl MessageStream for Request {
    fn poll_message(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(error) = self.failed.take() {
            self.ended = true;
            return Poll::Ready(Some(Err(error)));
        }
        let payload = ready!(self.frames.poll_take(cx));
        if payload.is_none() && !self.single {
            self.ended = true;
            return Poll::Ready(None);
        }
        let message = self.message(payload);
        self.ended = self.single || message.is_err();
        Poll::Ready(Some(message))
    }
}
