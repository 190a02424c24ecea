//! Errors about one field: a sentence for people and a google.rpc.BadRequest detail for programs.

use crate::error::{Detail, Error, FieldViolation};

/// INVALID_ARGUMENT about one field, told twice: in words, and as a detail.
pub fn about_field(reason: &'static str, message: String, field: &str, description: &str) -> Error {
    let violation = FieldViolation {
        field: field.into(),
        description: description.into(),
        reason: String::new(),
    };
    Error::invalid(reason, message).with_detail(Detail::bad_request(vec![violation]))
}
