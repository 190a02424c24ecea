//! Errors about one field: a sentence for people and a google.rpc.BadRequest detail for programs,
//! which needn't read sentences then.

use prost::Message;

use crate::error::{Detail, Error};

/// google.rpc.BadRequest, as far as it is written here.
#[derive(Clone, PartialEq, Message)]
struct BadRequest {
    #[prost(message, repeated, tag = "1")]
    field_violations: Vec<FieldViolation>,
}

#[derive(Clone, PartialEq, Message)]
struct FieldViolation {
    #[prost(string, tag = "1")]
    field: String,
    #[prost(string, tag = "2")]
    description: String,
}

/// INVALID_ARGUMENT about one field, told twice: in words, and as a detail.
pub fn about_field(reason: &'static str, message: String, field: &str, description: &str) -> Error {
    let violation = FieldViolation { field: field.into(), description: description.into() };
    let detail = BadRequest { field_violations: vec![violation] };
    Error::invalid(reason, message).with_detail(Detail {
        type_url: "type.googleapis.com/google.rpc.BadRequest".into(),
        value: detail.encode_to_vec().into(),
    })
}
