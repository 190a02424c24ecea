//! A body that is gathered whole before it is read, up to a limit.

use bytes::{Bytes, BytesMut};

use crate::error::Error;

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
