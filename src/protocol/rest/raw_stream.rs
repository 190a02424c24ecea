//! A stream of HttpBody messages as the bytes in them, never gathered.

use std::sync::Arc;

use bytes::Bytes;

use super::binding::Binding;
use crate::{
    error::Error,
    exchange::{Metadata, Packed},
    protocol::streamed::{End, Form},
};

/// Pieces of a body. It has no place for an error, so it breaks off.
pub(super) struct RawStream(pub(super) Arc<Binding>);

impl Form for RawStream {
    fn room(&self, _: usize) -> usize {
        0
    }

    fn append(&mut self, message: Packed, _: &mut Vec<u8>) -> Result<Option<Bytes>, Error> {
        let piece = self.0.raw_response(message.bytes)?;
        Ok(Some(piece.data).filter(|data| !data.is_empty()))
    }

    fn end(&mut self, end: Result<Metadata, &Error>, _: &mut Vec<u8>) -> End {
        end.map_or(End::BreakOff, |trailers| End::trailers(self.0.trailers.of(&trailers)))
    }
}
