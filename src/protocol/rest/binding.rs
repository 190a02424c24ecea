//! One google.api.http rule bound to its method, compiled.
//!
//! ```text
//! patch: "/v1/{book.name=shelves/*/books/*}"   slot book.name        ◄─ path
//! body: "book"                                 field book            ◄─ body (JSON, form or raw)
//!                                              every other field     ◄─ query
//! ```
//!
//! Path and query are the [`Rule`]'s; what bodies become is told here.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    compression::Compression,
    fault,
    http_body::{self, HttpBody},
    negotiate::Content,
    settings::Settings,
    trailers::Declared,
};
use crate::{
    error::Error,
    exchange::Limits,
    protocol::{json, rule::Rule},
    transcode::{self, JsonError, Plan, Plans},
};

/// A rule, compiled.
pub(super) struct Binding {
    pub(super) rule: Arc<Rule>,
    pub(super) plans: Arc<Plans>,
    pub(super) settings: Settings,
    pub(super) limits: Limits,
    pub(super) json: transcode::Settings,
    pub(super) output: Plan,
    pub(super) request: RequestShape,
    pub(super) response: ResponseShape,
    /// How answers are compressed, if they are.
    pub(super) compression: Option<Compression>,
    /// The backend's trailers that the caller gets.
    pub(super) trailers: Declared,
}

/// What the body of a request becomes.
pub(super) enum RequestShape {
    /// The rule has no body.
    Nothing,
    /// `body: "*"`.
    Message,
    /// `body: "field"`, of any type but HttpBody.
    Field(BodyField),
    /// `body: "*"` of a method that takes an HttpBody.
    RawWhole,
    /// `body: "field"` of type HttpBody: its number on the wire.
    RawField(BodyField),
}

/// The field that a body fills.
pub(super) struct BodyField {
    /// Its place in the plan.
    pub(super) place: u32,
    /// Its number on the wire.
    pub(super) number: u32,
    /// The plan of its message, if it is a single one: what a form fills.
    pub(super) plan: Option<Plan>,
}

/// What makes the body of a response.
pub(super) enum ResponseShape {
    /// The whole message.
    Message,
    /// The field at this place of the plan.
    Field(u32),
    /// The method answers with an HttpBody.
    RawWhole,
    /// A field of type HttpBody: its number on the wire.
    RawField(u32),
}

impl Binding {
    /// The message of a body that is gathered whole, and of path and query.
    pub(super) fn request(
        &self,
        body: &[u8],
        content: Content,
        content_type: &[u8],
        tail: &[u8],
    ) -> Result<Bytes, Error> {
        match &self.request {
            RequestShape::RawWhole | RequestShape::RawField(_) => {
                return Ok(self.raw(content_type, body, tail));
            }
            RequestShape::Nothing => {
                fault::check_no_body(body)?;
                return Ok(Bytes::copy_from_slice(tail));
            }
            RequestShape::Message | RequestShape::Field(_) if is_form(content, body) => {
                let mut wire = Vec::with_capacity(body.len() + tail.len());
                self.form(body, &mut wire)?;
                return self.weave(wire, tail);
            }
            RequestShape::Message | RequestShape::Field(_) => {}
        }
        if body.trim_ascii().is_empty() {
            return self.weave(Vec::new(), tail);
        }
        self.element(body, tail, fault::json)
    }

    /// The message of one JSON value; `tell` makes an error of what is wrong with it.
    pub(super) fn element(
        &self,
        json: &[u8],
        tail: &[u8],
        tell: impl Fn(&JsonError) -> Error,
    ) -> Result<Bytes, Error> {
        let limit = self.limits.request_message;
        let mut wire = Vec::with_capacity(json.len() + tail.len());
        let read = match &self.request {
            RequestShape::Field(field) => {
                let (input, settings) = (&self.rule.input, &self.json);
                transcode::json_field_to_wire(input, field.place, settings, limit, json, &mut wire)
            }
            _ => transcode::json_to_wire(&self.rule.input, &self.json, limit, json, &mut wire),
        };
        read.map_err(|error| tell(&error))?;
        self.weave(wire, tail)
    }

    /// A body's wire bytes, and behind them those of path and query.
    fn weave(&self, mut wire: Vec<u8>, tail: &[u8]) -> Result<Bytes, Error> {
        self.rule.weave(&mut wire, tail)?;
        Ok(wire.into())
    }

    /// The wire bytes of a form: like a query's, but for what the body fills.
    fn form(&self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let form = std::str::from_utf8(body).map_err(|_| fault::form_encoding())?;
        match &self.request {
            RequestShape::Field(field) => {
                let Some(plan) = &field.plan else { return Err(fault::form_into_no_message()) };
                let mut inner = Vec::with_capacity(body.len());
                self.rule.form(plan, form, &mut inner)?;
                http_body::write_field(field.number, &inner, out);
                Ok(())
            }
            _ => self.rule.form(&self.rule.input, form, out),
        }
    }

    /// The message of raw bytes, or of a piece of them.
    pub(super) fn raw(&self, content_type: &[u8], data: &[u8], tail: &[u8]) -> Bytes {
        let mut wire =
            Vec::with_capacity(content_type.len() + data.len() + tail.len() + http_body::OVERHEAD);
        match &self.request {
            RequestShape::RawField(field) => {
                let length = http_body::length(content_type, data);
                http_body::begin_field(field.number, length, &mut wire);
                http_body::write(content_type, data, &mut wire);
            }
            _ => http_body::write(content_type, data, &mut wire),
        }
        wire.extend_from_slice(tail);
        wire.into()
    }

    /// Appends a backend's message, or the field that the rule names, as JSON.
    pub(super) fn write_json(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let Binding { output, json: settings, .. } = self;
        let limit = json::growth(self.limits.response_message);
        let written = match self.response {
            ResponseShape::Field(place) => {
                transcode::wire_field_to_json(output, place, settings, limit, message, out)
            }
            _ => transcode::wire_to_json(output, settings, limit, message, out),
        };
        written.map_err(|error| json::unfit(&error))
    }

    /// A backend's HttpBody, or the one in the field that the rule names.
    pub(super) fn raw_response(&self, message: Bytes) -> Result<HttpBody, Error> {
        match self.response {
            ResponseShape::RawField(number) => http_body::read_field(message, number),
            _ => http_body::read(message),
        }
    }
}

/// Whether the body is a form. Tools such as curl say so of JSON too unless told otherwise; no
/// field's name begins like JSON does.
fn is_form(content: Content, body: &[u8]) -> bool {
    content == Content::Form && !matches!(body.trim_ascii_start().first(), Some(b'{' | b'['))
}
