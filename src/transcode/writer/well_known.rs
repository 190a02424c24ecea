//! The types of google/protobuf/*.proto whose JSON is not an object of their fields.

use super::{Span, Writer, Wrote};
use crate::transcode::{
    error::{Step, Stop},
    plan::*,
    time,
};

impl<'a> Writer<'a> {
    /// Writes the message that a span is, of a type with a JSON of its own, in one pass.
    pub(super) fn special(&mut self, plan: &'a MessagePlan, span: Span) -> Step<()> {
        match plan.shape {
            Shape::Struct => self.structure(plan, span),
            Shape::ListValue => self.list_value(plan, span),
            Shape::Value => self.any_json(plan, span),
            _ => self.flat(plan, &[span]),
        }
    }

    /// Writes a message of scalar fields, of which the last of several pieces wins.
    pub(super) fn flat(&mut self, plan: &'a MessagePlan, spans: &[Span]) -> Step<()> {
        match plan.shape {
            Shape::Timestamp => {
                let what = "a Timestamp is out of the range of years 1 to 9999";
                self.two_numbers(spans, time::write_timestamp, what)
            }
            Shape::Duration => {
                let what = "a Duration is out of range, or its parts differ in sign";
                self.two_numbers(spans, time::write_duration, what)
            }
            Shape::FieldMask => self.field_mask(spans),
            Shape::Any => self.any(spans),
            _ => self.wrapper(&plan.fields[0], spans),
        }
    }

    /// Calls with each field's tag; what it does not read is skipped.
    fn each_field(
        &mut self,
        spans: &[Span],
        mut read: impl FnMut(&mut Self, u32, usize) -> Step<bool>,
    ) -> Step<()> {
        for span in spans {
            self.pos = span.start;
            while self.pos < span.end {
                let tag = self.tag(span.end)?;
                if !read(self, tag, span.end)? {
                    self.skip(tag, span.end)?;
                }
            }
        }
        Ok(())
    }

    fn two_numbers(
        &mut self,
        spans: &[Span],
        write: impl Fn(i64, i32, &mut crate::transcode::kernel::Buffer) -> bool,
        what: &'static str,
    ) -> Step<()> {
        let (mut seconds, mut nanos) = (0, 0);
        self.each_field(spans, |writer, tag, end| {
            match tag {
                0x08 => seconds = writer.varint(end)? as i64,
                0x10 => nanos = writer.varint(end)? as i32,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        self.out.push(b'"');
        if !write(seconds, nanos, &mut self.out) {
            return Err(self.fail(what));
        }
        self.out.push(b'"');
        Ok(())
    }

    fn field_mask(&mut self, spans: &[Span]) -> Step<()> {
        self.out.push(b'"');
        let open = self.out.len();
        self.each_field(spans, |writer, tag, end| {
            if tag != 0x0a {
                return Ok(false);
            }
            let path = writer.delimited(end)?;
            if writer.out.len() > open {
                writer.out.push(b',');
            }
            let input = writer.input;
            if !time::write_field_mask_path(&input[path.start..path.end], &mut writer.out) {
                return Err(
                    writer.fail("a path of a FieldMask has no camelCase form that reads back")
                );
            }
            Ok(true)
        })?;
        self.out.push(b'"');
        Ok(())
    }

    fn wrapper(&mut self, field: &'a FieldPlan, spans: &[Span]) -> Step<()> {
        let mut last = None;
        self.each_field(spans, |writer, tag, end| {
            if tag == field.tag {
                last = Some((writer.pos, end));
            }
            Ok(false)
        })?;
        match last {
            Some((at, end)) => {
                self.pos = at;
                self.value(field, end).map(|_| ())
            }
            None => self.default_value(field),
        }
    }

    /// `{"@type": url, …}`, or `{}` for the empty Any.
    pub(super) fn any(&mut self, spans: &[Span]) -> Step<()> {
        let nothing = Span { start: 0, end: 0 };
        let (mut url, mut value) = (nothing, nothing);
        self.each_field(spans, |writer, tag, end| {
            match tag {
                0x0a => url = writer.delimited(end)?,
                0x12 => value = writer.delimited(end)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        if url.start == url.end && value.start == value.end {
            self.out.slice(b"{}");
            return Ok(());
        }
        self.out.slice(b"{\"@type\":");
        self.json_string(url)?;
        let after_type = self.out.len();
        let depth = self.depth_left;
        if let Err(stop) = self.any_value(url, value) {
            if !self.raw_any || !self.indexed || stop.is_too_large() {
                return Err(stop);
            }
            self.out.truncate(after_type);
            self.depth_left = depth;
            self.out.slice(b",\"value\":");
            self.json_bytes(value);
            self.out.push(b'}');
        }
        Ok(())
    }

    /// Writes what follows the type of an Any, and the closing brace.
    fn any_value(&mut self, url: Span, value: Span) -> Step<()> {
        let table = self.table;
        let name = &self.input[url.start..url.end];
        let name = memchr::memrchr(b'/', name).map(|slash| &name[slash + 1..]);
        let Some(index) = name.and_then(|name| table.by_name.find(name)) else {
            let url = String::from_utf8_lossy(&self.input[url.start..url.end]).into_owned();
            return Err(Stop::at(
                value.start,
                format!("an Any holds a type that is not known here: \"{url}\""),
            ));
        };
        let plan = &table.messages[index as usize];
        self.enter()?;
        if plan.shape.is_special() {
            self.out.slice(b",\"value\":");
            self.content(plan, value)?;
            self.out.push(b'}');
        } else {
            // The object's brace becomes the comma behind the type.
            let open = self.out.len();
            self.content(plan, value)?;
            if self.out.len() == open + 2 {
                self.out.truncate(open);
                self.out.push(b'}');
            } else {
                self.out.patch(open, b',');
            }
        }
        self.depth_left += 1;
        Ok(())
    }

    fn structure(&mut self, plan: &'a MessagePlan, span: Span) -> Step<()> {
        self.enter()?;
        let field = &plan.fields[0];
        self.out.push(b'{');
        let open = self.out.len();
        self.pos = span.start;
        if span.start < span.end {
            if self.tag(span.end)? != field.tag {
                return Err(self.retry());
            }
            let mut keys = self.scratch.sets.pop().unwrap_or_default();
            let result = self.entries(field, &mut keys, span.end);
            keys.clear();
            self.scratch.sets.push(keys);
            result?;
        }
        if self.pos != span.end {
            return Err(self.retry());
        }
        self.close_bracket(open, b'}');
        self.depth_left += 1;
        Ok(())
    }

    fn list_value(&mut self, plan: &'a MessagePlan, span: Span) -> Step<()> {
        self.enter()?;
        let field = &plan.fields[0];
        self.out.push(b'[');
        let open = self.out.len();
        self.pos = span.start;
        while self.pos < span.end {
            if self.tag(span.end)? != field.tag {
                return Err(self.retry());
            }
            self.elements(field, field.tag, span.end)?;
        }
        self.close_bracket(open, b']');
        self.depth_left += 1;
        Ok(())
    }

    /// A google.protobuf.Value that has one field; `null` if it has none.
    fn any_json(&mut self, plan: &'a MessagePlan, span: Span) -> Step<()> {
        self.pos = span.start;
        if span.start == span.end {
            self.out.slice(b"null");
            return Ok(());
        }
        let tag = self.tag(span.end)?;
        let Some(field) = plan.field_by_tag(tag) else { return Err(self.retry()) };
        self.kind_of_value(field, span.end)?;
        if self.pos == span.end { Ok(()) } else { Err(self.retry()) }
    }

    /// Writes a member of Value's oneof.
    pub(super) fn kind_of_value(&mut self, field: &'a FieldPlan, end: usize) -> Step<()> {
        let at = self.pos;
        if field.kind == Kind::Double && !f64::from_le_bytes(self.eight_bytes(end)?).is_finite() {
            return Err(Stop::at(at, "a Value holds NaN or an infinity, which JSON can't express"));
        }
        self.pos = at;
        match self.value(field, end)? {
            Wrote::Dropped => Err(self.retry()),
            _ => Ok(()),
        }
    }
}
