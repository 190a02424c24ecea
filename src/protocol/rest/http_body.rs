//! google.api.HttpBody on the wire: raw bytes and their content type.
//!
//! ```text
//! message HttpBody { string content_type = 1; bytes data = 2; repeated Any extensions = 3; }
//! ```
//!
//! Read and written here field by field, so that a body of any length is a slice of what arrived
//! and never a copy in a message value.

use bytes::{BufMut, Bytes};
use prost::{
    DecodeError,
    encoding::{
        DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint,
        encoded_len_varint, key_len, skip_field,
    },
};

use crate::error::{Code, Error, Origin};

/// The type's full name.
pub(super) const NAME: &str = "google.api.HttpBody";

const CONTENT_TYPE: u32 = 1;
const DATA: u32 = 2;

/// The content type and data of a message; the last of each counts, as on any wire.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct HttpBody {
    /// The content type; empty if the message has none.
    pub(super) content_type: Bytes,
    /// The body, or a piece of it.
    pub(super) data: Bytes,
}

/// Reads a message.
///
/// # Errors
/// INTERNAL if the bytes are no protobuf message: the backend sent them.
pub(super) fn read(message: Bytes) -> Result<HttpBody, Error> {
    let mut body = HttpBody::default();
    add(message, &mut body).map_err(broken)?;
    Ok(body)
}

/// Reads the HttpBody in a field of a message; an empty one if the field is absent.
///
/// # Errors
/// As [`read`].
pub(super) fn read_field(message: Bytes, field: u32) -> Result<HttpBody, Error> {
    let mut body = HttpBody::default();
    each_delimited(
        message,
        |number, value| {
            if number == field { add(value, &mut body) } else { Ok(()) }
        },
    )
    .map_err(broken)?;
    Ok(body)
}

fn add(message: Bytes, body: &mut HttpBody) -> Result<(), DecodeError> {
    each_delimited(message, |number, value| {
        match number {
            CONTENT_TYPE => body.content_type = value,
            DATA => body.data = value,
            _ => {}
        }
        Ok(())
    })
}

/// Visits the length-delimited fields of a message as slices of it.
fn each_delimited(
    mut message: Bytes,
    mut visit: impl FnMut(u32, Bytes) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    while !message.is_empty() {
        let (number, wire_type) = decode_key(&mut message)?;
        if wire_type != WireType::LengthDelimited {
            skip_field(wire_type, number, &mut message, DecodeContext::default())?;
            continue;
        }
        let length = decode_varint(&mut message)?;
        if length > message.len() as u64 {
            // The library makes the error for what is cut short.
            return skip_field(
                WireType::LengthDelimited,
                number,
                &mut &[0x01][..],
                DecodeContext::default(),
            );
        }
        visit(number, message.split_to(length as usize))?;
    }
    Ok(())
}

fn broken(error: DecodeError) -> Error {
    Error::new(Code::Internal, "bad_response_message", "the backend's HttpBody is malformed")
        .with_origin(Origin::Upstream)
        .with_source(error)
}

/// How many bytes a message takes on the wire beside its content type and data, at most.
pub(super) const OVERHEAD: usize = 3 * (5 + 10);

/// Appends a message.
pub(super) fn write(content_type: &[u8], data: &[u8], out: &mut Vec<u8>) {
    for (field, value) in [(CONTENT_TYPE, content_type), (DATA, data)] {
        if !value.is_empty() {
            write_field(field, value, out);
        }
    }
}

/// The length of what [`write`] appends.
pub(super) fn length(content_type: &[u8], data: &[u8]) -> usize {
    let field = |number, value: &[u8]| match value.len() {
        0 => 0,
        length => key_len(number) + encoded_len_varint(length as u64) + length,
    };
    field(CONTENT_TYPE, content_type) + field(DATA, data)
}

/// Appends a length-delimited field.
pub(super) fn write_field(number: u32, value: &[u8], out: &mut Vec<u8>) {
    begin_field(number, value.len(), out);
    out.put_slice(value);
}

/// Appends the key and length of a length-delimited field whose value follows.
pub(super) fn begin_field(number: u32, length: usize, out: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(length as u64, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_body_reads_back() {
        let mut wire = Vec::new();
        write(b"image/png", b"\x89PNG", &mut wire);
        assert_eq!(wire.len(), length(b"image/png", b"\x89PNG"));
        let body = read(wire.clone().into()).unwrap();
        assert_eq!(&body.content_type[..], b"image/png");
        assert_eq!(&body.data[..], b"\x89PNG");

        let mut outer = vec![0x08, 1];
        write_field(7, &wire, &mut outer);
        assert_eq!(read_field(outer.clone().into(), 7).unwrap(), body);
        assert_eq!(read_field(outer.into(), 6).unwrap(), HttpBody::default());

        let mut wire = Vec::new();
        write(b"", b"", &mut wire);
        assert!(wire.is_empty());
        assert_eq!(read(wire.into()).unwrap(), HttpBody::default());
    }

    #[test]
    fn unknown_fields_are_skipped_and_truncations_refused() {
        let mut wire = vec![0x1a, 2, 0x0a, 0, 0x28, 7];
        write(b"text/plain", b"hello", &mut wire);
        assert_eq!(&read(wire.into()).unwrap().data[..], b"hello");
        for bad in [
            &[0x12, 5, 1][..],
            &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            &[0x12],
            &[0x08],
        ] {
            assert!(read(Bytes::copy_from_slice(bad)).is_err(), "{bad:?}");
        }
    }
}
