//! A request's body that is base64, as pieces of frames.

use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::base64::Reader;
use crate::{error::Error, protocol::incoming::Pieces};

/// Pieces of text, which become pieces of frames.
pub(super) struct TextPieces<P> {
    pieces: P,
    reader: Reader,
}

impl<P> TextPieces<P> {
    pub(super) fn new(pieces: P) -> Self {
        Self { pieces, reader: Reader::default() }
    }
}

impl<P: Pieces> Pieces for TextPieces<P> {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let piece = match ready!(self.pieces.poll_piece(cx)) {
            Some(Ok(text)) => self.reader.push(&text).map(Bytes::from).map_err(|_| {
                bad("the request's body is not base64, as its content type says it is")
            }),
            Some(Err(error)) => Err(error),
            None if self.reader.is_between_groups() => return Poll::Ready(None),
            None => Err(bad("the request's base64 ends in the middle of a group of four letters")),
        };
        Poll::Ready(Some(piece))
    }
}

fn bad(message: &'static str) -> Error {
    Error::invalid("bad_base64", message)
}
