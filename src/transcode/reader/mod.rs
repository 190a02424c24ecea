//! JSON to wire bytes, in one pass: a value is written as soon as it is read.
//!
//! ```text
//!     {"title":"Dune","tags":[1,2],"spot":{"depth":3}}
//!  -> 0A 04 "Dune"  12 02 01 02  1A 02 08 03
//! ```
//!
//! Lengths of submessages are not known before their end: see [`super::gaps`].

mod any;
mod keys;
mod list;
mod scalar;
mod skip;
mod text;
mod well_known;

use super::{
    error::{Step, Stop},
    gaps::{Gaps, Open},
    kernel::Buffer,
    keyset::KeySet,
    plan::*,
    settings::{Settings, UnknownFields},
    steps::count_steps,
};

/// A document is large from so many bytes on.
const LARGE: usize = 256 << 10;

/// One document on its way to wire bytes.
pub(super) struct Reader<'a> {
    input: &'a [u8],
    pos: usize,
    out: Buffer,
    /// How long the output was before.
    start: usize,
    table: &'a Table,
    scratch: &'a mut Scratch,
    /// How much deeper the document may nest.
    depth_left: u32,
    ignore_unknown: bool,
    /// How long the output may become before it is looked at: there is room for so much, and it is
    /// within the limit.
    watermark: usize,
    /// How long the output may become.
    limit: usize,
}

/// Memory that outlives a document, so that the next one allocates nothing.
#[derive(Default)]
pub(super) struct Scratch {
    gaps: Gaps,
    /// What frames of messages with more than 64 bits have seen.
    bits: Vec<u64>,
    sets: Vec<KeySet>,
    any: any::Lookahead,
}

impl Scratch {
    /// How many bytes are kept for later documents.
    pub(super) fn retained(&self) -> usize {
        let sets: usize = self.sets.iter().map(KeySet::retained).sum();
        let bits = self.bits.capacity() * size_of::<u64>();
        sets + bits + self.gaps.retained() + self.any.retained()
    }

    fn clear(&mut self) {
        self.gaps.clear();
        self.bits.clear();
        self.any.clear();
    }
}

/// What a frame has seen: a bit a field and a oneof.
struct Frame {
    first: u64,
    /// Where the words after the first stand in the scratch.
    base: usize,
}

/// What became of a JSON value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrote {
    /// It was written.
    Value,
    /// It was written and is its type's default.
    Default,
    /// It is an enum name that nobody knows and that the settings let pass: nothing was written.
    Dropped,
}

impl From<bool> for Wrote {
    fn from(is_default: bool) -> Self {
        if is_default { Wrote::Default } else { Wrote::Value }
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        table: &'a Table,
        settings: &Settings,
        limit: usize,
        input: &'a [u8],
        out: Vec<u8>,
        scratch: &'a mut Scratch,
    ) -> Self {
        scratch.clear();
        Self {
            input,
            pos: 0,
            watermark: 0,
            limit: limit.saturating_add(out.len()),
            start: out.len(),
            out: Buffer::new(out),
            table,
            scratch,
            depth_left: settings.depth_limit(),
            ignore_unknown: settings.unknown_fields == UnknownFields::Ignore,
        }
    }

    /// Reads the whole document as a message.
    pub(super) fn whole_message(&mut self, message: u32) -> Step<()> {
        self.make_room();
        self.content(message)?;
        self.finish()
    }

    /// Reads the whole document as the value of one field of a message.
    pub(super) fn whole_field(&mut self, message: u32, field: u32) -> Step<()> {
        let table = self.table;
        let plan = &table.messages[message as usize];
        self.make_room();
        let field = &plan.fields[field as usize];
        if self.token() == b'n' && !self.takes_null(field) {
            self.word("null")?;
        } else {
            self.field_value(field)?;
        }
        self.finish()
    }

    /// Makes room for the output: as much as a small document is long, and a part of it for a large
    /// one, whose output may be much shorter.
    fn make_room(&mut self) {
        let length = self.input.len();
        self.out.ensure(if length < LARGE { length + 32 } else { length / 16 });
        self.watermark = if length < LARGE { self.limit } else { self.out.capacity() / 16 * 15 };
        self.watermark = self.watermark.min(self.limit);
    }

    /// Refuses an output past the limit, and keeps room ahead of a large one.
    #[inline(always)]
    fn bounded(&mut self, at: usize) -> Step<()> {
        if self.out.len() > self.watermark { self.past_watermark(at) } else { Ok(()) }
    }

    /// Makes room for as much as the rest of the document takes if it is like what was read.
    #[cold]
    #[inline(never)]
    fn past_watermark(&mut self, at: usize) -> Step<()> {
        if self.out.len() > self.limit {
            return Err(Stop::too_large(at));
        }
        let written = self.out.len() - self.start + self.scratch.gaps.extra();
        let rest = (self.input.len() - self.pos) as u128;
        let expected = written as u128 * rest / self.pos.max(1) as u128;
        let allowed = self.limit.saturating_sub(self.out.len()).saturating_add(LARGE / 16);
        // A little more, so that the estimate is made a few times and not often.
        let more = expected + expected / 32 + self.scratch.gaps.extra() as u128;
        let more = usize::try_from(more).unwrap_or(usize::MAX).min(allowed).max(written / 4);
        self.out.ensure_exactly(more + 64);
        self.watermark = self.limit.min(self.out.len() + more - more / 64);
        Ok(())
    }

    /// The output, for the caller to keep or to cut.
    pub(super) fn into_output(self) -> Vec<u8> {
        self.out.into_bytes()
    }

    /// Nothing may follow but white space; then the gaps are closed.
    fn finish(&mut self) -> Step<()> {
        self.token();
        if self.pos < self.input.len() {
            return Err(self.fail("unexpected data after the end of the document"));
        }
        self.scratch.gaps.finish(&mut self.out);
        if self.out.len() > self.limit {
            return Err(Stop::too_large(self.pos));
        }
        Ok(())
    }

    #[cold]
    fn fail(&self, message: impl Into<std::borrow::Cow<'static, str>>) -> Stop {
        Stop::at(self.pos, message)
    }

    /// The next byte that isn't white space, not consumed; 0 at the end of the document.
    #[inline(always)]
    fn token(&mut self) -> u8 {
        match self.input.get(self.pos) {
            Some(&byte) if byte > b' ' => byte,
            _ => self.token_after_space(),
        }
    }

    #[inline(never)]
    fn token_after_space(&mut self) -> u8 {
        while let Some(&byte) = self.input.get(self.pos) {
            count_steps(1);
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return byte;
            }
            self.pos += 1;
        }
        0
    }

    #[inline(always)]
    fn expect(&mut self, byte: u8, what: &'static str) -> Step<()> {
        if self.token() != byte {
            return Err(self.unexpected(what));
        }
        self.pos += 1;
        Ok(())
    }

    /// Says what was expected and what stands there.
    #[cold]
    #[inline(never)]
    fn unexpected(&self, what: &str) -> Stop {
        let found = match self.input.get(self.pos) {
            None => "the document ends".to_owned(),
            Some(b'"') => "found a string".to_owned(),
            Some(b'{') => "found an object".to_owned(),
            Some(b'[') => "found an array".to_owned(),
            Some(b'0'..=b'9' | b'-') => "found a number".to_owned(),
            Some(&byte) if byte.is_ascii_alphabetic() => {
                let word = self.input[self.pos..].iter().take(12);
                let word = word.take_while(|byte| byte.is_ascii_alphabetic());
                format!("found {}", word.map(|&byte| char::from(byte)).collect::<String>())
            }
            Some(&byte) if byte.is_ascii_graphic() => format!("found '{}'", char::from(byte)),
            Some(byte) => format!("found the byte 0x{byte:02X}"),
        };
        self.fail(format!("expected {what}, {found}"))
    }

    /// Consumes `null`, `true` or `false`.
    fn word(&mut self, word: &'static str) -> Step<()> {
        if !self.input[self.pos..].starts_with(word.as_bytes()) {
            return Err(self.unexpected("a JSON value"));
        }
        self.pos += word.len();
        Ok(())
    }

    #[inline(always)]
    fn enter(&mut self) -> Step<()> {
        if self.depth_left == 0 {
            return Err(self.fail("the document is nested deeper than the limit allows"));
        }
        self.depth_left -= 1;
        Ok(())
    }

    /// The content of a message, without tag and length.
    pub(super) fn content(&mut self, message: u32) -> Step<()> {
        let table = self.table;
        self.content_of(&table.messages[message as usize])
    }

    /// Reads a JSON object as fields of a message. `ANY`: it has an `"@type"` besides, which
    /// somebody has read already.
    #[inline(never)]
    fn object<const ANY: bool>(&mut self, plan: &'a MessagePlan) -> Step<()> {
        self.expect(b'{', "an object")?;
        self.enter()?;
        let mut frame = self.open_frame(plan.bits);
        let mut predicted = 0;
        let mut typed = !ANY;
        if self.token() == b'}' {
            self.pos += 1;
        } else {
            loop {
                let key_at = self.pos;
                let field = match plan.fields.get(predicted) {
                    Some(field) if field.pattern.matches(self.input, key_at) => {
                        self.pos += field.pattern.bytes.len();
                        Some(field)
                    }
                    _ => self.find_field(plan, &mut typed)?,
                };
                if let Some(field) = field {
                    predicted = field.index as usize + 1;
                    self.member(plan, field, &mut frame, key_at)?;
                }
                match self.token() {
                    b',' => self.pos += 1,
                    b'}' => {
                        self.pos += 1;
                        break;
                    }
                    _ => return Err(self.unexpected("',' or '}' after a field")),
                }
                if self.token() != b'"' {
                    return Err(self.unexpected("a field name in double quotes"));
                }
            }
        }
        if !plan.required.is_empty() {
            self.check_required(plan, &mut frame)?;
        }
        self.close_frame(&frame);
        self.depth_left += 1;
        Ok(())
    }

    /// Reads a key that was not predicted: its field, or nothing if its value was skipped.
    #[inline(never)]
    fn find_field(
        &mut self,
        plan: &'a MessagePlan,
        typed: &mut bool,
    ) -> Step<Option<&'a FieldPlan>> {
        if self.token() != b'"' {
            return Err(self.unexpected("a field name in double quotes"));
        }
        let at = self.pos;
        let key = self.text()?;
        if let Some(index) = plan.names.find(&key)
            && (*typed || *key != *b"@type")
        {
            self.expect(b':', "':' after the field name")?;
            return Ok(Some(&plan.fields[index as usize]));
        }
        if !*typed && *key == *b"@type" {
            *typed = true;
        } else if !self.ignore_unknown {
            let name = String::from_utf8_lossy(&key);
            return Err(Stop::at(at, format!("{} has no field \"{}\"", plan.name, clip(&name))));
        }
        self.expect(b':', "':' after the field name")?;
        self.skip()?;
        Ok(None)
    }

    /// Reads a field's value, after its key.
    #[inline(always)]
    fn member(
        &mut self,
        plan: &'a MessagePlan,
        field: &'a FieldPlan,
        frame: &mut Frame,
        key_at: usize,
    ) -> Step<()> {
        count_steps(1);
        if self.mark(frame, field.index) {
            return Err(Stop::at(key_at, format!("the field \"{}\" occurs twice", field.name)));
        }
        self.bounded(key_at)?;
        if self.token() == b'n' && !self.takes_null(field) {
            self.word("null")?;
            return self.check_absent(plan, field);
        }
        if field.oneof == NONE {
            return match self.field_value(field)? {
                Wrote::Dropped => self.check_absent(plan, field),
                Wrote::Value | Wrote::Default => Ok(()),
            };
        }
        if self.marked(frame, field.oneof) {
            let oneof = &plan.oneofs[field.oneof as usize - plan.fields.len()];
            let message = format!("\"{}\" is a second member of the oneof \"{oneof}\"", field.name);
            return Err(Stop::at(key_at, message));
        }
        if self.field_value(field)? != Wrote::Dropped {
            self.mark(frame, field.oneof);
        }
        Ok(())
    }

    /// Whether `null` is a value of the field, not its absence.
    #[cold]
    fn takes_null(&self, field: &FieldPlan) -> bool {
        field.label == Label::Single && self.is_nullable(field)
    }

    /// Whether one value of the field may be `null`.
    fn is_nullable(&self, field: &FieldPlan) -> bool {
        match field.kind {
            Kind::Message | Kind::Group => {
                self.table.messages[field.target as usize].shape == Shape::Value
            }
            Kind::Enum => self.table.enums[field.target as usize].null,
            _ => false,
        }
    }

    /// Reads a field's value and writes it with tag.
    #[inline(always)]
    fn field_value(&mut self, field: &'a FieldPlan) -> Step<Wrote> {
        match field.label {
            Label::Single => {
                let start = self.out.len();
                self.out.fixed(&field.tag_bytes, field.tag_len.into());
                let wrote = self.value(field)?;
                if wrote == Wrote::Dropped || wrote == Wrote::Default && field.implicit {
                    self.out.truncate(start);
                }
                Ok(wrote)
            }
            Label::List => self.list(field).map(|()| Wrote::Value),
            Label::Map => self.map(field).map(|()| Wrote::Value),
        }
    }

    #[inline(always)]
    fn open_length(&mut self) -> Open {
        self.scratch.gaps.open(&mut self.out)
    }

    #[inline(always)]
    fn close_length(&mut self, open: Open) {
        self.scratch.gaps.close(open, &mut self.out);
    }

    fn open_frame(&mut self, bits: u32) -> Frame {
        let base = self.scratch.bits.len();
        if bits > 64 {
            count_steps(bits as usize / 64);
            self.scratch.bits.resize(base + (bits as usize - 1) / 64, 0);
        }
        Frame { first: 0, base }
    }

    fn close_frame(&mut self, frame: &Frame) {
        self.scratch.bits.truncate(frame.base);
    }

    /// Sets a bit; whether it was set before.
    #[inline(always)]
    fn mark(&mut self, frame: &mut Frame, bit: u32) -> bool {
        let mask = 1u64 << (bit % 64);
        let word = if bit < 64 {
            &mut frame.first
        } else {
            &mut self.scratch.bits[frame.base + bit as usize / 64 - 1]
        };
        let before = *word & mask != 0;
        *word |= mask;
        before
    }

    fn marked(&self, frame: &Frame, bit: u32) -> bool {
        let word = if bit < 64 {
            frame.first
        } else {
            self.scratch.bits[frame.base + bit as usize / 64 - 1]
        };
        word & 1 << (bit % 64) != 0
    }

    #[cold]
    fn check_required(&mut self, plan: &MessagePlan, frame: &mut Frame) -> Step<()> {
        count_steps(plan.required.len());
        match plan.required.iter().find(|bit| !self.marked(frame, **bit)) {
            Some(&missing) => {
                self.pos -= 1;
                Err(self.missing(plan, &plan.fields[missing as usize]))
            }
            None => Ok(()),
        }
    }

    /// A field that was named and has no value all the same: `null`, or a name that was dropped.
    #[cold]
    fn check_absent(&mut self, plan: &MessagePlan, field: &FieldPlan) -> Step<()> {
        count_steps(plan.required.len());
        if plan.required.contains(&field.index) {
            return Err(self.missing(plan, field));
        }
        Ok(())
    }

    #[cold]
    fn missing(&self, plan: &MessagePlan, field: &FieldPlan) -> Stop {
        self.fail(format!("the required field \"{}\" of {} is missing", field.name, plan.name))
    }
}

/// A piece of the caller's text that is short enough to be shown.
fn clip(text: &str) -> &str {
    match text.char_indices().nth(60) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}
