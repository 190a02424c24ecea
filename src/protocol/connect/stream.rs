//! The body of a streamed answer: frames, and behind them the one that tells how the call ended.

use std::sync::Arc;

use bytes::Bytes;

use super::failure;
use crate::{
    error::Error,
    exchange::{Metadata, Packed},
    protocol::{
        outgoing::FrameWriter,
        streamed::{End, Form},
    },
    transcode::Plans,
};

/// Messages in frames, and their end in one more.
pub(super) struct Frames {
    pub(super) writer: FrameWriter,
    pub(super) plans: Arc<Plans>,
}

impl Form for Frames {
    fn room(&self, length: usize) -> usize {
        self.writer.room(length)
    }

    fn append(&mut self, message: Packed, out: &mut Vec<u8>) -> Result<Option<Bytes>, Error> {
        self.writer.append(message, out)
    }

    fn end(&mut self, end: Result<Metadata, &Error>, out: &mut Vec<u8>) -> End {
        match end {
            Ok(trailers) => failure::write_end(&trailers, out),
            Err(error) => failure::write_failure(error, Some(&self.plans), out),
        }
        End::Here
    }
}
