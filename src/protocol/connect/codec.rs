//! Messages as they stand in bodies and frames: JSON, or protobuf's own bytes.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;

use crate::{
    error::Error,
    exchange::Limits,
    protocol::json,
    schema::Method,
    transcode::{Plan, Plans, Settings},
};

/// How a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    /// Protobuf's wire format.
    Proto,
    /// Protobuf's JSON mapping.
    Json,
}

impl Codec {
    /// The codec of this name, in any case.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("json") { Some(Self::Json) } else { is("proto").then_some(Self::Proto) }
    }

    /// The content type of a body that is one message.
    pub(super) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Proto => "application/proto",
            Self::Json => "application/json",
        })
    }

    /// The content type of a body of frames.
    pub(super) fn stream_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Proto => "application/connect+proto",
            Self::Json => "application/connect+json",
        })
    }
}

/// What a call of one method needs to know, compiled.
pub(super) struct Shape {
    pub(super) method: Arc<Method>,
    pub(super) limits: Limits,
    pub(super) plans: Arc<Plans>,
    json: Settings,
    input: Plan,
    output: Plan,
}

impl Shape {
    /// Whether the plans know the types of a method's messages, so that it has a shape.
    pub(super) fn is_known(method: &Method, plans: &Plans) -> bool {
        plans.message(&method.input).is_some() && plans.message(&method.output).is_some()
    }

    /// The shape of a method; `None` if the plans don't know its types.
    pub(super) fn compile(
        method: &Arc<Method>,
        plans: &Arc<Plans>,
        json: &Settings,
        limits: Limits,
    ) -> Option<Self> {
        let (input, output) = (plans.message(&method.input)?, plans.message(&method.output)?);
        let (method, plans, json) = (method.clone(), plans.clone(), json.clone());
        Some(Self { method, limits, plans, json, input, output })
    }

    /// The wire bytes of a request's message.
    pub(super) fn read(&self, codec: Codec, message: Bytes) -> Result<Bytes, Error> {
        match codec {
            Codec::Proto => Ok(message),
            Codec::Json => {
                json::read(&self.input, &self.json, self.limits.request_message, &message)
            }
        }
    }

    /// Appends a backend's message as JSON.
    pub(super) fn write_json(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        json::write(&self.output, &self.json, self.limits.response_message, message, out)
    }

    /// A backend's message as a body.
    pub(super) fn write(&self, codec: Codec, message: Bytes) -> Result<Bytes, Error> {
        match codec {
            Codec::Proto => Ok(message),
            Codec::Json => {
                // JSON is two to three times its wire form, as a rule.
                let mut json = Vec::with_capacity(message.len() * 3 + 64);
                self.write_json(&message, &mut json)?;
                Ok(json.into())
            }
        }
    }
}
