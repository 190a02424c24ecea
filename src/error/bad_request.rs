//! `google.rpc.BadRequest`: what is wrong with which field, for programs, which needn't read
//! sentences then.

use prost::Message;

use super::Detail;

/// The message, as far as it is written here.
#[derive(Clone, PartialEq, Message)]
struct BadRequest {
    #[prost(message, repeated, tag = "1")]
    field_violations: Vec<FieldViolation>,
}

/// One field that is wrong.
#[derive(Clone, PartialEq, Message)]
pub struct FieldViolation {
    /// Its path in JSON's words, `book.pages[3].title`.
    #[prost(string, tag = "1")]
    pub field: String,
    /// Why it is wrong, for people.
    #[prost(string, tag = "2")]
    pub description: String,
    /// The same for programs, a rule's id for example; may be empty.
    #[prost(string, tag = "3")]
    pub reason: String,
}

impl Detail {
    /// The detail that names these fields.
    pub fn bad_request(field_violations: Vec<FieldViolation>) -> Self {
        Self {
            type_url: "type.googleapis.com/google.rpc.BadRequest".into(),
            value: BadRequest { field_violations }.encode_to_vec().into(),
        }
    }
}
