//! Map entries as members of a JSON object.

use super::{Span, Writer, Wrote};
use crate::transcode::{
    error::{Step, Stop},
    keyset::KeySet,
    plan::*,
    settings::EmitDefaults,
};

impl<'a> Writer<'a> {
    /// The fields of a map's entries.
    pub(super) fn entry_fields(&self, field: &FieldPlan) -> Step<(&'a FieldPlan, &'a FieldPlan)> {
        let table = self.table;
        let entry = &table.messages[field.target as usize];
        match (entry.numbers.find(1), entry.numbers.find(2)) {
            (Some(key), Some(value)) => {
                Ok((&entry.fields[key as usize], &entry.fields[value as usize]))
            }
            _ => Err(self.fail(format!("{} is no map entry", entry.name))),
        }
    }

    /// Writes the entries that follow each other, in one object. The first tag is behind.
    #[inline(never)]
    pub(super) fn map(&mut self, field: &'a FieldPlan, start: usize, end: usize) -> Step<()> {
        self.out.push(b'{');
        let open = self.out.len();
        let mut keys = self.scratch.sets.pop().unwrap_or_default();
        let result = self.entries(field, &mut keys, end);
        keys.clear();
        self.scratch.sets.push(keys);
        result?;
        if self.out.len() == open && self.emit_defaults != EmitDefaults::All {
            self.out.truncate(start);
        } else {
            self.close_bracket(open, b'}');
        }
        Ok(())
    }

    /// Writes entries while the field goes on, a comma after each.
    pub(super) fn entries(
        &mut self,
        field: &'a FieldPlan,
        keys: &mut KeySet,
        end: usize,
    ) -> Step<()> {
        let (key, value) = self.entry_fields(field)?;
        loop {
            if self.out.len() > self.limit {
                return Err(Stop::too_large(self.pos));
            }
            let entry = self.delimited(end)?;
            self.pos = entry.start;
            self.entry(key, value, keys, entry.end)?;
            if !self.goes_on(field, field.tag, end) {
                return Ok(());
            }
        }
    }

    /// Writes an entry whose fields are in order; any may be left out.
    #[inline(always)]
    fn entry(
        &mut self,
        key: &'a FieldPlan,
        value: &'a FieldPlan,
        keys: &mut KeySet,
        end: usize,
    ) -> Step<()> {
        let start = self.out.len();
        let has_key = self.is_next(key, end);
        if self.map_key(key, has_key, keys, end)? {
            return Err(self.retry());
        }
        self.out.push(b':');
        let wrote = if self.is_next(value, end) {
            self.value(value, end)?
        } else {
            self.default_value(value)?;
            Wrote::Default
        };
        if self.pos != end {
            return Err(self.retry());
        }
        if wrote == Wrote::Dropped {
            self.out.truncate(start);
        } else {
            self.out.push(b',');
        }
        Ok(())
    }

    /// Consumes the tag of a map entry's field if it comes next.
    #[inline(always)]
    fn is_next(&mut self, field: &FieldPlan, end: usize) -> bool {
        let found = self.pos < end && self.input.get(self.pos) == Some(&field.tag_bytes[0]);
        self.pos += usize::from(found);
        found
    }

    /// Writes a key, or the default if there is none; whether the map had it already.
    #[inline(always)]
    pub(super) fn map_key(
        &mut self,
        key: &'a FieldPlan,
        present: bool,
        keys: &mut KeySet,
        end: usize,
    ) -> Step<bool> {
        if key.kind == Kind::String {
            let nothing = Span { start: 0, end: 0 };
            let span = if present { self.delimited(end)? } else { nothing };
            self.json_string(span)?;
            return Ok(keys.insert_text(self.input, span.start, span.end).is_some());
        }
        let bits = if present { self.key_bits(key, end)? } else { 0 };
        self.write_key(key, bits);
        Ok(keys.insert_number(bits).is_some())
    }

    /// A key that is a number: the bits of its value.
    pub(super) fn key_bits(&mut self, key: &FieldPlan, end: usize) -> Step<u64> {
        Ok(match key.kind {
            Kind::Fixed32 => u32::from_le_bytes(self.four_bytes(end)?).into(),
            Kind::Sfixed32 => i64::from(i32::from_le_bytes(self.four_bytes(end)?)) as u64,
            Kind::Fixed64 | Kind::Sfixed64 => u64::from_le_bytes(self.eight_bytes(end)?),
            Kind::Int32 => i64::from(self.varint(end)? as i32) as u64,
            Kind::Uint32 => (self.varint(end)? as u32).into(),
            Kind::Sint32 => {
                let bits = self.varint(end)? as u32;
                i64::from((bits >> 1) as i32 ^ -((bits & 1) as i32)) as u64
            }
            Kind::Sint64 => {
                let bits = self.varint(end)?;
                bits >> 1 ^ (bits & 1).wrapping_neg()
            }
            Kind::Bool => (self.varint(end)? != 0).into(),
            _ => self.varint(end)?,
        })
    }

    pub(super) fn write_key(&mut self, key: &FieldPlan, bits: u64) {
        match key.kind {
            Kind::Bool => {
                self.out.push(b'"');
                self.boolean(bits != 0);
                self.out.push(b'"');
            }
            Kind::Uint32 | Kind::Uint64 | Kind::Fixed32 | Kind::Fixed64 => {
                self.quoted_natural(bits)
            }
            _ => self.quoted_integer(bits as i64),
        }
    }
}
