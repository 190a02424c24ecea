//! Header fields as they are kept between blocks, and the dynamic table of them (RFC 7541 §2.3).

use std::collections::VecDeque;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::OVERHEAD;

/// A name, read once for all the times that it is referred to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// `:status`, the one name with a colon that a response has.
    Status,
    /// A proper name.
    Proper(HeaderName),
    /// One that no response may have, of this length. It is kept, because the peer counts it.
    Improper(usize),
}

/// Names that most replies of a gRPC backend have and `http` doesn't know.
static FREQUENT: [HeaderName; 5] = [
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-encoding"),
    HeaderName::from_static("grpc-accept-encoding"),
    HeaderName::from_static("grpc-status-details-bin"),
];

impl Name {
    pub(super) fn read(name: &[u8]) -> Self {
        if name == b":status" {
            return Name::Status;
        }
        let frequent = FREQUENT.iter().find(|frequent| frequent.as_str().as_bytes() == name);
        if let Some(frequent) = frequent {
            return Name::Proper(frequent.clone());
        }
        HeaderName::from_lowercase(name).map_or(Name::Improper(name.len()), Name::Proper)
    }

    fn len(&self) -> usize {
        match self {
            Name::Status => 7,
            Name::Proper(name) => name.as_str().len(),
            Name::Improper(length) => *length,
        }
    }
}

/// A name and a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: Name,
    /// `None` if it has octets that no value may have.
    pub(super) value: Option<HeaderValue>,
    /// What it counts, in octets (§4.1).
    pub(super) size: usize,
}

impl Field {
    pub(super) fn read(name: &[u8], value: &[u8]) -> Self {
        Self::new(Name::read(name), value)
    }

    pub(super) fn new(name: Name, value: &[u8]) -> Self {
        let size = name.len() + value.len() + OVERHEAD;
        let value = HeaderValue::from_maybe_shared(Bytes::copy_from_slice(value)).ok();
        Self { name, value, size }
    }
}

/// The fields that the peer has told to remember, the newest first.
#[derive(Debug)]
pub(super) struct Table {
    fields: VecDeque<Field>,
    size: usize,
    limit: usize,
}

impl Table {
    pub(super) fn new(limit: usize) -> Self {
        Self { fields: VecDeque::new(), size: 0, limit }
    }

    /// The field at a place, from 0.
    pub(super) fn field(&self, place: usize) -> Option<&Field> {
        self.fields.get(place)
    }

    /// Adds a field; older ones go (§4.4). One that is too large by itself empties the table.
    pub(super) fn add(&mut self, field: Field) {
        self.shrink(self.limit.saturating_sub(field.size));
        if field.size <= self.limit {
            self.size += field.size;
            self.fields.push_front(field);
        }
    }

    /// Changes how large the table may grow (§4.3).
    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        self.shrink(limit);
    }

    fn shrink(&mut self, size: usize) {
        while self.size > size
            && let Some(oldest) = self.fields.pop_back()
        {
            self.size -= oldest.size;
        }
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_fields_go_when_room_is_needed() {
        let mut table = Table::new(100);
        for name in [b"a", b"b", b"c"] {
            table.add(Field::read(name, b"12345"));
        }
        assert_eq!(table.size(), 76);
        assert_eq!(table.field(0), Some(&Field::read(b"c", b"12345")));
        assert_eq!(table.field(1), Some(&Field::read(b"b", b"12345")));
        assert_eq!(table.field(2), None);
        table.set_limit(40);
        assert_eq!(table.size(), 38);
        table.add(Field::read(b"large", b"1234567890"));
        assert_eq!((table.size(), table.field(0)), (0, None));
    }

    #[test]
    fn names_are_proper_or_are_not() {
        assert_eq!(Name::read(b":status"), Name::Status);
        assert_eq!(Name::read(b"grpc-status"), Name::Proper("grpc-status".parse().unwrap()));
        for improper in [&b"Upper"[..], b":path", b"", b"a b"] {
            assert_eq!(Name::read(improper), Name::Improper(improper.len()));
        }
        assert_eq!(Field::read(b"a", b"b\n").value, None);
    }
}
