//! `google/protobuf/descriptor.proto`, as much of it as the gateway must read and rewrite.
//!
//! The types of prost-types know no editions and drop what they don't know, custom options such
//! as `google.api.http` with it. Here every `options` message stays the bytes that it came as, so
//! nothing in it is lost and two copies of a file can be compared.

use std::iter;

use bytes::Bytes;
use prost::{
    Message,
    bytes::Buf,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, encode_varint, skip_field},
};

/// `FieldDescriptorProto.Label`.
pub(super) mod label {
    pub(crate) const OPTIONAL: i32 = 1;
    pub(crate) const REQUIRED: i32 = 2;
    pub(crate) const REPEATED: i32 = 3;
}

/// `FieldDescriptorProto.Type`, the kinds that are told apart here.
pub(super) mod kind {
    pub(crate) const DOUBLE: i32 = 1;
    pub(crate) const FLOAT: i32 = 2;
    pub(crate) const STRING: i32 = 9;
    pub(crate) const GROUP: i32 = 10;
    pub(crate) const MESSAGE: i32 = 11;
    pub(crate) const BYTES: i32 = 12;
    pub(crate) const ENUM: i32 = 14;
    pub(crate) const LAST: i32 = 18;
}

/// `FileDescriptorSet`; a buf image has the same shape.
#[derive(Clone, PartialEq, Message)]
pub(super) struct FileSet {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(super) file: Vec<Bytes>,
}

/// `FileDescriptorProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct File {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) package: String,
    #[prost(string, repeated, tag = "3")]
    pub(super) dependency: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    pub(super) message_type: Vec<MessageType>,
    #[prost(message, repeated, tag = "5")]
    pub(super) enum_type: Vec<EnumType>,
    #[prost(message, repeated, tag = "6")]
    pub(super) service: Vec<ServiceType>,
    #[prost(message, repeated, tag = "7")]
    pub(super) extension: Vec<Field>,
    #[prost(bytes = "vec", optional, tag = "8")]
    pub(super) options: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "9")]
    pub(super) source_code_info: Option<Vec<u8>>,
    #[prost(int32, repeated, packed = "false", tag = "10")]
    pub(super) public_dependency: Vec<i32>,
    #[prost(int32, repeated, packed = "false", tag = "11")]
    pub(super) weak_dependency: Vec<i32>,
    #[prost(string, tag = "12")]
    pub(super) syntax: String,
    #[prost(int32, tag = "14")]
    pub(super) edition: i32,
    #[prost(string, repeated, tag = "15")]
    pub(super) option_dependency: Vec<String>,
}

/// `DescriptorProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct MessageType {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) field: Vec<Field>,
    #[prost(message, repeated, tag = "3")]
    pub(super) nested_type: Vec<MessageType>,
    #[prost(message, repeated, tag = "4")]
    pub(super) enum_type: Vec<EnumType>,
    #[prost(message, repeated, tag = "5")]
    pub(super) extension_range: Vec<ExtensionRange>,
    #[prost(message, repeated, tag = "6")]
    pub(super) extension: Vec<Field>,
    #[prost(bytes = "vec", optional, tag = "7")]
    pub(super) options: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "8")]
    pub(super) oneof_decl: Vec<Oneof>,
    #[prost(message, repeated, tag = "9")]
    pub(super) reserved_range: Vec<ReservedRange>,
    #[prost(string, repeated, tag = "10")]
    pub(super) reserved_name: Vec<String>,
}

/// `DescriptorProto.ExtensionRange`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ExtensionRange {
    #[prost(int32, optional, tag = "1")]
    pub(super) start: Option<i32>,
    #[prost(int32, optional, tag = "2")]
    pub(super) end: Option<i32>,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub(super) options: Option<Vec<u8>>,
}

/// `DescriptorProto.ReservedRange` and `EnumDescriptorProto.EnumReservedRange`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ReservedRange {
    #[prost(int32, optional, tag = "1")]
    pub(super) start: Option<i32>,
    #[prost(int32, optional, tag = "2")]
    pub(super) end: Option<i32>,
}

/// `OneofDescriptorProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Oneof {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(super) options: Option<Vec<u8>>,
}

/// `FieldDescriptorProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Field {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, optional, tag = "2")]
    pub(super) extendee: Option<String>,
    #[prost(int32, tag = "3")]
    pub(super) number: i32,
    #[prost(int32, tag = "4")]
    pub(super) label: i32,
    #[prost(int32, tag = "5")]
    pub(super) kind: i32,
    #[prost(string, optional, tag = "6")]
    pub(super) type_name: Option<String>,
    #[prost(string, optional, tag = "7")]
    pub(super) default_value: Option<String>,
    #[prost(bytes = "vec", optional, tag = "8")]
    pub(super) options: Option<Vec<u8>>,
    #[prost(int32, optional, tag = "9")]
    pub(super) oneof_index: Option<i32>,
    #[prost(string, optional, tag = "10")]
    pub(super) json_name: Option<String>,
    #[prost(bool, tag = "17")]
    pub(super) proto3_optional: bool,
}

impl Field {
    /// Whether the kind is a number, a bool or an enum, which a repeated field can pack.
    pub(super) fn is_packable(&self) -> bool {
        let unpackable = [kind::STRING, kind::GROUP, kind::MESSAGE, kind::BYTES];
        self.label == label::REPEATED && !unpackable.contains(&self.kind)
    }
}

/// `EnumDescriptorProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct EnumType {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) value: Vec<EnumValue>,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub(super) options: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "4")]
    pub(super) reserved_range: Vec<ReservedRange>,
    #[prost(string, repeated, tag = "5")]
    pub(super) reserved_name: Vec<String>,
}

/// `EnumValueDescriptorProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct EnumValue {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    /// Written even when zero, as every compiler does.
    #[prost(int32, optional, tag = "2")]
    pub(super) number: Option<i32>,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub(super) options: Option<Vec<u8>>,
}

/// `ServiceDescriptorProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ServiceType {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) method: Vec<MethodType>,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub(super) options: Option<Vec<u8>>,
}

/// `MethodDescriptorProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct MethodType {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) input_type: String,
    #[prost(string, tag = "3")]
    pub(super) output_type: String,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub(super) options: Option<Vec<u8>>,
    #[prost(bool, tag = "5")]
    pub(super) client_streaming: bool,
    #[prost(bool, tag = "6")]
    pub(super) server_streaming: bool,
}

/// Joins a scope and a name with a dot; the empty scope is the root.
pub(super) fn join(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

/// The `packed` option of a field, if it stands there.
pub(super) fn packed_option(field: &Field) -> Option<bool> {
    let packed = records(field.options.as_deref()?).filter(|record| record.number == 2).last()?;
    packed.varint().map(|value| value != 0)
}

/// Whether a message is the entry of a map.
pub(super) fn is_map_entry(message: &MessageType) -> bool {
    let Some(options) = message.options.as_deref() else { return false };
    let map_entry = records(options).filter(|record| record.number == 7).last();
    map_entry.and_then(|record| record.varint()).is_some_and(|value| value != 0)
}

/// Appends a varint field to options; on the wire the last value of a scalar counts.
pub(super) fn append_varint(options: &mut Option<Vec<u8>>, number: u32, value: u64) {
    let options = options.get_or_insert_default();
    encode_varint(u64::from(number << 3), options);
    encode_varint(value, options);
}

/// One field of an encoded message: its number, its wire type and its value's bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) number: u32,
    pub(super) wire_type: WireType,
    /// Key and value as they stand.
    pub(super) bytes: &'a [u8],
    value: &'a [u8],
}

impl Record<'_> {
    /// The value of a varint field.
    pub(super) fn varint(&self) -> Option<u64> {
        (self.wire_type == WireType::Varint).then(|| decode_varint(&mut &*self.value).ok())?
    }

    /// The bytes of a length-delimited field; empty for any other kind.
    pub(super) fn contents(&self) -> &[u8] {
        let mut value = self.value;
        if self.wire_type == WireType::LengthDelimited && decode_varint(&mut value).is_ok() {
            return value;
        }
        &[]
    }
}

/// Walks over the fields of an encoded message; ends early at what can't be read.
pub(super) fn records(mut bytes: &[u8]) -> impl Iterator<Item = Record<'_>> {
    iter::from_fn(move || {
        let start = bytes;
        if !bytes.has_remaining() {
            return None;
        }
        let (number, wire_type) = decode_key(&mut bytes).ok()?;
        let value = bytes;
        skip_field(wire_type, number, &mut bytes, DecodeContext::default()).ok()?;
        let value = &value[..value.len() - bytes.len()];
        Some(Record { number, wire_type, bytes: &start[..start.len() - bytes.len()], value })
    })
}
