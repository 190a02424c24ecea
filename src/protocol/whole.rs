//! A body that is one message: gathered whole, up to a limit, before it is read.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};

use super::unpacked::Unpacked;
use crate::{
    error::Error,
    exchange::{MessageStream, Messages},
};

/// The message of a body, made by `make` of all its bytes once somebody asks for it. Of more than
/// `limit` bytes there is none.
pub fn whole(
    body: Unpacked,
    limit: usize,
    make: impl FnOnce(Gathered) -> Result<Bytes, Error> + Send + Unpin + 'static,
) -> Messages {
    Messages::stream(Whole { body, limit, read: 0, parts: Some((Gathered::Nothing, make)) })
}

struct Whole<F> {
    body: Unpacked,
    limit: usize,
    /// Bytes of the body so far.
    read: u64,
    /// Gone once it has been read.
    parts: Option<(Gathered, F)>,
}

impl<F: FnOnce(Gathered) -> Result<Bytes, Error> + Send + Unpin> MessageStream for Whole<F> {
    fn poll_message(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        let Whole { body, limit, read, parts } = &mut *self;
        let Some((gathered, _)) = parts else { return Poll::Ready(None) };
        while let Some(data) = ready!(body.poll_data(cx)) {
            let pushed = data.and_then(|data| {
                *read += data.len() as u64;
                gathered.push(data, body.expected().saturating_add(*read), *limit)
            });
            if let Err(error) = pushed {
                *parts = None;
                return Poll::Ready(Some(Err(error)));
            }
        }
        Poll::Ready(parts.take().map(|(gathered, make)| make(gathered)))
    }
}

/// The body so far. Most come in one piece, which is then read where it lies.
#[derive(Debug, Default)]
pub enum Gathered {
    /// No byte yet.
    #[default]
    Nothing,
    /// One piece, as it came.
    Piece(Bytes),
    /// Several, put together.
    Pieces(BytesMut),
}

impl Gathered {
    /// What there is.
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Nothing => &[],
            Self::Piece(piece) => piece,
            Self::Pieces(pieces) => pieces,
        }
    }

    /// What there is, without a copy.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::Piece(piece) => piece,
            Self::Pieces(pieces) => pieces.freeze(),
        }
    }

    /// Adds a piece. `expected` is how many bytes the whole body says to have at least, `limit` how
    /// many it may have.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED (413) above the limit.
    pub fn push(&mut self, data: Bytes, expected: u64, limit: usize) -> Result<(), Error> {
        let length = self.as_slice().len();
        if data.len() > limit - length {
            return Err(over_limit(limit));
        }
        match self {
            Self::Nothing => *self = Self::Piece(data),
            Self::Piece(first) => {
                let expected = (expected as usize).clamp(length + data.len(), limit);
                let mut pieces = BytesMut::with_capacity(expected);
                pieces.extend_from_slice(first);
                pieces.extend_from_slice(&data);
                *self = Self::Pieces(pieces);
            }
            Self::Pieces(pieces) => pieces.extend_from_slice(&data),
        }
        Ok(())
    }
}

/// The refusal of a body above the limit, in bytes.
pub fn over_limit(limit: usize) -> Error {
    Error::too_large(format!("the request's body is larger than {limit} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn gathered(pieces: &[&'static str], limit: usize) -> Result<Bytes, Error> {
        let mut gathered = Gathered::default();
        for piece in pieces {
            gathered.push(Bytes::from_static(piece.as_bytes()), 1000, limit)?;
        }
        assert_eq!(gathered.as_slice().len(), pieces.concat().len());
        Ok(gathered.into_bytes())
    }

    #[test]
    fn pieces_are_put_together_up_to_the_limit() {
        assert_eq!(gathered(&[], 5).unwrap(), "");
        assert_eq!(gathered(&["ab", "", "cde"], 5).unwrap(), "abcde");
        for pieces in [&["abcdef"][..], &["ab", "cdef"], &["ab", "cde", "f"]] {
            assert_eq!(gathered(pieces, 5).unwrap_err().code(), Code::ResourceExhausted);
        }
    }

    #[test]
    fn body_in_one_piece_is_not_copied() {
        let piece = Bytes::from_static(b"hello");
        let mut gathered = Gathered::default();
        gathered.push(piece.clone(), 5, 5).unwrap();
        assert_eq!(gathered.into_bytes().as_ptr(), piece.as_ptr());
    }
}
