//! The methods of a schema, and what it takes to read and write the messages of one.
//!
//! A schema may have thousands of methods of which a day's traffic calls ten: what JSON needs of a
//! method is made when somebody sends it some first.

use std::sync::Arc;

use bytes::Bytes;

use super::{MethodPolicy, codec::Codec, json};
use crate::{
    error::Error,
    exchange::Limits,
    first_use::FirstUse,
    schema::{Method, Schema},
    transcode::{Plan, Plans, Settings},
};

/// The methods of a schema, with what holds for each. The doors share it.
pub struct Methods {
    /// The services.
    pub schema: Arc<Schema>,
    /// How messages are transcoded.
    pub plans: Arc<Plans>,
    /// What holds for each method, by `Method::index`.
    pub policies: Arc<[Arc<MethodPolicy>]>,
    /// By `Method::index`.
    shapes: FirstUse<Option<Arc<Shape>>>,
}

impl Methods {
    /// The methods of this schema, none of which has been called yet.
    pub fn new(
        schema: &Arc<Schema>,
        plans: &Arc<Plans>,
        policies: &Arc<[Arc<MethodPolicy>]>,
    ) -> Self {
        let shapes = FirstUse::of(schema.methods().len());
        let (schema, plans, policies) = (schema.clone(), plans.clone(), policies.clone());
        Self { schema, plans, policies, shapes }
    }

    /// The policy of a method.
    pub fn policy(&self, method: &Method) -> &MethodPolicy {
        &self.policies[method.index]
    }

    /// Whether the plans know the messages of a method, as they do of every one of their schema.
    pub fn knows(&self, method: &Method) -> bool {
        self.plans.message(&method.input).is_some() && self.plans.message(&method.output).is_some()
    }

    /// The shape of a method that the plans know.
    pub fn shape(&self, method: &Arc<Method>) -> Option<&Arc<Shape>> {
        let compile = || Shape::compile(method, &self.plans, self.policy(method)).map(Arc::new);
        self.shapes.ask(method.index, compile).as_ref()
    }
}

/// The messages of one method.
pub struct Shape {
    /// The method.
    pub method: Arc<Method>,
    /// How large its messages may be.
    pub limits: Limits,
    /// What the details of errors are decoded with.
    pub plans: Arc<Plans>,
    json: Settings,
    input: Plan,
    output: Plan,
}

impl Shape {
    /// The shape of a method; `None` if the plans don't know its messages.
    pub fn compile(
        method: &Arc<Method>,
        plans: &Arc<Plans>,
        policy: &MethodPolicy,
    ) -> Option<Self> {
        let (input, output) = (plans.message(&method.input)?, plans.message(&method.output)?);
        let (json, limits) = (policy.json.clone(), policy.limits);
        Some(Self { method: method.clone(), limits, plans: plans.clone(), json, input, output })
    }

    /// The wire bytes of a caller's message.
    ///
    /// # Errors
    /// What [`json::read`] finds.
    pub fn read(&self, codec: Codec, message: Bytes) -> Result<Bytes, Error> {
        match codec {
            Codec::Proto => Ok(message),
            Codec::Json => self.read_json(&message),
        }
    }

    /// The wire bytes of a caller's message in JSON.
    ///
    /// # Errors
    /// What [`json::read`] finds.
    pub fn read_json(&self, text: &[u8]) -> Result<Bytes, Error> {
        json::read(&self.input, &self.json, self.limits.request_message, text)
    }

    /// A backend's message as the caller reads it.
    ///
    /// # Errors
    /// The message does not fit its schema, or is too large as JSON.
    pub fn write(&self, codec: Codec, message: Bytes) -> Result<Bytes, Error> {
        match codec {
            Codec::Proto => Ok(message),
            Codec::Json => {
                let mut text = Vec::with_capacity(json::room(message.len()));
                self.write_json(&message, &mut text)?;
                Ok(text.into())
            }
        }
    }

    /// Appends a backend's message as JSON.
    ///
    /// # Errors
    /// As of [`Self::write`].
    pub fn write_json(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        json::write(&self.output, &self.json, self.limits.response_message, message, out)
    }
}
