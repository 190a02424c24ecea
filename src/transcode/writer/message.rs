//! A message's fields in the order of the wire, each written as it comes.

use super::{Frame, Span, Writer, Wrote};
use crate::transcode::{
    error::{Step, Stop},
    plan::*,
    settings::EmitDefaults,
    steps::count_steps,
};

impl<'a> Writer<'a> {
    /// Writes the message that a span is.
    #[inline(always)]
    pub(super) fn content(&mut self, plan: &'a MessagePlan, span: Span) -> Step<()> {
        match plan.shape {
            Shape::Plain | Shape::MessageSet if !self.indexed => {
                self.pos = span.start;
                self.message(plan, span.end, 0)
            }
            _ => self.odd_content(plan, span),
        }
    }

    #[inline(never)]
    fn odd_content(&mut self, plan: &'a MessagePlan, span: Span) -> Step<()> {
        let after = span.end;
        if self.indexed {
            if !self.proven_message(plan, span)? {
                self.merged(plan, &[span])?;
            }
        } else {
            self.special(plan, span)?;
        }
        self.pos = after;
        Ok(())
    }

    /// Writes, in the second try, a message that the first one came past; false if it's no such.
    fn proven_message(&mut self, plan: &'a MessagePlan, span: Span) -> Step<bool> {
        if span.end > self.proven || plan.shape.is_special() {
            return Ok(false);
        }
        let (start, depth) = (self.out.len(), self.depth_left);
        let bits = self.scratch.bits.len();
        self.pos = span.start;
        self.indexed = false;
        let result = self.message(plan, span.end, 0);
        self.indexed = true;
        match result {
            Err(stop) if !stop.is_too_large() => {
                self.disprove(start, depth, bits);
                Ok(false)
            }
            result => result.map(|()| true),
        }
    }

    /// Writes the message that a group is; its start tag is behind the position.
    pub(super) fn group_content(
        &mut self,
        plan: &'a MessagePlan,
        number: u32,
        end: usize,
    ) -> Step<()> {
        if !self.indexed && !plan.shape.is_special() {
            return self.message(plan, end, number);
        }
        let span = self.group(number, end)?;
        let after = self.pos;
        self.content(plan, span)?;
        self.pos = after;
        Ok(())
    }

    /// Writes fields up to `end`, or up to the end tag of the group with this number.
    #[inline(never)]
    fn message(&mut self, plan: &'a MessagePlan, end: usize, group: u32) -> Step<()> {
        self.enter()?;
        let start = self.out.len();
        let mut frame = self.open_frame(plan.bits);
        let mut expected = plan.first_on_wire;
        loop {
            if self.pos >= end {
                if group != 0 {
                    return Err(self.fail("the message ends inside a group"));
                }
                break;
            }
            let tag = self.tag(end)?;
            let field = match plan.fields.get(expected as usize) {
                Some(field) if field.tag == tag => field,
                _ => {
                    if group != 0 && tag == group << 3 | 4 {
                        break;
                    }
                    if tag == 0x0b && plan.shape == Shape::MessageSet {
                        self.set_item(plan, &mut frame, end)?;
                        continue;
                    }
                    match plan.field_by_tag(tag) {
                        Some(field) => field,
                        None => {
                            self.skip(tag, end)?;
                            continue;
                        }
                    }
                }
            };
            expected = field.next_on_wire;
            self.field(field, tag, &mut frame, end)?;
        }
        if !plan.required.is_empty() || self.emit_defaults != EmitDefaults::None {
            self.absent_fields(plan, &mut frame)?;
        }
        self.close_frame(&frame);
        self.close_object(start);
        self.depth_left += 1;
        Ok(())
    }

    /// Writes one field; its tag is behind the position.
    #[inline(always)]
    fn field(&mut self, field: &'a FieldPlan, tag: u32, frame: &mut Frame, end: usize) -> Step<()> {
        if self.mark(frame, field.index) || field.oneof != NONE && self.mark(frame, field.oneof) {
            return Err(self.retry());
        }
        let start = self.out.len();
        if start > self.limit {
            return Err(Stop::too_large(self.pos));
        }
        field.keys[self.key].write(&mut self.out);
        match field.label {
            Label::Single => {
                let wrote = self.value(field, end)?;
                if wrote != Wrote::Value {
                    self.maybe_withdraw(field, wrote, start, frame);
                }
                Ok(())
            }
            Label::List => self.list(field, tag, start, end),
            Label::Map => self.map(field, start, end),
        }
    }

    /// Takes back a default that isn't to be written, or a number that the enum doesn't know.
    #[inline(always)]
    fn maybe_withdraw(&mut self, field: &FieldPlan, wrote: Wrote, start: usize, frame: &mut Frame) {
        if wrote == Wrote::Dropped {
            self.out.truncate(start);
            self.unmark(frame, field.index);
        } else if field.implicit && self.emit_defaults == EmitDefaults::None {
            self.out.truncate(start);
        }
    }

    /// Writes the elements that follow each other, in one list.
    #[inline(always)]
    fn list(&mut self, field: &'a FieldPlan, tag: u32, start: usize, end: usize) -> Step<()> {
        self.out.push(b'[');
        let open = self.out.len();
        loop {
            self.elements(field, tag, end)?;
            if !self.goes_on(field, tag, end) {
                break;
            }
        }
        if self.out.len() == open && !self.shows_empty(field) {
            self.out.truncate(start);
        } else {
            self.close_bracket(open, b']');
        }
        Ok(())
    }

    /// Whether the field is written when it is a list without elements.
    #[cold]
    pub(super) fn shows_empty(&self, field: &FieldPlan) -> bool {
        self.emit_defaults == EmitDefaults::All && !field.is_extension()
    }

    /// Writes what stands behind one tag of a list: an element, or packed ones; a comma after each.
    #[inline(always)]
    pub(super) fn elements(&mut self, field: &'a FieldPlan, tag: u32, end: usize) -> Step<()> {
        if tag & 7 == 2 && field.kind.is_packable() {
            let packed = self.delimited(end)?;
            self.pos = packed.start;
            while self.pos < packed.end {
                self.element(field, packed.end)?;
            }
            return Ok(());
        }
        self.element(field, end)
    }

    #[inline(always)]
    fn element(&mut self, field: &'a FieldPlan, end: usize) -> Step<()> {
        if self.out.len() > self.limit {
            return Err(Stop::too_large(self.pos));
        }
        if self.value(field, end)? != Wrote::Dropped {
            self.out.push(b',');
        }
        Ok(())
    }

    /// Consumes the next tag if it is the field's again.
    #[inline(always)]
    pub(super) fn goes_on(&mut self, field: &FieldPlan, tag: u32, end: usize) -> bool {
        let length = usize::from(field.tag_len);
        let next = self.input[..end].get(self.pos..self.pos + length);
        let same = tag == field.tag && !field.in_set && next == Some(&field.tag_bytes[..length]);
        if same {
            self.pos += length;
        }
        same
    }

    /// An item of a MessageSet: `type_id` and `message` in a group; its start tag is behind.
    fn set_item(&mut self, plan: &'a MessagePlan, frame: &mut Frame, end: usize) -> Step<()> {
        let Some((field, value)) = self.set_item_parts(plan, end)? else { return Ok(()) };
        let after = self.pos;
        self.pos = value;
        self.field(field, field.tag, frame, end)?;
        self.pos = after;
        Ok(())
    }

    /// The extension that an item is of, if it's known, and where its message's length stands.
    pub(super) fn set_item_parts(
        &mut self,
        plan: &'a MessagePlan,
        end: usize,
    ) -> Step<Option<(&'a FieldPlan, usize)>> {
        let group = self.group(1, end)?;
        let after = self.pos;
        self.pos = group.start;
        let (mut number, mut message) = (None, None);
        while self.pos < group.end {
            let tag = self.tag(group.end)?;
            match tag {
                0x10 => {
                    number = Some(self.varint(group.end)?);
                    continue;
                }
                0x1a => message = Some(self.pos),
                _ => {}
            }
            self.skip(tag, group.end)?;
        }
        self.pos = after;
        let field = number
            .and_then(|number| plan.numbers.find(u32::try_from(number).ok()?))
            .map(|index| &plan.fields[index as usize])
            .filter(|field| field.in_set);
        Ok(field.zip(message))
    }

    /// Refuses a message without a field that it must have.
    pub(super) fn check_required(&mut self, plan: &MessagePlan, frame: &mut Frame) -> Step<()> {
        count_steps(plan.required.len());
        for &bit in &plan.required {
            if !self.marked(frame, bit) {
                let name = &plan.fields[bit as usize].name;
                let message = format!("the required field \"{name}\" of {} is missing", plan.name);
                return Err(self.fail(message));
            }
        }
        Ok(())
    }

    /// Refuses a message without a field that it must have; writes what is to be written of the
    /// fields that it hasn't.
    pub(super) fn absent_fields(&mut self, plan: &'a MessagePlan, frame: &mut Frame) -> Step<()> {
        self.check_required(plan, frame)?;
        if self.emit_defaults == EmitDefaults::None {
            return Ok(());
        }
        count_steps(plan.fields.len());
        for field in &plan.fields {
            let empty: &[u8] = match field.label {
                Label::Single if field.implicit => b"",
                Label::List if self.emit_defaults == EmitDefaults::All => b"[]",
                Label::Map if self.emit_defaults == EmitDefaults::All => b"{}",
                _ => continue,
            };
            if field.is_extension() || self.marked(frame, field.index) {
                continue;
            }
            if self.out.len() > self.limit {
                return Err(Stop::too_large(self.pos));
            }
            field.keys[self.key].write(&mut self.out);
            if empty.is_empty() {
                self.default_value(field)?;
            } else {
                self.out.slice(empty);
            }
        }
        Ok(())
    }
}

impl MessagePlan {
    /// The field that a tag is of, if the wire type is one of the field's.
    #[inline]
    pub(super) fn field_by_tag(&self, tag: u32) -> Option<&FieldPlan> {
        let field = &self.fields[self.numbers.find(tag >> 3)? as usize];
        let wire = tag & 7;
        let fits = wire == field.kind.wire()
            || wire == 2 && field.label == Label::List && field.kind.is_packable();
        fits.then_some(field)
    }
}
