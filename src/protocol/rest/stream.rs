//! Server streams in JSON, in one of its framings.

use std::sync::Arc;

use bytes::Bytes;

use super::{binding::Binding, negotiate::Framing};
use crate::{
    error::Error,
    exchange::{Metadata, Packed},
    protocol::{
        failure, json,
        streamed::{End, Form},
    },
};

/// Messages as JSON, and a late error where the framing has a place for it.
pub(super) struct JsonStream {
    pub(super) binding: Arc<Binding>,
    pub(super) framing: Framing,
    /// Whether a message has been written.
    pub(super) started: bool,
}

impl Form for JsonStream {
    fn room(&self, length: usize) -> usize {
        json::room(length)
    }

    fn append(&mut self, message: Packed, out: &mut Vec<u8>) -> Result<Option<Bytes>, Error> {
        let begin = out.len();
        let (before, after): (&[u8], &[u8]) = match self.framing {
            Framing::Array if self.started => (b",", b""),
            Framing::Array => (b"[", b""),
            Framing::Lines => (b"", b"\n"),
            Framing::Sequence => (b"\x1e", b"\n"),
            Framing::Events => (b"data: ", b"\n\n"),
        };
        out.extend_from_slice(before);
        if let Err(error) = self.binding.write_json(&message.bytes, out) {
            out.truncate(begin);
            return Err(error);
        }
        out.extend_from_slice(after);
        self.started = true;
        Ok(None)
    }

    /// A late error is told in the stream where its framing allows; else the stream breaks off, so
    /// that nobody takes a part for the whole.
    fn end(&mut self, end: Result<Metadata, &Error>, out: &mut Vec<u8>) -> End {
        let trailers = match end {
            Ok(trailers) => {
                if self.framing == Framing::Array {
                    out.extend_from_slice(if self.started { b"]" } else { b"[]" });
                }
                self.binding.trailers.of(&trailers)
            }
            Err(error) => {
                let (before, after): (&[u8], &[u8]) = match self.framing {
                    Framing::Array => return End::BreakOff,
                    Framing::Lines => (b"{\"error\":", b"}\n"),
                    Framing::Sequence => (b"\x1e{\"error\":", b"}\n"),
                    Framing::Events => (b"event: error\ndata: ", b"\n\n"),
                };
                out.extend_from_slice(before);
                out.extend_from_slice(&failure::status_json(error, &self.binding.plans));
                out.extend_from_slice(after);
                self.binding.trailers.of(error.metadata())
            }
        };
        End::trailers(trailers)
    }
}
