//! The files as their sources gave them, for callers that ask what the services look like.
//!
//! The pool holds files that were rewritten for its library, which no caller may take for the
//! truth. The originals are asked for rarely, so they are kept packed, in about a tenth of the room.

use bytes::Bytes;
use prost::Message;

use super::{descriptor::FileSet, source::Loaded};
use crate::{coding::Coding, error::Error};

/// More than any set of descriptors has; the packed bytes are our own.
const LIMIT: usize = 1 << 30;

/// A descriptor set, packed.
#[derive(Clone)]
pub(super) struct Original(Bytes);

/// Packs the files, which come after what they import.
pub(super) fn pack(files: &[Loaded]) -> Original {
    let file = files.iter().map(|loaded| loaded.file.encode_to_vec()).collect();
    let set = FileSet { file }.encode_to_vec();
    // Packing fails for lack of memory only; then nothing can be told of the services.
    Original(Coding::Zstd.pack(&set).unwrap_or_default())
}

impl Original {
    /// The descriptor set in binary.
    pub(super) fn unpack(&self) -> Result<Bytes, Error> {
        Coding::Zstd.unpack(&self.0, LIMIT)
    }
}
