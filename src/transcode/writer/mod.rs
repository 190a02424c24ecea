//! Wire bytes to JSON, in one pass: a field is written as soon as it is read.
//!
//! ```text
//!     0A 04 "Dune"  12 02 01 02  1A 02 08 03
//!  -> {"title":"Dune","tags":[1,2],"spot":{"depth":3}}
//! ```
//!
//! Serialisers write each field once and the elements of a list together, and for such bytes one
//! pass suffices. The wire format allows more: a field may come again and win, a submessage may
//! come in pieces that merge, a list may go on after other fields, a oneof may change its mind.
//! The first sign of that stops the pass, and the whole message is written again with an index of
//! each message's fields ([`indexed`]): once, whatever the nesting.

mod canonical;
mod indexed;
mod map;
mod message;
mod scalar;
mod well_known;
mod wire;

use std::borrow::Cow;

use super::{
    error::{Step, Stop},
    gaps::Gaps,
    kernel::Buffer,
    keyset::KeySet,
    plan::*,
    settings::{EmitDefaults, Settings},
    steps::count_steps,
};

/// One message on its way to JSON.
pub(super) struct Writer<'a> {
    input: &'a [u8],
    pos: usize,
    out: Buffer,
    table: &'a Table,
    scratch: &'a mut Scratch,
    /// How much deeper messages may nest.
    depth_left: u32,
    /// Which of a field's keys is written.
    key: usize,
    enums_as_numbers: bool,
    emit_defaults: EmitDefaults,
    /// How long the output may become.
    limit: usize,
    /// How many more doubles are tried as short ones.
    short_doubles: u8,
    /// Whether this is the second try, with an index a message.
    indexed: bool,
    /// How far the first try came: the messages that end before are as serialisers write them, so
    /// the second try writes them in one pass too.
    proven: usize,
    /// Whether fields that the plan doesn't know are kept in the index.
    keep_unknown: bool,
    /// Writes the value of an Any as base64 if the second try can't write it as JSON.
    raw_any: bool,
}

/// Memory that outlives a message, so that the next one allocates nothing.
#[derive(Default)]
pub(super) struct Scratch {
    /// What frames of messages with more than 64 bits have seen.
    bits: Vec<u64>,
    sets: Vec<KeySet>,
    index: indexed::Index,
    gaps: Gaps,
}

impl Scratch {
    /// How many bytes are kept for later messages.
    pub(super) fn retained(&self) -> usize {
        let sets: usize = self.sets.iter().map(KeySet::retained).sum();
        let bits = self.bits.capacity() * size_of::<u64>();
        sets + bits + self.index.retained() + self.gaps.retained()
    }
}

/// What a frame has seen: a bit a field and a oneof.
struct Frame {
    first: u64,
    /// Where the words after the first stand in the scratch.
    base: usize,
}

/// A piece of the input.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    end: usize,
}

/// What became of a value on the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrote {
    /// It was written.
    Value,
    /// It was written and is its type's default.
    Default,
    /// It is a number that a closed enum doesn't know, which counts as an unknown field.
    Dropped,
}

impl From<bool> for Wrote {
    fn from(is_default: bool) -> Self {
        if is_default { Wrote::Default } else { Wrote::Value }
    }
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        table: &'a Table,
        settings: &Settings,
        limit: usize,
        input: &'a [u8],
        out: Vec<u8>,
        scratch: &'a mut Scratch,
    ) -> Self {
        Self {
            input,
            pos: 0,
            limit: limit.saturating_add(out.len()),
            out: Buffer::new(out),
            table,
            scratch,
            depth_left: settings.depth_limit(),
            key: usize::from(settings.proto_names),
            enums_as_numbers: settings.enums_as_numbers,
            emit_defaults: settings.emit_defaults,
            short_doubles: scalar::SHORT_DOUBLES,
            indexed: false,
            proven: 0,
            keep_unknown: false,
            raw_any: false,
        }
    }

    /// Writes the input, a google.protobuf.Any; if its value can't be written, then as base64.
    pub(super) fn whole_detail(&mut self) -> Step<()> {
        self.raw_any = true;
        let whole = Span { start: 0, end: self.input.len() };
        self.twice(|writer| writer.any(&[whole]))
    }

    /// Writes the whole input as a message.
    pub(super) fn whole_message(&mut self, message: u32) -> Step<()> {
        let table = self.table;
        let plan = &table.messages[message as usize];
        let whole = Span { start: 0, end: self.input.len() };
        self.out.ensure((self.input.len() + self.input.len() / 2).min(1 << 20) + 64);
        self.twice(|writer| writer.content(plan, whole))
    }

    /// Writes one field of the message that the input is, or its type's empty value.
    pub(super) fn whole_field(&mut self, message: u32, field: u32) -> Step<()> {
        let table = self.table;
        let plan = &table.messages[message as usize];
        let whole = Span { start: 0, end: self.input.len() };
        self.twice(|writer| writer.one_field(plan, &plan.fields[field as usize], whole))
    }

    /// Tries in one pass, and if that fails with an index, which also decides what is an error.
    fn twice(&mut self, mut write: impl FnMut(&mut Self) -> Step<()>) -> Step<()> {
        if u32::try_from(self.input.len()).is_err() {
            return Err(Stop::too_large(0));
        }
        let (start, depth) = (self.out.len(), self.depth_left);
        self.scratch.bits.clear();
        let mut result = write(self);
        if let Err(stop) = &result
            && !stop.is_too_large()
        {
            self.out.truncate(start);
            self.proven = stop.offset();
            (self.pos, self.depth_left, self.indexed) = (0, depth, true);
            self.scratch.bits.clear();
            self.scratch.index.clear();
            result = write(self);
        }
        result?;
        if self.out.len() > self.limit { Err(Stop::too_large(self.pos)) } else { Ok(()) }
    }

    /// The output, for the caller to keep or to cut.
    pub(super) fn into_output(self) -> Vec<u8> {
        self.out.into_bytes()
    }

    #[cold]
    fn fail(&self, message: impl Into<Cow<'static, str>>) -> Stop {
        Stop::at(self.pos, message)
    }

    /// What one pass can't write; the second try will not meet it.
    #[cold]
    fn retry(&self) -> Stop {
        Stop::at(self.pos, "the message is not as serialisers write it")
    }

    #[inline(always)]
    fn enter(&mut self) -> Step<()> {
        if self.depth_left == 0 {
            return Err(self.fail("the message is nested deeper than the limit allows"));
        }
        self.depth_left -= 1;
        Ok(())
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

    #[inline(always)]
    fn word<'f>(&'f mut self, frame: &'f mut Frame, bit: u32) -> &'f mut u64 {
        if bit < 64 {
            &mut frame.first
        } else {
            &mut self.scratch.bits[frame.base + bit as usize / 64 - 1]
        }
    }

    /// Sets a bit; whether it was set before.
    #[inline(always)]
    fn mark(&mut self, frame: &mut Frame, bit: u32) -> bool {
        let mask = 1u64 << (bit % 64);
        let word = self.word(frame, bit);
        let before = *word & mask != 0;
        *word |= mask;
        before
    }

    #[cold]
    fn unmark(&mut self, frame: &mut Frame, bit: u32) {
        *self.word(frame, bit) &= !(1 << (bit % 64));
    }

    fn marked(&mut self, frame: &mut Frame, bit: u32) -> bool {
        *self.word(frame, bit) & 1 << (bit % 64) != 0
    }

    /// Makes what is written since `start`, a comma before each member, an object.
    #[inline(always)]
    fn close_object(&mut self, start: usize) {
        if self.out.len() == start {
            self.out.slice(b"{}");
        } else {
            self.out.patch(start, b'{');
            self.out.push(b'}');
        }
    }

    /// Makes what is written since `start`, a comma after each element, end with the bracket.
    #[inline(always)]
    fn close_bracket(&mut self, start: usize, bracket: u8) {
        if self.out.len() == start {
            self.out.push(bracket);
        } else {
            self.out.patch(self.out.len() - 1, bracket);
        }
    }
}
