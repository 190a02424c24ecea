//! What stands in the frames of gRPC and gRPC-Web: protobuf, as a rule, or JSON where the content
//! type ends in `+json`.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;

use super::{MethodPolicy, json};
use crate::{
    error::Error,
    exchange::{MessageStream, Messages},
    schema::Method,
    transcode::{Plan, Plans},
};

/// How messages are written, as the content type names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// `+proto`, or nothing.
    Proto,
    /// `+json`: the JSON mapping of protobuf.
    Json,
}

/// A content type of the kind `application/grpc+proto; charset=utf-8`, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentType<'a> {
    /// `application/grpc`
    pub base: &'a str,
    /// `proto`; empty if there is none.
    pub suffix: &'a str,
}

impl<'a> ContentType<'a> {
    /// Takes a content type apart; parameters are left aside.
    pub fn parse(text: &'a str) -> Self {
        let essence = text.split(';').next().unwrap_or_default().trim();
        let (base, suffix) = essence.split_once('+').unwrap_or((essence, ""));
        Self { base, suffix }
    }

    /// The codec; `None` for one that nobody here speaks.
    pub fn codec(self) -> Option<Codec> {
        match self.suffix {
            "" => Some(Codec::Proto),
            suffix if suffix.eq_ignore_ascii_case("proto") => Some(Codec::Proto),
            suffix if suffix.eq_ignore_ascii_case("json") => Some(Codec::Json),
            _ => None,
        }
    }
}

/// The JSON form of one method's messages.
pub struct Json {
    input: Plan,
    output: Plan,
    policies: Arc<[Arc<MethodPolicy>]>,
    index: usize,
}

impl Json {
    /// The JSON form of a method's messages; `None` if the plans don't know them, which they do
    /// for every method of their schema.
    pub fn of(method: &Method, plans: &Plans, policies: &Arc<[Arc<MethodPolicy>]>) -> Option<Self> {
        Some(Self {
            input: plans.message(&method.input)?,
            output: plans.message(&method.output)?,
            policies: policies.clone(),
            index: method.index,
        })
    }

    /// Reads the caller's messages, which are JSON.
    pub fn read(self: &Arc<Self>, messages: Messages) -> Messages {
        Messages::stream(Read { json: self.clone(), messages })
    }

    /// Appends a reply's message.
    ///
    /// # Errors
    /// The backend's message does not fit its schema.
    pub fn append(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let policy = &self.policies[self.index];
        json::write(&self.output, &policy.json, policy.limits.response_message, message, out)
    }

    fn to_wire(&self, text: &[u8]) -> Result<Bytes, Error> {
        let policy = &self.policies[self.index];
        json::read(&self.input, &policy.json, policy.limits.request_message, text)
    }
}

/// Messages of which each is JSON, on their way to wire bytes.
struct Read {
    json: Arc<Json>,
    messages: Messages,
}

impl MessageStream for Read {
    fn poll_message(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        let read = match ready!(self.messages.poll_message(cx)) {
            Some(Ok(text)) => self.json.to_wire(&text),
            Some(Err(error)) => Err(error),
            None => return Poll::Ready(None),
        };
        if read.is_err() {
            self.messages = Messages::none();
        }
        Poll::Ready(Some(read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_are_taken_apart() {
        for (text, base, suffix, codec) in [
            ("application/grpc", "application/grpc", "", Some(Codec::Proto)),
            ("application/grpc+proto", "application/grpc", "proto", Some(Codec::Proto)),
            ("application/grpc+JSON ; a=b", "application/grpc", "JSON", Some(Codec::Json)),
            ("application/grpc;charset=utf-8", "application/grpc", "", Some(Codec::Proto)),
            ("application/grpc-web+thrift", "application/grpc-web", "thrift", None),
            ("", "", "", Some(Codec::Proto)),
        ] {
            let parsed = ContentType::parse(text);
            assert_eq!(parsed, ContentType { base, suffix }, "{text}");
            assert_eq!(parsed.codec(), codec, "{text}");
        }
    }
}
