//! Wire bytes to the same message as a serialiser writes it: pieces merged, fields by number, lists
//! packed as declared, unknown fields kept and last.
//!
//! Reads with the index of the second try, so what counts as a message, and what wins in it, is
//! decided at one place for JSON and for wire bytes.

use super::{Span, Writer, indexed::UNKNOWN};
use crate::transcode::{
    error::{Step, Stop},
    plan::*,
    steps::count_steps,
};

impl<'a> Writer<'a> {
    /// Writes the whole input as a message, as wire bytes.
    pub(in crate::transcode) fn whole_canonical(&mut self, message: u32) -> Step<()> {
        if u32::try_from(self.input.len()).is_err() {
            return Err(Stop::too_large(0));
        }
        let table = self.table;
        self.indexed = true;
        self.keep_unknown = true;
        self.scratch.bits.clear();
        self.scratch.index.clear();
        self.scratch.gaps.clear();
        let whole = Span { start: 0, end: self.input.len() };
        self.canonical(&table.messages[message as usize], &[whole])?;
        self.scratch.gaps.finish(&mut self.out);
        if self.out.len() > self.limit { Err(Stop::too_large(self.pos)) } else { Ok(()) }
    }

    /// Writes the content of a message whose pieces the spans are.
    fn canonical(&mut self, plan: &'a MessagePlan, spans: &[Span]) -> Step<()> {
        // The same levels as in JSON, so that one limit takes the same messages for both.
        let levels = u32::from(plan.shape.is_level());
        self.depth_left += 1 - levels;
        self.enter()?;
        let base = self.scratch.index.items.len();
        let oneofs = self.scratch.index.oneofs.len();
        self.gather(plan, spans, None)?;
        let mut order: Vec<(u32, usize, usize)> = Vec::new();
        let mut frame = self.open_frame(plan.bits);
        let mut from = base;
        while let Some(item) = self.scratch.index.items.get(from) {
            let field = item.field;
            let to = self.same_field(from);
            let number = plan.fields.get(field as usize).map_or(u32::MAX, |field| field.number);
            if field != UNKNOWN {
                self.mark(&mut frame, field);
            }
            order.push((number, from, to));
            from = to;
        }
        self.check_required(plan, &mut frame)?;
        self.close_frame(&frame);
        count_steps(order.len());
        order.sort_unstable();
        let mut unknown_values = Vec::new();
        for (_, from, to) in order {
            if self.out.len() > self.limit {
                return Err(Stop::too_large(self.pos));
            }
            let item = self.scratch.index.items[from];
            let Some(field) = plan.fields.get(item.field as usize) else {
                self.copy_items(from..to);
                continue;
            };
            let live = self.live(plan, field, oneofs, from..to);
            match field.label {
                _ if live.is_empty() => {}
                Label::Single if field.kind.is_message() => {
                    let spans = self.spans(field, live)?;
                    self.canonical_message(field, &spans)?;
                }
                Label::Single => {
                    let item = self.scratch.index.items[live.end - 1];
                    self.pos = item.start as usize;
                    let start = self.out.len();
                    self.out.fixed(&field.tag_bytes, field.tag_len.into());
                    if self.canonical_scalar(field, item.end as usize)? && field.implicit {
                        self.out.truncate(start);
                    }
                }
                Label::List => self.canonical_list(field, live, &mut unknown_values)?,
                Label::Map => self.canonical_map(field, live)?,
            }
        }
        self.out.slice(&unknown_values);
        self.scratch.index.items.truncate(base);
        self.scratch.index.oneofs.truncate(oneofs);
        self.depth_left += levels;
        Ok(())
    }

    /// Copies fields that the plan doesn't know, with their tags.
    fn copy_items(&mut self, items: std::ops::Range<usize>) {
        for index in items {
            let item = self.scratch.index.items[index];
            let input = self.input;
            self.out.slice(&input[item.start as usize..item.end as usize]);
        }
    }

    fn canonical_message(&mut self, field: &'a FieldPlan, spans: &[Span]) -> Step<()> {
        let table = self.table;
        let plan = &table.messages[field.target as usize];
        self.out.fixed(&field.tag_bytes, field.tag_len.into());
        if field.kind == Kind::Group {
            self.canonical(plan, spans)?;
            self.out.varint((field.number << 3 | 4).into());
            return Ok(());
        }
        let length = self.scratch.gaps.open(&mut self.out);
        self.canonical(plan, spans)?;
        self.scratch.gaps.close(length, &mut self.out);
        if field.in_set {
            self.out.push(0x0c);
        }
        Ok(())
    }

    /// Writes one value without its tag; whether it is the default.
    fn canonical_scalar(&mut self, field: &FieldPlan, end: usize) -> Step<bool> {
        let bits = match field.kind {
            Kind::String | Kind::Bytes => {
                let span = self.delimited(end)?;
                let bytes = &self.input[span.start..span.end];
                count_steps(bytes.len());
                if field.kind == Kind::String
                    && field.utf8
                    && simdutf8::basic::from_utf8(bytes).is_err()
                {
                    return Err(Stop::at(span.start, "a string is not UTF-8"));
                }
                self.out.varint(bytes.len() as u64);
                self.out.slice(bytes);
                return Ok(bytes.is_empty());
            }
            Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => {
                let bytes = self.eight_bytes(end)?;
                self.out.fixed(&bytes, 8);
                return Ok(bytes == [0; 8]);
            }
            Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => {
                let bytes = self.four_bytes(end)?;
                self.out.fixed(&bytes, 4);
                return Ok(bytes == [0; 4]);
            }
            Kind::Int32 | Kind::Enum => i64::from(self.varint(end)? as i32) as u64,
            Kind::Uint32 | Kind::Sint32 => (self.varint(end)? as u32).into(),
            Kind::Bool => (self.varint(end)? != 0).into(),
            _ => self.varint(end)?,
        };
        self.out.varint(bits);
        Ok(bits == 0)
    }

    fn canonical_list(
        &mut self,
        field: &'a FieldPlan,
        items: std::ops::Range<usize>,
        unknown_values: &mut Vec<u8>,
    ) -> Step<()> {
        let start = self.out.len();
        let packed = field.packed.then(|| {
            self.out.fixed(&field.tag_bytes, field.tag_len.into());
            self.scratch.gaps.open(&mut self.out)
        });
        let body = self.out.len();
        for index in items {
            let item = self.scratch.index.items[index];
            self.pos = item.start as usize;
            let mut end = item.end as usize;
            if field.kind.is_message() {
                let spans = self.spans(field, index..index + 1)?;
                self.canonical_message(field, &spans)?;
                continue;
            }
            if item.tag & 7 == 2 && field.kind.is_packable() {
                let span = self.delimited(end)?;
                (self.pos, end) = (span.start, span.end);
            }
            while self.pos < end {
                if let Some(number) = self.unknown_enum(field, end)? {
                    prost::encoding::encode_varint((field.number << 3).into(), unknown_values);
                    prost::encoding::encode_varint(number, unknown_values);
                    continue;
                }
                if packed.is_none() {
                    self.out.fixed(&field.tag_bytes, field.tag_len.into());
                }
                self.canonical_scalar(field, end)?;
            }
        }
        match packed {
            Some(_) if self.out.len() == body => self.out.truncate(start),
            Some(length) => self.scratch.gaps.close(length, &mut self.out),
            None => {}
        }
        Ok(())
    }

    /// Consumes a number that a closed enum doesn't know, and nothing else.
    fn unknown_enum(&mut self, field: &FieldPlan, end: usize) -> Step<Option<u64>> {
        if field.kind != Kind::Enum || !self.table.enums[field.target as usize].closed {
            return Ok(None);
        }
        let at = self.pos;
        let number = self.varint(end)? as i32;
        if self.table.enums[field.target as usize].value(number).is_some() {
            self.pos = at;
            return Ok(None);
        }
        Ok(Some(i64::from(number) as u64))
    }

    fn canonical_map(&mut self, field: &'a FieldPlan, items: std::ops::Range<usize>) -> Step<()> {
        let (key, value) = self.entry_fields(field)?;
        let table = self.table;
        let (entries, unknown) = self.latest_entries(field, items)?;
        for entry in entries {
            self.out.fixed(&field.tag_bytes, field.tag_len.into());
            let length = self.scratch.gaps.open(&mut self.out);
            self.out.fixed(&key.tag_bytes, key.tag_len.into());
            match entry.key {
                Some(at) => {
                    self.pos = at as usize;
                    self.canonical_scalar(key, entry.whole.span().end)?;
                }
                None => self.canonical_default(key),
            }
            if value.kind.is_message() {
                let spans = self.all_values(value, entry.whole.span())?;
                self.out.fixed(&value.tag_bytes, value.tag_len.into());
                let inner = self.scratch.gaps.open(&mut self.out);
                self.canonical(&table.messages[value.target as usize], &spans)?;
                self.scratch.gaps.close(inner, &mut self.out);
            } else {
                self.out.fixed(&value.tag_bytes, value.tag_len.into());
                if entry.values == 0 {
                    self.canonical_default(value);
                } else {
                    let last = entry.value.span();
                    self.pos = last.start;
                    self.canonical_scalar(value, last.end)?;
                }
            }
            self.scratch.gaps.close(length, &mut self.out);
        }
        for span in unknown {
            let input = self.input;
            self.out.fixed(&field.tag_bytes, field.tag_len.into());
            self.out.varint((span.end - span.start) as u64);
            self.out.slice(&input[span.start..span.end]);
        }
        Ok(())
    }

    /// What stands on the wire for a default, without its tag.
    fn canonical_default(&mut self, field: &FieldPlan) {
        match field.kind.wire() {
            1 => self.out.slice(&[0; 8]),
            5 => self.out.slice(&[0; 4]),
            _ if field.kind == Kind::Enum => {
                let default = self.table.enums[field.target as usize].default;
                self.out.varint(i64::from(default) as u64);
            }
            _ => self.out.push(0),
        }
    }
}
