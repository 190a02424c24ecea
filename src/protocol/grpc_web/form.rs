//! The body of an answer: frames, and last the frame of the trailers.

use bytes::Bytes;
use http::HeaderMap;

use super::base64;
use crate::{
    error::Error,
    exchange::{Metadata, Packed},
    frame::{PREFIX, TRAILERS, prefix},
    protocol::{
        outgoing::FrameWriter,
        status,
        streamed::{End, Form},
    },
};

/// Messages in frames, and their end in one more.
pub(super) struct Frames {
    pub(super) writer: FrameWriter,
    /// Whether all of it leaves as base64.
    pub(super) text: bool,
}

impl Form for Frames {
    fn takes_packed(&self) -> bool {
        self.writer.takes_packed()
    }

    fn room(&self, length: usize) -> usize {
        self.writer.room(length)
    }

    fn append(&mut self, message: Packed, out: &mut Vec<u8>) -> Result<Option<Bytes>, Error> {
        let payload = self.writer.append(message, out)?;
        // Text is made of a copy in any case.
        Ok(payload.and_then(|payload| {
            if self.text {
                out.extend_from_slice(&payload);
            }
            (!self.text).then_some(payload)
        }))
    }

    fn end(&mut self, end: Result<Metadata, &Error>, out: &mut Vec<u8>) -> End {
        append_trailers(&status::of(end), out);
        End::Here
    }

    fn leave(&self, out: Vec<u8>) -> Bytes {
        if self.text { base64::write(&out).into() } else { out.into() }
    }
}

/// Appends the frame of the trailers: lines of HTTP/1.1, their names in lower case.
fn append_trailers(trailers: &HeaderMap, out: &mut Vec<u8>) {
    let begin = out.len();
    out.extend_from_slice(&[0; PREFIX]);
    for (name, value) in trailers {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    // Trailers come out of a bounded head, far from what four octets can tell.
    if let Some(prefix) = prefix(TRAILERS, out.len() - begin - PREFIX) {
        out[begin..begin + PREFIX].copy_from_slice(&prefix);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_are_lines_in_a_frame() {
        let mut trailers = HeaderMap::new();
        trailers.append("x-a", "1".parse().unwrap());
        trailers.append("x-a", "2".parse().unwrap());
        trailers.append("grpc-status", "0".parse().unwrap());
        let mut out = b"before".to_vec();
        append_trailers(&trailers, &mut out);
        let text = b"x-a: 1\r\nx-a: 2\r\ngrpc-status: 0\r\n";
        assert_eq!(out, [&b"before\x80\0\0\0\x20"[..], text].concat());
    }
}
