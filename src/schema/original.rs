//! The files as their sources gave them, for callers that ask what the services look like.
//!
//! The pool holds files that were rewritten for its library, which no caller may take for the
//! truth. The originals are asked for rarely, so they are kept packed, in about a tenth of the room.

use bytes::Bytes;
use prost::Message;

use super::source::Loaded;
use crate::{
    coding::{Coding, Packer},
    error::Error,
};

/// The tag of `FileDescriptorSet.file`.
const FILE: u8 = 0x0a;

/// More than any set of descriptors has; the packed bytes are our own.
const LIMIT: usize = 1 << 30;

/// A descriptor set, packed.
#[derive(Clone)]
pub(super) struct Original(Bytes);

/// Packs the files, which come after what they import.
pub(super) fn pack(files: &[Loaded]) -> Original {
    // Packing fails for lack of memory only; then nothing can be told of the services.
    Original(pack_each(files).unwrap_or_default())
}

/// Packs the files one after the other: all of them at once may be large.
fn pack_each(files: &[Loaded]) -> Result<Bytes, Error> {
    let mut packer = Packer::for_stream(Coding::Zstd)?;
    for Loaded { file, .. } in files {
        packer.push(&[FILE])?;
        packer.push(&file.encode_length_delimited_to_vec())?;
    }
    packer.finish()
}

impl Original {
    /// The descriptor set in binary.
    pub(super) fn unpack(&self) -> Result<Bytes, Error> {
        Coding::Zstd.unpack(&self.0, LIMIT)
    }
}
