//! `{"@type": url, …}`: a message whose type the document itself names.
//!
//! The name may come last. Then the object is looked through once, and what is found about the
//! objects inside is kept, so that nesting does not multiply the cost.

use std::borrow::Cow;

use hashbrown::HashMap;

use super::{Reader, clip};
use crate::transcode::{
    error::{Step, Stop},
    plan::{MessagePlan, Shape},
    steps::count_steps,
};

/// Where objects have their `"@type"`, for the part of the document that was looked through.
#[derive(Default)]
pub(super) struct Lookahead {
    /// The opening brace to the value.
    types: HashMap<usize, usize>,
    /// Up to here all objects are known.
    seen: usize,
}

impl Lookahead {
    /// Notes a value; of two in one object the first stands.
    pub(super) fn note(&mut self, open: usize, value: usize) {
        count_steps(1);
        self.types.entry(open).or_insert(value);
    }

    /// How many bytes are kept.
    pub(super) fn retained(&self) -> usize {
        self.types.allocation_size()
    }

    pub(super) fn clear(&mut self) {
        if self.seen > 0 {
            count_steps(self.types.capacity());
            *self = Self::default();
        }
    }
}

impl<'a> Reader<'a> {
    /// Reads an object into a google.protobuf.Any; `{}` is the empty one.
    pub(super) fn any(&mut self) -> Step<()> {
        if self.token() != b'{' {
            return Err(self.unexpected("an object"));
        }
        let open = self.pos;
        let Some((url, url_at)) = self.type_url(open)? else { return Ok(()) };
        let plan = self.resolve(&url, url_at)?;
        self.out.push(0x0a);
        self.out.varint(url.len() as u64);
        self.out.slice(&url);
        self.out.push(0x12);
        let length = self.open_length();
        self.pos = open;
        match plan.shape {
            Shape::Plain | Shape::MessageSet if *plan.name != *"google.protobuf.Empty" => {
                self.object::<true>(plan)?;
            }
            _ => self.held_value(plan)?,
        }
        self.close_length(length);
        Ok(())
    }

    fn resolve(&self, url: &[u8], at: usize) -> Step<&'a MessagePlan> {
        let table = self.table;
        count_steps(url.len());
        let name = url.iter().rposition(|&byte| byte == b'/').map(|slash| &url[slash + 1..]);
        let known = name.and_then(|name| table.by_name.find(name));
        known.map(|index| &table.messages[index as usize]).ok_or_else(|| {
            let url = String::from_utf8_lossy(url);
            Stop::at(
                at,
                format!("\"@type\" names no message type that is known here: \"{}\"", clip(&url)),
            )
        })
    }

    /// The `"@type"` of the object that opens here, and where it stands. Leaves the position
    /// behind an empty object, and anywhere otherwise.
    fn type_url(&mut self, open: usize) -> Step<Option<(Cow<'a, [u8]>, usize)>> {
        self.pos = open + 1;
        if self.token() == b'}' {
            self.pos += 1;
            return Ok(None);
        }
        let is_first = self.token() == b'"' && *self.text()? == *b"@type" && self.token() == b':';
        if is_first {
            self.pos += 1;
            self.token();
        } else {
            self.pos = self.look_ahead(open)?;
        }
        let at = self.pos;
        Ok(Some((self.text()?, at)))
    }

    fn look_ahead(&mut self, open: usize) -> Step<usize> {
        if open >= self.scratch.any.seen {
            self.pos = open;
            self.skip_noting(true)?;
            self.scratch.any.seen = self.pos;
        }
        let value = self.scratch.any.types.get(&open).copied();
        value.ok_or_else(|| Stop::at(open, "an Any needs \"@type\", the URL of its message type"))
    }

    /// Reads `{"@type": …, "value": …}`, of a type whose JSON is no object of its fields.
    fn held_value(&mut self, plan: &'a MessagePlan) -> Step<()> {
        let open = self.pos;
        self.pos += 1;
        self.enter()?;
        let (mut typed, mut valued) = (false, false);
        loop {
            if self.token() != b'"' {
                return Err(self.unexpected("a field name in double quotes"));
            }
            let at = self.pos;
            let key = self.text()?;
            self.expect(b':', "':' after the field name")?;
            let twice = match &*key {
                b"@type" => {
                    self.skip()?;
                    std::mem::replace(&mut typed, true)
                }
                b"value" if !valued => {
                    self.content_of(plan)?;
                    std::mem::replace(&mut valued, true)
                }
                b"value" => true,
                _ if self.ignore_unknown => self.skip().map(|()| false)?,
                _ => {
                    let name = String::from_utf8_lossy(&key);
                    let message =
                        format!("an Any of {} has no field \"{}\"", plan.name, clip(&name));
                    return Err(Stop::at(at, message));
                }
            };
            if twice {
                return Err(Stop::at(at, "the field occurs twice"));
            }
            match self.token() {
                b',' => self.pos += 1,
                b'}' => break,
                _ => return Err(self.unexpected("',' or '}' after a field")),
            }
        }
        // Writers differ on google.protobuf.Empty: some have its `"value": {}`, some nothing.
        if !valued && plan.shape != Shape::Plain {
            return Err(Stop::at(open, format!("an Any of {} needs \"value\"", plan.name)));
        }
        self.pos += 1;
        self.depth_left += 1;
        Ok(())
    }
}
