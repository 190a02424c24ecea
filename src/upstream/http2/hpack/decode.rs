//! Reads header blocks (RFC 7541 §3 and §6), and judges the fields in them (RFC 9113 §8.2, §8.3).
//!
//! A block that is malformed ends the connection; a field that may not be there, or a block with
//! too much in it, is noted and fails its call alone, and the table is kept in step all the same.
//! What a block costs is linear in its length: past the limit nothing is copied any more that the
//! table doesn't want.

use http::{HeaderName, HeaderValue, StatusCode, header};

use super::{
    Malformed, TABLE_SIZE, fixed, primitive,
    table::{Field, Name, Table},
};

/// The fields of one block.
#[derive(Debug, Default)]
pub(in super::super) struct Fields {
    /// `:status`, if it is there.
    pub(in super::super) status: Option<StatusCode>,
    /// All others, as they came.
    pub(in super::super) list: Vec<(HeaderName, HeaderValue)>,
    /// What is wrong with them, if anything.
    pub(in super::super) fault: Option<&'static str>,
    /// What they count, in octets (RFC 9113 §6.5.2).
    size: usize,
}

impl Fields {
    /// Counts a field in. Past the limit it is not to be kept.
    fn count(&mut self, size: usize, limit: usize) -> bool {
        self.size = self.size.saturating_add(size);
        if self.size > limit {
            self.fault.get_or_insert("its header fields are larger than the 64 KiB allowed");
        }
        self.fault.is_none()
    }

    fn add(&mut self, name: &Name, value: Option<&HeaderValue>) {
        let fault = match (name, value) {
            (Name::Improper(_), _) => "a header field has a name that none may have",
            (_, None) => "a header field has a value that none may have",
            (Name::Status, Some(value)) => match StatusCode::from_bytes(value.as_bytes()) {
                Ok(status) if self.status.is_none() && self.list.is_empty() => {
                    self.status = Some(status);
                    return;
                }
                _ => "its status is none",
            },
            (Name::Proper(name), Some(_)) if is_of_connections(name) => {
                "a header field is there that HTTP/2 doesn't have"
            }
            (Name::Proper(name), Some(value)) => {
                if self.list.capacity() == 0 {
                    self.list.reserve_exact(4);
                }
                self.list.push((name.clone(), value.clone()));
                return;
            }
        };
        self.fault.get_or_insert(fault);
    }
}

/// Whether a field is about a connection of HTTP/1, and can't be in HTTP/2 (RFC 9113 §8.2.2).
pub(in super::super) fn is_of_connections(name: &HeaderName) -> bool {
    match name.as_str().len() {
        7 => name == header::UPGRADE,
        10 => name == header::CONNECTION || name == "keep-alive",
        16 => name == "proxy-connection",
        17 => name == header::TRANSFER_ENCODING,
        _ => false,
    }
}

/// The decoder of a connection.
#[derive(Debug)]
pub(in super::super) struct Decoder {
    table: Table,
    /// How large the fields of one block may be, in octets.
    limit: usize,
}

impl Decoder {
    /// A decoder that lets blocks of this size through, in octets as RFC 9113 §6.5.2 counts them.
    pub(in super::super) fn new(limit: usize) -> Self {
        Self { table: Table::new(TABLE_SIZE), limit }
    }

    /// Reads a whole block.
    ///
    /// # Errors
    /// The block is malformed. The decoder is of no use then.
    pub(in super::super) fn decode(&mut self, block: &[u8]) -> Result<Fields, Malformed> {
        let mut fields = Fields::default();
        let (mut input, mut begun) = (block, false);
        while let Some(first) = input.first().copied() {
            if first & 0xe0 == 0x20 {
                self.resize(&mut input, begun)?;
                continue;
            }
            begun = true;
            match first {
                0x80.. => self.indexed(&mut input, &mut fields)?,
                0x40.. => self.literal(&mut input, 6, &mut fields)?,
                _ => self.literal(&mut input, 4, &mut fields)?,
            }
        }
        Ok(fields)
    }

    /// A change of the table's size, which stands before all fields (§6.3, §4.2).
    fn resize(&mut self, input: &mut &[u8], begun: bool) -> Result<(), Malformed> {
        let limit = primitive::read_integer(input, 5)?;
        if begun || limit > TABLE_SIZE {
            return Err(Malformed("the table is made larger than allowed, or too late"));
        }
        self.table.set_limit(limit);
        Ok(())
    }

    /// A field of a table (§6.1).
    fn indexed(&self, input: &mut &[u8], fields: &mut Fields) -> Result<(), Malformed> {
        let field = self.field(primitive::read_integer(input, 7)?)?;
        if fields.count(field.size, self.limit) {
            fields.add(&field.name, field.value.as_ref());
        }
        Ok(())
    }

    /// A field that is written out, at least its value (§6.2). With a prefix of six bits it is to
    /// be added to the table.
    fn literal(
        &mut self,
        input: &mut &[u8],
        prefix: u8,
        fields: &mut Fields,
    ) -> Result<(), Malformed> {
        let index = primitive::read_integer(input, prefix)?;
        let adds = prefix == 6;
        if !adds && fields.size > self.limit {
            return self.skip(index, input);
        }
        let name = match index {
            0 => Name::read(&primitive::read_string(input)?),
            index => self.field(index)?.name.clone(),
        };
        let field = Field::new(name, &primitive::read_string(input)?);
        if fields.count(field.size, self.limit) {
            fields.add(&field.name, field.value.as_ref());
        }
        if adds {
            self.table.add(field);
        }
        Ok(())
    }

    /// Passes a field over that nobody will see.
    fn skip(&self, index: usize, input: &mut &[u8]) -> Result<(), Malformed> {
        match index {
            0 => drop(primitive::read_raw(input)?),
            index => drop(self.field(index)?),
        }
        primitive::read_raw(input).map(drop)
    }

    /// The field at an index of both tables (§2.3.3).
    fn field(&self, index: usize) -> Result<&Field, Malformed> {
        let found = match index.checked_sub(1) {
            Some(place) if place < fixed::COUNT => fixed::FIELDS.get(place),
            Some(place) => self.table.field(place - fixed::COUNT),
            None => None,
        };
        found.ok_or(Malformed("a field is referred to that neither table has"))
    }

    #[cfg(test)]
    pub(super) fn table_size(&self) -> usize {
        self.table.size()
    }
}
