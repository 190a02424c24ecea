//! Messages as frames, on their way to a caller that takes them so: the part that the forms of gRPC,
//! gRPC-Web and Connect have in common.

use std::sync::Arc;

use bytes::Bytes;

use super::{json, shape::Shape, streamed::LARGE};
use crate::{
    coding::Coding,
    error::{Code, Error},
    exchange::Packed,
    frame::{COMPRESSED, MESSAGE, PREFIX, prefix},
};

/// What is smaller, in bytes, is not worth its compression.
pub const WORTH: usize = 1 << 10;

/// Writes frames.
#[derive(Clone, Default)]
pub struct FrameWriter {
    /// Where the caller reads JSON.
    pub json: Option<Arc<Shape>>,
    /// What messages are packed with where that is worth it; without it they stay as they came.
    pub coding: Option<Coding>,
}

impl FrameWriter {
    /// Whether messages stay as they crossed the wire.
    pub fn takes_packed(&self) -> bool {
        self.json.is_none() && self.coding.is_none()
    }

    /// How many bytes the frame of a message takes that has this length.
    pub fn room(&self, length: usize) -> usize {
        PREFIX
            + match self.json {
                Some(_) => json::room(length),
                None if length < LARGE => length,
                None => 0,
            }
    }

    /// Appends a message's frame; of a large one only the prefix, and gives its payload back.
    ///
    /// # Errors
    /// The message does not fit its schema and is to become JSON, or has 4 GiB.
    pub fn append(&self, message: Packed, out: &mut Vec<u8>) -> Result<Option<Bytes>, Error> {
        if let Some(shape) = &self.json {
            return self.append_json(shape, &message.bytes, out);
        }
        match self.pack(&message.bytes)? {
            Some(packed) => put(COMPRESSED, packed, out),
            None if message.coding.is_some() => put(COMPRESSED, message.bytes, out),
            None => put(MESSAGE, message.bytes, out),
        }
    }

    fn append_json(
        &self,
        shape: &Shape,
        message: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Bytes>, Error> {
        let begin = out.len();
        let payload = begin + PREFIX;
        out.extend_from_slice(&[0; PREFIX]);
        let written = shape.write_json(message, out).and_then(|()| {
            let packed = self.pack(&out[payload..])?;
            Ok((prefix_of(MESSAGE, out.len() - payload)?, packed))
        });
        match written {
            Ok((prefix, None)) => {
                out[begin..payload].copy_from_slice(&prefix);
                Ok(None)
            }
            Ok((_, Some(packed))) => {
                out.truncate(begin);
                put(COMPRESSED, packed, out)
            }
            Err(error) => {
                out.truncate(begin);
                Err(error)
            }
        }
    }

    fn pack(&self, plain: &[u8]) -> Result<Option<Bytes>, Error> {
        let coding = self.coding.filter(|_| plain.len() >= WORTH);
        coding.map(|coding| coding.pack(plain)).transpose()
    }
}

fn put(flag: u8, payload: Bytes, out: &mut Vec<u8>) -> Result<Option<Bytes>, Error> {
    out.extend_from_slice(&prefix_of(flag, payload.len())?);
    if payload.len() >= LARGE {
        return Ok(Some(payload));
    }
    out.extend_from_slice(&payload);
    Ok(None)
}

fn prefix_of(flag: u8, length: usize) -> Result<[u8; PREFIX], Error> {
    prefix(flag, length).ok_or_else(|| {
        let message = "the reply's message is larger than the 4 GiB that a frame can hold";
        Error::new(Code::ResourceExhausted, "message_too_large", message)
    })
}
