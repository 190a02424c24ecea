//! A message as it crosses the wire, which may be packed: who only passes it on needn't unpack it.

use bytes::Bytes;

use crate::{
    coding::Coding,
    error::{Code, Error, Origin},
};

/// A message as it came, or as it is to leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// What it is packed with; plain without.
    pub coding: Option<Coding>,
    /// The message, packed as told.
    pub bytes: Bytes,
}

/// How far a packed message may grow, and who sent it if it does more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The most that it may unpack to, in bytes.
    pub limit: usize,
    /// Who packed it: the caller or the backend.
    pub origin: Origin,
}

impl Packed {
    /// A message that is not packed.
    pub fn plain(message: Bytes) -> Self {
        Self { coding: None, bytes: message }
    }

    /// The message itself.
    ///
    /// # Errors
    /// The bytes are damaged, or unpack to more than the bound: RESOURCE_EXHAUSTED, and otherwise
    /// INVALID_ARGUMENT for the caller's messages and INTERNAL for the backend's.
    pub fn unpack(self, bound: Bound) -> Result<Bytes, Error> {
        match self.coding {
            None => Ok(self.bytes),
            Some(coding) => {
                coding.unpack(&self.bytes, bound.limit).map_err(|error| blame(error, bound))
            }
        }
    }
}

/// The coding's error in the words of who is to mend it.
fn blame(error: Error, bound: Bound) -> Error {
    if bound.origin != Origin::Upstream {
        return error;
    }
    let failed = match error.code() {
        Code::ResourceExhausted => {
            let limit = bound.limit;
            let message =
                format!("the backend's message unpacks to more than the limit of {limit} bytes");
            Error::new(Code::ResourceExhausted, "upstream_message_too_large", message)
        }
        Code::InvalidArgument => {
            let message = "the backend sent a compressed message that is damaged";
            Error::new(Code::Internal, "upstream_damaged_message", message)
        }
        _ => return error,
    };
    failed.with_origin(Origin::Upstream).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpack(coding: Option<Coding>, bytes: &[u8], origin: Origin) -> Result<Bytes, Error> {
        let packed = Packed { coding, bytes: Bytes::copy_from_slice(bytes) };
        packed.unpack(Bound { limit: 100, origin })
    }

    #[test]
    fn message_comes_out_as_it_was() {
        assert_eq!(unpack(None, b"plain", Origin::Upstream).unwrap(), "plain");
        let packed = Coding::Gzip.pack(b"plain").unwrap();
        assert_eq!(unpack(Some(Coding::Gzip), &packed, Origin::Downstream).unwrap(), "plain");
    }

    #[test]
    fn damage_is_told_to_who_did_it() {
        for (origin, code) in
            [(Origin::Downstream, Code::InvalidArgument), (Origin::Upstream, Code::Internal)]
        {
            let error = unpack(Some(Coding::Zstd), b"no zstd", origin).unwrap_err();
            assert_eq!((error.code(), error.origin()), (code, origin));
            let bomb = Coding::Gzip.pack(&[0; 101]).unwrap();
            let error = unpack(Some(Coding::Gzip), &bomb, origin).unwrap_err();
            assert_eq!((error.code(), error.origin()), (Code::ResourceExhausted, origin));
        }
    }
}
