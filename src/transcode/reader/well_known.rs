//! The types of google/protobuf/*.proto whose JSON is not an object of their fields.

use super::{Reader, Wrote, keys::Keys};
use crate::transcode::{
    error::{Step, Stop},
    plan::{MessagePlan, Shape},
    time,
};

impl<'a> Reader<'a> {
    /// The content of a message of any shape.
    pub(super) fn content_of(&mut self, plan: &'a MessagePlan) -> Step<()> {
        match plan.shape {
            Shape::Plain | Shape::MessageSet => self.object::<false>(plan),
            _ => self.special(plan),
        }
    }

    /// The content of a message with a JSON of its own.
    #[inline(never)]
    pub(super) fn special(&mut self, plan: &'a MessagePlan) -> Step<()> {
        match plan.shape {
            Shape::Any => self.any(),
            Shape::Timestamp => {
                let what = "a time like \"1972-01-01T10:00:20.021Z\" of the years 1 to 9999";
                self.two_numbers(time::parse_timestamp, what)
            }
            Shape::Duration => {
                let what = "a duration like \"1.5s\" of at most 315576000000 seconds";
                self.two_numbers(time::parse_duration, what)
            }
            Shape::FieldMask => self.field_mask(),
            Shape::Struct => self.members_of_struct(),
            Shape::Value => self.any_json(),
            Shape::ListValue => self.values_of_list(),
            _ => self.wrapper(plan),
        }
    }

    /// Seconds and nanoseconds, from a string.
    fn two_numbers(
        &mut self,
        parse: impl Fn(&[u8]) -> Option<(i64, i32)>,
        what: &'static str,
    ) -> Step<()> {
        self.token();
        let at = self.pos;
        let text = self.text()?;
        let (seconds, nanos) =
            parse(&text).ok_or_else(|| Stop::at(at, format!("the string is not {what}")))?;
        if seconds != 0 {
            self.out.push(0x08);
            self.out.varint(seconds as u64);
        }
        if nanos != 0 {
            self.out.push(0x10);
            self.out.varint(i64::from(nanos) as u64);
        }
        Ok(())
    }

    fn field_mask(&mut self) -> Step<()> {
        self.token();
        let at = self.pos;
        let text = self.text()?;
        let out = &mut self.out;
        let valid = time::parse_field_mask(&text, |path| {
            out.push(0x0a);
            out.varint(path.len() as u64);
            out.slice(path);
        });
        let message = "the string is not a field mask: camelCase paths with commas between";
        if valid { Ok(()) } else { Err(Stop::at(at, message)) }
    }

    /// A wrapper is its value: what `field 1` would be.
    fn wrapper(&mut self, plan: &'a MessagePlan) -> Step<()> {
        let field = &plan.fields[0];
        let start = self.out.len();
        self.out.fixed(&field.tag_bytes, field.tag_len.into());
        if self.value(field)? == Wrote::Default {
            self.out.truncate(start);
        }
        Ok(())
    }

    /// A google.protobuf.Value: one field of its oneof, by the JSON type.
    #[inline(never)]
    fn any_json(&mut self) -> Step<()> {
        match self.token() {
            b'"' => {
                self.out.push(0x1a);
                self.string().map(|_| ())
            }
            b'{' => self.nested(0x2a, Self::members_of_struct),
            b'[' => self.nested(0x32, Self::values_of_list),
            b'n' => {
                self.out.slice(&[0x08, 0]);
                self.word("null")
            }
            b't' => {
                self.out.slice(&[0x20, 1]);
                self.word("true")
            }
            b'f' => {
                self.out.slice(&[0x20, 0]);
                self.word("false")
            }
            b'-' | b'0'..=b'9' => {
                let value = self.bare_double()?;
                self.out.push(0x11);
                self.out.fixed(&value.to_le_bytes(), 8);
                Ok(())
            }
            _ => Err(self.unexpected("a JSON value")),
        }
    }

    fn nested(&mut self, tag: u8, content: impl FnOnce(&mut Self) -> Step<()>) -> Step<()> {
        self.out.push(tag);
        let length = self.open_length();
        content(self)?;
        self.close_length(length);
        Ok(())
    }

    /// An object as the map of a google.protobuf.Struct.
    fn members_of_struct(&mut self) -> Step<()> {
        self.expect(b'{', "an object")?;
        self.enter()?;
        if self.token() == b'}' {
            self.pos += 1;
        } else {
            let mut keys = self.begin_keys(None);
            let result = self.struct_entries(&mut keys);
            self.end_keys(keys, result)?;
        }
        self.depth_left += 1;
        Ok(())
    }

    fn struct_entries(&mut self, keys: &mut Keys<'a>) -> Step<()> {
        loop {
            self.bounded(self.pos)?;
            if self.token() != b'"' {
                return Err(self.unexpected("a field name in double quotes"));
            }
            let key_at = self.pos;
            self.out.push(0x0a);
            let length = self.open_length();
            self.out.push(0x0a);
            let start = self.out.len();
            self.string()?;
            if self.had_key(keys, start) {
                return Err(Stop::at(key_at, "the object has this key twice"));
            }
            self.expect(b':', "':' after the field name")?;
            self.nested(0x12, Self::any_json)?;
            self.close_length(length);
            match self.token() {
                b',' => self.pos += 1,
                b'}' => {
                    self.pos += 1;
                    return Ok(());
                }
                _ => return Err(self.unexpected("',' or '}' after a field")),
            }
        }
    }

    /// An array as a google.protobuf.ListValue.
    fn values_of_list(&mut self) -> Step<()> {
        self.expect(b'[', "an array")?;
        self.enter()?;
        if self.token() == b']' {
            self.pos += 1;
        } else {
            loop {
                self.bounded(self.pos)?;
                self.nested(0x0a, Self::any_json)?;
                match self.token() {
                    b',' => self.pos += 1,
                    b']' => {
                        self.pos += 1;
                        break;
                    }
                    _ => return Err(self.unexpected("',' or ']' after an element")),
                }
            }
        }
        self.depth_left += 1;
        Ok(())
    }
}
