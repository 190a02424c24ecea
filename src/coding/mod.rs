//! Content codings: gzip, deflate, Brotli and Zstandard, in both directions, whole or piece by piece.
//!
//! HTTP calls them content codings (RFC 9110 §8.4.1) and gRPC and Connect message encodings; the
//! names and the bytes are the same. Whatever is unpacked has a bound: a few bytes can claim to be
//! gigabytes.

mod codings;
mod pack;
mod unpack;
mod weight;

#[cfg(test)]
mod tests;

use bytes::Bytes;

pub use self::{codings::Codings, pack::Packer, unpack::Unpacker, weight::weighed};
use crate::error::{Code, Error};

/// A way to make bytes fewer. Where there is none, that is `identity`, an `Option` tells so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// `gzip`, RFC 1952.
    Gzip,
    /// `deflate`: the zlib format, RFC 1950, as RFC 9110 §8.4.1.2 and gRPC mean it.
    Deflate,
    /// `br`, RFC 7932.
    Brotli,
    /// `zstd`, RFC 8878, with windows of up to 8 MiB (RFC 9659).
    Zstd,
}

impl Coding {
    /// Every coding, in the order in which we would rather write them.
    pub const ALL: [Self; 4] = [Self::Zstd, Self::Brotli, Self::Gzip, Self::Deflate];

    /// The registered name, lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    /// The coding of this name, in any case; `x-gzip` is an old name of `gzip`.
    pub fn from_name(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("x-gzip") {
            return Some(Self::Gzip);
        }
        Self::ALL.into_iter().find(|coding| coding.name().eq_ignore_ascii_case(name))
    }

    /// Unpacks bytes that are at hand, to at most `limit` bytes.
    ///
    /// # Errors
    /// The bytes are damaged, end early or go on behind their end (invalid argument), or they
    /// unpack to more than the limit (resource exhausted).
    pub fn unpack(self, packed: &[u8], limit: usize) -> Result<Bytes, Error> {
        let mut unpacker = Unpacker::new(self, limit)?;
        let first = unpacker.push(packed)?;
        let rest = unpacker.finish()?;
        Ok(if rest.is_empty() { first } else { [first, rest].concat().into() })
    }

    /// Packs bytes that are at hand.
    ///
    /// # Errors
    /// None but for a lack of memory, which the libraries report.
    pub fn pack(self, plain: &[u8]) -> Result<Bytes, Error> {
        let mut packer = Packer::new(self)?;
        packer.push(plain)?;
        packer.finish()
    }
}

/// The error of a coder that could not be set up or could not write, which is not the data's fault.
fn failed(error: std::io::Error) -> Error {
    Error::new(Code::Internal, "compression", "the gateway could not compress or decompress")
        .with_source(error)
}
