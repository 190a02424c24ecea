//! JSON arrays as lists, JSON objects as maps.

use super::{Reader, Wrote, keys::Keys};
use crate::transcode::{
    error::{Step, Stop},
    plan::{FieldPlan, Kind},
};

impl<'a> Reader<'a> {
    /// Reads an array into a list; an empty one writes nothing.
    pub(super) fn list(&mut self, field: &'a FieldPlan) -> Step<()> {
        self.expect(b'[', "an array")?;
        self.enter()?;
        if self.token() == b']' {
            self.pos += 1;
        } else if field.packed {
            let start = self.out.len();
            self.out.fixed(&field.tag_bytes, field.tag_len.into());
            let length = self.open_length();
            let body = self.out.len();
            self.elements(field, |reader| reader.value(field).map(|_| ()))?;
            if self.out.len() == body {
                self.out.truncate(start);
            } else {
                self.close_length(length);
            }
        } else {
            self.elements(field, |reader| {
                let start = reader.out.len();
                reader.out.fixed(&field.tag_bytes, field.tag_len.into());
                if reader.value(field)? == Wrote::Dropped {
                    reader.out.truncate(start);
                }
                Ok(())
            })?;
        }
        self.depth_left += 1;
        Ok(())
    }

    /// Reads elements up to the closing bracket.
    #[inline(always)]
    fn elements(
        &mut self,
        field: &'a FieldPlan,
        mut element: impl FnMut(&mut Self) -> Step<()>,
    ) -> Step<()> {
        loop {
            if self.token() == b'n' && !self.is_nullable(field) {
                return Err(self.fail("null can't be an element of a list"));
            }
            element(self)?;
            match self.token() {
                b',' => self.pos += 1,
                b']' => {
                    self.pos += 1;
                    return Ok(());
                }
                _ => return Err(self.unexpected("',' or ']' after an element")),
            }
            self.bounded(self.pos)?;
        }
    }

    /// Reads an object into a map: an entry message a member.
    #[inline(never)]
    pub(super) fn map(&mut self, field: &'a FieldPlan) -> Step<()> {
        self.expect(b'{', "an object")?;
        self.enter()?;
        if self.token() == b'}' {
            self.pos += 1;
        } else {
            self.entries(field)?;
        }
        self.depth_left += 1;
        Ok(())
    }

    fn entries(&mut self, field: &'a FieldPlan) -> Step<()> {
        let table = self.table;
        let entry = &table.messages[field.target as usize];
        let (Some(key), Some(value)) = (entry.numbers.find(1), entry.numbers.find(2)) else {
            return Err(self.fail(format!("{} is no map entry", entry.name)));
        };
        let (key, value) = (&entry.fields[key as usize], &entry.fields[value as usize]);
        let mut keys = self.begin_keys(Some(key));
        let result = self.entries_of(field, key, value, &mut keys);
        self.end_keys(keys, result)
    }

    fn entries_of(
        &mut self,
        field: &'a FieldPlan,
        key: &'a FieldPlan,
        value: &'a FieldPlan,
        keys: &mut Keys<'a>,
    ) -> Step<()> {
        loop {
            if self.token() != b'"' {
                return Err(self.unexpected("a map key in double quotes"));
            }
            let key_at = self.pos;
            let start = self.out.len();
            self.out.fixed(&field.tag_bytes, field.tag_len.into());
            let length = self.open_length();
            self.out.fixed(&key.tag_bytes, key.tag_len.into());
            if self.map_key(key, keys)? {
                return Err(Stop::at(key_at, "the map has this key twice"));
            }
            self.expect(b':', "':' after a map key")?;
            if self.token() == b'n' && !self.is_nullable(value) {
                return Err(self.fail("null can't be a value of a map"));
            }
            self.out.fixed(&value.tag_bytes, value.tag_len.into());
            if self.value(value)? == Wrote::Dropped {
                self.out.truncate(start);
            } else {
                self.close_length(length);
            }
            match self.token() {
                b',' => self.pos += 1,
                b'}' => {
                    self.pos += 1;
                    return Ok(());
                }
                _ => return Err(self.unexpected("',' or '}' after a map entry")),
            }
            self.token();
            self.bounded(self.pos)?;
        }
    }

    /// Writes a key without its tag; whether the map had it already.
    #[inline]
    fn map_key(&mut self, key: &'a FieldPlan, keys: &mut Keys<'a>) -> Step<bool> {
        Ok(match key.kind {
            Kind::String => {
                let start = self.out.len();
                self.string()?;
                self.had_key(keys, start)
            }
            Kind::Bool => {
                let at = self.pos;
                let value = match &*self.text()? {
                    b"true" => true,
                    b"false" => false,
                    _ => {
                        return Err(Stop::at(
                            at,
                            "a key of this map must be \"true\" or \"false\"",
                        ));
                    }
                };
                self.out.push(value.into());
                keys.set.insert_number(value.into()).is_some()
            }
            _ => {
                let start = self.out.len();
                self.value(key)?;
                self.had_key(keys, start)
            }
        })
    }
}
