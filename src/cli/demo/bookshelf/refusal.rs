//! The service's errors: a status with typed details, as <https://google.aip.dev/193> asks.

use bytes::Bytes;
use prost::Message;
use prost_types::Any;
use tonic::{Code, Status};

use super::types::google::rpc::{
    self, BadRequest, ErrorInfo, ResourceInfo, bad_request::FieldViolation,
};

/// The `domain` of every ErrorInfo.
pub(super) const DOMAIN: &str = "bookshelf.v1";

/// A detail of one of the types of google.rpc.
pub(super) fn detail(name: &str, message: &impl Message) -> Any {
    Any {
        type_url: format!("type.googleapis.com/google.rpc.{name}"),
        value: message.encode_to_vec(),
    }
}

/// A status whose `grpc-status-details-bin` holds the details; without details there is none.
pub(super) fn status(code: Code, message: &str, details: Vec<Any>) -> Status {
    if details.is_empty() {
        return Status::new(code, message);
    }
    let whole = rpc::Status { code: code as i32, message: message.into(), details };
    Status::with_details(code, message, Bytes::from(whole.encode_to_vec()))
}

/// Nothing has this name: NOT_FOUND with ResourceInfo.
pub(super) fn not_found(name: &str) -> Status {
    resource(Code::NotFound, name, &format!("no book is named `{name}`"))
}

/// Something has this name already: ALREADY_EXISTS with ResourceInfo.
pub(super) fn already_exists(name: &str) -> Status {
    resource(Code::AlreadyExists, name, &format!("a book named `{name}` stands there already"))
}

fn resource(code: Code, name: &str, message: &str) -> Status {
    let info = ResourceInfo {
        resource_type: "bookshelf.v1/Book".into(),
        resource_name: name.into(),
        owner: String::new(),
        description: message.into(),
    };
    status(code, message, vec![detail("ResourceInfo", &info)])
}

/// Fields that can't be taken, all at once: INVALID_ARGUMENT with BadRequest.
pub(super) fn invalid(violations: Vec<FieldViolation>) -> Status {
    let message = match violations.as_slice() {
        [only] => format!("{}: {}", only.field, only.description),
        several => format!("{} fields can't be taken", several.len()),
    };
    let bad_request = BadRequest { field_violations: violations };
    status(Code::InvalidArgument, &message, vec![detail("BadRequest", &bad_request)])
}

/// One field that can't be taken.
pub(super) fn invalid_field(field: &str, description: impl Into<String>) -> Status {
    invalid(vec![violation(field, description)])
}

/// What is wrong with a field.
pub(super) fn violation(field: &str, description: impl Into<String>) -> FieldViolation {
    FieldViolation { field: field.into(), description: description.into(), ..Default::default() }
}

/// The shelf is full or the text too long: RESOURCE_EXHAUSTED with ErrorInfo.
pub(super) fn exhausted(reason: &str, message: &str) -> Status {
    status(Code::ResourceExhausted, message, vec![detail("ErrorInfo", &error_info(reason))])
}

/// ErrorInfo with a reason in `SCREAMING_SNAKE_CASE`.
pub(super) fn error_info(reason: &str) -> ErrorInfo {
    ErrorInfo { reason: reason.into(), domain: DOMAIN.into(), ..ErrorInfo::default() }
}
