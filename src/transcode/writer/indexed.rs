//! The second try: a message in any pieces, its fields gathered before they are written.
//!
//! Costs no more than linear time, whatever the order on the wire: each message's fields are
//! sorted once, a oneof remembers from where on its last member counts, and the ends of groups
//! are kept when they are first found.

use hashbrown::HashMap;

use super::{Span, Writer, Wrote};
use crate::transcode::{
    error::{Step, Stop},
    plan::*,
    settings::EmitDefaults,
    steps::count_steps,
};

/// In place of a field: none that the plan knows.
pub(super) const UNKNOWN: u32 = NONE - 1;

/// What the second try keeps.
#[derive(Default)]
pub(super) struct Index {
    /// The fields of the messages that are open, a range a message.
    pub(super) items: Vec<Item>,
    /// The oneofs of the messages that are open.
    pub(super) oneofs: Vec<Choice>,
    /// Where the content of a group ends and what comes after, by its start.
    groups: HashMap<u32, (u32, u32)>,
}

impl Index {
    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.oneofs.clear();
        self.groups = HashMap::new();
    }

    /// How many bytes are kept for later messages.
    pub(super) fn retained(&self) -> usize {
        let items = self.items.capacity() * size_of::<Item>();
        let oneofs = self.oneofs.capacity() * size_of::<Choice>();
        items + oneofs + self.groups.allocation_size()
    }

    pub(super) fn group_end(&self, start: usize) -> Option<(usize, usize)> {
        if self.groups.is_empty() {
            return None;
        }
        self.groups.get(&(start as u32)).map(|&(inner, next)| (inner as usize, next as usize))
    }

    pub(super) fn note_group(&mut self, start: usize, inner: usize, next: usize) {
        self.groups.insert(start as u32, (inner as u32, next as u32));
    }
}

/// One occurrence of a field.
#[derive(Clone, Copy)]
pub(super) struct Item {
    pub(super) field: u32,
    /// Where its value stands, with its length, and where that ends.
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) tag: u32,
}

/// The last member of a oneof on the wire.
#[derive(Clone, Copy)]
pub(super) struct Choice {
    field: u32,
    /// Where the first value stands since the oneof last changed its mind.
    since: u32,
}

impl<'a> Writer<'a> {
    /// Writes the message whose pieces the spans are.
    #[inline(never)]
    pub(super) fn merged(&mut self, plan: &'a MessagePlan, spans: &[Span]) -> Step<()> {
        match plan.shape {
            Shape::Plain | Shape::MessageSet => self.merged_message(plan, spans),
            Shape::Struct | Shape::ListValue => self.merged_container(plan, spans),
            Shape::Value => self.merged_value(plan, spans),
            _ => self.flat(plan, spans),
        }
    }

    fn merged_message(&mut self, plan: &'a MessagePlan, spans: &[Span]) -> Step<()> {
        self.enter()?;
        let start = self.out.len();
        let base = self.scratch.index.items.len();
        let oneofs = self.scratch.index.oneofs.len();
        self.gather(plan, spans, None)?;
        let mut frame = self.open_frame(plan.bits);
        let mut from = base;
        while let Some(&Item { field, .. }) = self.scratch.index.items.get(from) {
            let field = &plan.fields[field as usize];
            let to = self.same_field(from);
            let live = self.live(plan, field, oneofs, from..to);
            from = to;
            if live.is_empty() {
                continue;
            }
            if self.out.len() > self.limit {
                return Err(Stop::too_large(self.pos));
            }
            let before = self.out.len();
            field.keys[self.key].write(&mut self.out);
            self.mark(&mut frame, field.index);
            if self.gathered(field, live)? == Wrote::Default {
                self.out.truncate(before);
            }
        }
        self.scratch.index.items.truncate(base);
        self.scratch.index.oneofs.truncate(oneofs);
        self.absent_fields(plan, &mut frame)?;
        self.close_frame(&frame);
        self.close_object(start);
        self.depth_left += 1;
        Ok(())
    }

    /// Writes one field of a message, without its key.
    pub(super) fn one_field(
        &mut self,
        plan: &'a MessagePlan,
        field: &'a FieldPlan,
        span: Span,
    ) -> Step<()> {
        let base = self.scratch.index.items.len();
        let oneofs = self.scratch.index.oneofs.len();
        self.gather(plan, &[span], Some(field))?;
        let to = self.scratch.index.items.len();
        let live = self.live(plan, field, oneofs, base..to);
        let start = self.out.len();
        let wrote = if live.is_empty() { Wrote::Default } else { self.gathered(field, live)? };
        if wrote == Wrote::Default {
            self.out.truncate(start);
            match field.label {
                Label::Single if self.lacks_required(field) => self.out.slice(b"{}"),
                Label::Single => self.default_value(field)?,
                Label::List => self.out.slice(b"[]"),
                Label::Map => self.out.slice(b"{}"),
            }
        }
        self.scratch.index.items.truncate(base);
        self.scratch.index.oneofs.truncate(oneofs);
        Ok(())
    }

    /// Whether the field is a message whose empty form would be refused. As the empty value of a
    /// field that isn't there it is no message that lacks something.
    fn lacks_required(&self, field: &FieldPlan) -> bool {
        let plan = || &self.table.messages[field.target as usize];
        field.kind.is_message() && !plan().required.is_empty()
    }

    /// Appends the items of a message, sorted by field, and its oneofs. With `only`, items of
    /// that field and the oneofs.
    pub(super) fn gather(
        &mut self,
        plan: &'a MessagePlan,
        spans: &[Span],
        only: Option<&'a FieldPlan>,
    ) -> Step<()> {
        let base = self.scratch.index.items.len();
        let oneofs = self.scratch.index.oneofs.len();
        let none = Choice { field: NONE, since: 0 };
        self.scratch.index.oneofs.resize(oneofs + plan.oneofs.len(), none);
        count_steps(plan.oneofs.len());
        let (mut expected, mut last, mut sorted) = (plan.first_on_wire, 0, true);
        for span in spans {
            self.pos = span.start;
            while self.pos < span.end {
                let Some(item) = self.item(plan, &mut expected, span.end)? else { continue };
                if let Some(field) = plan.fields.get(item.field as usize)
                    && field.oneof != NONE
                {
                    let oneof = oneofs + field.oneof as usize - plan.fields.len();
                    let choice = &mut self.scratch.index.oneofs[oneof];
                    if choice.field != item.field {
                        *choice = Choice { field: item.field, since: item.start };
                    }
                }
                if only.is_none_or(|only| only.index == item.field) {
                    sorted &= last <= item.field;
                    last = item.field;
                    self.scratch.index.items.push(item);
                }
            }
        }
        let items = &mut self.scratch.index.items[base..];
        count_steps(items.len());
        if !sorted {
            // The pieces of a message follow each other on the wire too.
            items.sort_unstable_by_key(|item| {
                count_steps(1);
                u64::from(item.field) << 32 | u64::from(item.start)
            });
        }
        Ok(())
    }

    /// Reads one field, most likely the `expected` one; nothing if the message doesn't know it, or
    /// its enum not the number.
    #[inline(always)]
    fn item(
        &mut self,
        plan: &'a MessagePlan,
        expected: &mut u32,
        end: usize,
    ) -> Step<Option<Item>> {
        let tag_at = self.pos;
        let tag = self.tag(end)?;
        if tag == 0x0b && plan.shape == Shape::MessageSet {
            return self.set_item_found(plan, tag_at, end);
        }
        let start = self.pos;
        self.skip(tag, end)?;
        let field = match plan.fields.get(*expected as usize) {
            Some(field) if field.tag == tag => field,
            _ => match plan.field_by_tag(tag) {
                Some(field) => field,
                None => return Ok(self.unknown_item(tag_at, tag)),
            },
        };
        *expected = if field.label == Label::Single { field.next_on_wire } else { field.index };
        let after = self.pos;
        if field.kind == Kind::Enum && field.label == Label::Single {
            self.pos = start;
            let number = self.varint(end)? as i32;
            let known = &self.table.enums[field.target as usize];
            self.pos = after;
            if known.closed && known.value(number).is_none() {
                return Ok(self.unknown_item(tag_at, tag));
            }
        }
        Ok(Some(Item { field: field.index, start: start as u32, end: after as u32, tag }))
    }

    /// An item of a MessageSet, whose start tag is behind the position.
    #[cold]
    fn set_item_found(
        &mut self,
        plan: &'a MessagePlan,
        tag_at: usize,
        end: usize,
    ) -> Step<Option<Item>> {
        let Some((field, start)) = self.set_item_parts(plan, end)? else {
            return Ok(self.unknown_item(tag_at, 0x0b));
        };
        let after = self.pos;
        self.pos = start;
        let value = self.delimited(end)?;
        self.pos = after;
        let (start, end) = (start as u32, value.end as u32);
        Ok(Some(Item { field: field.index, start, end, tag: field.tag }))
    }

    /// The field that began at `start` as one that nobody knows, if such are kept.
    fn unknown_item(&self, start: usize, tag: u32) -> Option<Item> {
        let (start, end) = (start as u32, self.pos as u32);
        self.keep_unknown.then_some(Item { field: UNKNOWN, start, end, tag })
    }

    /// Where the items of the field of item `from` end.
    pub(super) fn same_field(&self, from: usize) -> usize {
        let items = &self.scratch.index.items[from..];
        let field = items[0].field;
        let count = items.iter().take_while(|item| item.field == field).count();
        count_steps(count);
        from + count
    }

    /// Which of a field's items count: of a oneof's member those since it was chosen last.
    pub(super) fn live(
        &self,
        plan: &MessagePlan,
        field: &FieldPlan,
        oneofs: usize,
        items: std::ops::Range<usize>,
    ) -> std::ops::Range<usize> {
        if field.oneof == NONE {
            return items;
        }
        let choice = self.scratch.index.oneofs[oneofs + field.oneof as usize - plan.fields.len()];
        if choice.field != field.index {
            return items.end..items.end;
        }
        let dead = self.scratch.index.items[items.clone()]
            .partition_point(|item| item.start < choice.since);
        items.start + dead..items.end
    }

    /// Writes a field from all its items; `Default` if it's not to be written.
    fn gathered(&mut self, field: &'a FieldPlan, items: std::ops::Range<usize>) -> Step<Wrote> {
        let show = self.emit_defaults;
        match field.label {
            Label::Single if field.kind.is_message() => {
                let spans = self.spans(field, items)?;
                let table = self.table;
                let plan = &table.messages[field.target as usize];
                match spans.as_slice() {
                    [span] => self.content(plan, *span)?,
                    _ if self.indexed => self.merged(plan, &spans)?,
                    _ => return Err(self.retry()),
                }
                Ok(Wrote::Value)
            }
            Label::Single => {
                let item = self.scratch.index.items[items.end - 1];
                self.pos = item.start as usize;
                let wrote = self.value(field, item.end as usize)?;
                let hidden = field.implicit && show == EmitDefaults::None;
                Ok(if hidden { wrote } else { Wrote::Value })
            }
            Label::List => {
                self.out.push(b'[');
                let open = self.out.len();
                for index in items {
                    let item = self.scratch.index.items[index];
                    self.pos = item.start as usize;
                    // A group's item ends behind its end tag.
                    self.elements(field, item.tag, item.end as usize)?;
                }
                let is_empty = self.out.len() == open;
                self.close_bracket(open, b']');
                Ok(Wrote::from(is_empty && !self.shows_empty(field)))
            }
            Label::Map => {
                self.out.push(b'{');
                let open = self.out.len();
                if !self.proven_map(field, items.clone())? {
                    self.gathered_map(field, items)?;
                }
                let is_empty = self.out.len() == open;
                self.close_bracket(open, b'}');
                Ok(Wrote::from(is_empty && show != EmitDefaults::All))
            }
        }
    }

    /// The contents of a message's pieces.
    pub(super) fn spans(
        &mut self,
        field: &FieldPlan,
        items: std::ops::Range<usize>,
    ) -> Step<smallvec::SmallVec<[Span; 2]>> {
        let mut spans = smallvec::SmallVec::new();
        count_steps(items.len());
        for index in items {
            let item = self.scratch.index.items[index];
            self.pos = item.start as usize;
            spans.push(if field.kind == Kind::Group {
                self.group(field.number, item.end as usize)?
            } else {
                self.delimited(item.end as usize)?
            });
        }
        Ok(spans)
    }

    /// The entries of a map, of each key the last, and those with a value that a closed enum
    /// doesn't know, which makes them unknown fields.
    pub(super) fn latest_entries(
        &mut self,
        field: &'a FieldPlan,
        items: std::ops::Range<usize>,
    ) -> Step<(Vec<Entry>, Vec<Span>)> {
        count_steps(items.len());
        let (key, value) = self.entry_fields(field)?;
        let mut keys = self.scratch.sets.pop().unwrap_or_default();
        let mut latest: Vec<Entry> = Vec::with_capacity(items.len());
        let mut unknown = Vec::new();
        for index in items {
            let Item { start, end, .. } = self.scratch.index.items[index];
            self.pos = start as usize;
            let span = self.delimited(end as usize)?;
            let Some(entry) = self.read_entry(key, value, span)? else {
                unknown.push(span);
                continue;
            };
            let place = match key.kind {
                Kind::String => {
                    let text = entry.text.span();
                    keys.insert_text(self.input, text.start, text.end)
                }
                _ => keys.insert_number(entry.bits),
            };
            match place {
                Some(place) => latest[place] = entry,
                None => latest.push(entry),
            }
        }
        keys.clear();
        self.scratch.sets.push(keys);
        Ok((latest, unknown))
    }

    /// Writes the entries of a map that the first try came past: they stand together, and no key
    /// is there twice. False if it's no such map.
    fn proven_map(&mut self, field: &'a FieldPlan, items: std::ops::Range<usize>) -> Step<bool> {
        let all = &self.scratch.index.items[items];
        let (Some(first), Some(last)) = (all.first(), all.last()) else { return Ok(false) };
        let (from, to) = (first.start as usize, last.end as usize);
        if to > self.proven {
            return Ok(false);
        }
        let (start, depth) = (self.out.len(), self.depth_left);
        let bits = self.scratch.bits.len();
        self.pos = from;
        self.indexed = false;
        let mut keys = self.scratch.sets.pop().unwrap_or_default();
        let result = self.entries(field, &mut keys, to);
        keys.clear();
        self.scratch.sets.push(keys);
        self.indexed = true;
        match result {
            Ok(()) if self.pos == to => Ok(true),
            Err(stop) if stop.is_too_large() => Err(stop),
            _ => {
                self.disprove(start, depth, bits);
                Ok(false)
            }
        }
    }

    /// Goes back to before something that the first try should have come past and did not: two
    /// pieces of a message are no whole one. If that happens, it costs one more pass.
    #[cold]
    pub(super) fn disprove(&mut self, start: usize, depth: u32, bits: usize) {
        self.proven = 0;
        self.depth_left = depth;
        self.scratch.bits.truncate(bits);
        self.out.truncate(start);
    }

    /// Writes the entries of a map, a comma after each.
    fn gathered_map(&mut self, field: &'a FieldPlan, items: std::ops::Range<usize>) -> Step<()> {
        let (key, value) = self.entry_fields(field)?;
        let (latest, _) = self.latest_entries(field, items)?;
        for entry in latest {
            if self.out.len() > self.limit {
                return Err(Stop::too_large(self.pos));
            }
            match key.kind {
                Kind::String => self.json_string(entry.text.span())?,
                _ => self.write_key(key, entry.bits),
            }
            self.out.push(b':');
            self.entry_value(value, &entry)?;
            self.out.push(b',');
        }
        Ok(())
    }

    /// Finds key and value of an entry, wherever they stand; nothing if a closed enum doesn't know
    /// the value, which makes the entry an unknown field.
    fn read_entry(
        &mut self,
        key: &'a FieldPlan,
        value: &'a FieldPlan,
        span: Span,
    ) -> Step<Option<Entry>> {
        let nothing = Place::from(Span { start: span.end, end: span.end });
        let whole = Place::from(span);
        let mut entry =
            Entry { key: None, text: nothing, bits: 0, values: 0, value: nothing, whole };
        self.pos = span.start;
        while self.pos < span.end {
            let tag = self.tag(span.end)?;
            let at = self.pos;
            if tag == key.tag && key.kind == Kind::String {
                entry.key = Some(at as u32);
                entry.text = self.delimited(span.end)?.into();
            } else if tag == key.tag {
                entry.key = Some(at as u32);
                entry.bits = self.key_bits(key, span.end)?;
            } else {
                self.skip(tag, span.end)?;
                if tag == value.tag {
                    entry.values += 1;
                    entry.value = Span { start: at, end: self.pos }.into();
                }
            }
        }
        if value.kind == Kind::Enum && entry.values > 0 {
            self.pos = entry.value.span().start;
            let number = self.varint(span.end)? as i32;
            let known = &self.table.enums[value.target as usize];
            if known.closed && known.value(number).is_none() {
                return Ok(None);
            }
        }
        Ok(Some(entry))
    }

    fn entry_value(&mut self, value: &'a FieldPlan, entry: &Entry) -> Step<()> {
        if entry.values == 0 {
            self.pos = entry.whole.span().end;
            return self.default_value(value);
        }
        if entry.values > 1 && value.kind.is_message() {
            let spans = self.all_values(value, entry.whole.span())?;
            let table = self.table;
            return self.merged(&table.messages[value.target as usize], &spans);
        }
        let last = entry.value.span();
        self.pos = last.start;
        self.value(value, last.end).map(|_| ())
    }

    /// All values of one entry, which merge.
    pub(super) fn all_values(&mut self, value: &FieldPlan, span: Span) -> Step<Vec<Span>> {
        let mut spans = Vec::new();
        self.pos = span.start;
        while self.pos < span.end {
            let tag = self.tag(span.end)?;
            if tag == value.tag {
                spans.push(self.delimited(span.end)?);
            } else {
                self.skip(tag, span.end)?;
            }
        }
        Ok(spans)
    }

    /// A Struct or a ListValue: its one field, without a key.
    fn merged_container(&mut self, plan: &'a MessagePlan, spans: &[Span]) -> Step<()> {
        self.enter()?;
        let base = self.scratch.index.items.len();
        self.gather(plan, spans, Some(&plan.fields[0]))?;
        let items = base..self.scratch.index.items.len();
        self.gathered(&plan.fields[0], items)?;
        self.scratch.index.items.truncate(base);
        self.depth_left += 1;
        Ok(())
    }

    /// A Value: the last member of its oneof, or `null`.
    fn merged_value(&mut self, plan: &'a MessagePlan, spans: &[Span]) -> Step<()> {
        let base = self.scratch.index.items.len();
        let oneofs = self.scratch.index.oneofs.len();
        self.gather(plan, spans, None)?;
        let chosen = self.scratch.index.oneofs.get(oneofs).map_or(NONE, |choice| choice.field);
        match plan.fields.get(chosen as usize) {
            None => self.out.slice(b"null"),
            Some(field) => {
                let all = base..self.scratch.index.items.len();
                let of_field = |item: &Item| item.field == chosen;
                let items = &self.scratch.index.items[all];
                count_steps(items.len());
                let first = base + items.iter().position(of_field).unwrap_or(0);
                let last =
                    first + items[first - base..].iter().take_while(|item| of_field(item)).count();
                let live = self.live(plan, field, oneofs, first..last);
                if field.kind == Kind::Double {
                    let item = self.scratch.index.items[live.end - 1];
                    self.pos = item.start as usize;
                    self.kind_of_value(field, item.end as usize)?;
                } else {
                    self.gathered(field, live)?;
                }
            }
        }
        self.scratch.index.items.truncate(base);
        self.scratch.index.oneofs.truncate(oneofs);
        Ok(())
    }
}

/// A map entry: where its key and its value are.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    /// Where the key stands, if it's there.
    pub(super) key: Option<u32>,
    /// A key that is a string.
    text: Place,
    /// A key that is a number.
    bits: u64,
    /// How many values there are.
    pub(super) values: u32,
    /// The last of them, with its length.
    pub(super) value: Place,
    /// The whole entry.
    pub(super) whole: Place,
}

/// A span in half the room: messages are shorter than 4 GiB here.
#[derive(Clone, Copy)]
pub(super) struct Place {
    start: u32,
    end: u32,
}

impl Place {
    pub(super) fn span(self) -> Span {
        Span { start: self.start as usize, end: self.end as usize }
    }
}

impl From<Span> for Place {
    fn from(span: Span) -> Self {
        Self { start: span.start as u32, end: span.end as u32 }
    }
}
