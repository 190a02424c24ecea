//! The files as their sources gave them, for callers that ask what the services look like.
//!
//! The pool holds files that were rewritten for its library, which no caller may take for the
//! truth. The originals are asked for rarely, so they are kept packed, in about a tenth of the room.

use bytes::Bytes;
use prost::Message;

use super::{
    descriptor::{File, MethodType, ServiceType, join},
    source::Loaded,
};
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

/// Packs the files, which come after what they import. Of methods that are not exposed, by their full
/// names, nothing is told.
pub(super) fn pack(files: &[Loaded], is_exposed: &dyn Fn(&str) -> bool) -> Original {
    // Packing fails for lack of memory only; then nothing can be told of the services.
    Original(pack_each(files, is_exposed).unwrap_or_default())
}

/// Packs the files one after the other: all of them at once may be large.
fn pack_each(files: &[Loaded], is_exposed: &dyn Fn(&str) -> bool) -> Result<Bytes, Error> {
    let mut packer = Packer::for_stream(Coding::Zstd)?;
    for Loaded { file, .. } in files {
        packer.push(&[FILE])?;
        let exposed = exposed(file, is_exposed);
        let file = exposed.as_ref().unwrap_or(file);
        packer.push(&file.encode_length_delimited_to_vec())?;
    }
    packer.finish()
}

/// The file without methods that are not exposed, and services that have no other; none if it has no
/// such method. Its comments go too, as they are found by the places of what they are about.
fn exposed(file: &File, is_exposed: &dyn Fn(&str) -> bool) -> Option<File> {
    let shows = |service: &ServiceType, method: &MethodType| {
        is_exposed(&join(&join(&file.package, &service.name), &method.name))
    };
    let hides = |service: &ServiceType| service.method.iter().any(|method| !shows(service, method));
    if !file.service.iter().any(hides) {
        return None;
    }
    let mut shown = File { source_code_info: None, ..file.clone() };
    shown.service.retain_mut(|service| {
        let was_bare = service.method.is_empty();
        let (name, methods) = (service.name.clone(), std::mem::take(&mut service.method));
        let is_shown =
            |method: &MethodType| is_exposed(&join(&join(&file.package, &name), &method.name));
        service.method = methods.into_iter().filter(is_shown).collect();
        was_bare || !service.method.is_empty()
    });
    Some(shown)
}

impl Original {
    /// The descriptor set in binary.
    pub(super) fn unpack(&self) -> Result<Bytes, Error> {
        Coding::Zstd.unpack(&self.0, LIMIT)
    }
}
