//! The body of an answer: frames, and the status among the trailers.

use bytes::Bytes;

use crate::{
    error::Error,
    exchange::{Metadata, Packed},
    protocol::{
        outgoing::FrameWriter,
        status,
        streamed::{End, Form},
    },
};

/// Messages in frames, and the trailers behind them.
pub(super) struct Frames(pub(super) FrameWriter);

impl Form for Frames {
    fn takes_packed(&self) -> bool {
        self.0.takes_packed()
    }

    fn room(&self, length: usize) -> usize {
        self.0.room(length)
    }

    fn append(&mut self, message: Packed, out: &mut Vec<u8>) -> Result<Option<Bytes>, Error> {
        self.0.append(message, out)
    }

    fn end(&mut self, end: Result<Metadata, &Error>, _: &mut Vec<u8>) -> End {
        End::Trailers(Box::new(status::of(end)))
    }
}
