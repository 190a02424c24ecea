//! HPACK, the compression of header fields (RFC 7541), both ways.
//!
//! Both sides are made for calls that look alike: what repeats costs an octet or two and, here, a
//! look at a small table. The encoder never spends time on Huffman codes, which it may leave out;
//! the decoder has to know them.

mod decode;
mod encode;
mod fixed;
mod huffman;
mod primitive;
mod table;

pub(super) use decode::{Decoder, Fields, is_of_connections};
pub(super) use encode::{Encoder, Indexing};

/// Why a block can't be decoded. What it did to the table is unknown then, so that it ends the
/// connection (RFC 7541 §2.2, RFC 9113 §4.3: COMPRESSION_ERROR).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

/// What a field costs in a table and towards a limit besides its octets (RFC 7541 §4.1).
const OVERHEAD: usize = 32;

/// The size that a table has until told otherwise, in octets (RFC 9113 §6.5.2).
pub(super) const TABLE_SIZE: usize = 4096;

#[cfg(test)]
mod tests;
