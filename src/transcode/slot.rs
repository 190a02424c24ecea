//! A place in a message that a path variable sets: `spot.depth`.
//!
//! ```text
//!     spot.depth = "3"   ->   1A 02 08 03
//! ```
//!
//! What is written are wire bytes that go behind the rest of the message: submessages merge and the
//! last scalar wins, so the value takes its place without anyone looking for what was there. Only a
//! FieldMask is a list, to which more is added ([`Slot::is_list`]).

use std::fmt;

use smallvec::SmallVec;

use super::{
    gaps::Gaps,
    kernel::Buffer,
    parameters::{Fault, ParameterError},
    plan::*,
    steps::count_steps,
};

/// A field by its path, ready to be set from text. Cheap to clone.
#[derive(Clone)]
pub struct Slot {
    plan: Plan,
    /// The place of the field in each message on the way.
    pub(super) path: Path,
    name: Box<str>,
}

/// Places of fields, from the outermost message inwards.
pub(super) type Path = SmallVec<[u32; 4]>;

/// Why a path is no slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotError {
    /// What is wrong, a sentence without a full stop.
    pub message: String,
    /// The byte of the path where the name begins that it is about.
    pub offset: usize,
}

impl fmt::Display for SlotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SlotError {}

impl Slot {
    /// Finds a field by proto or JSON names with dots between.
    ///
    /// # Errors
    /// No such field, a list or map on the way or at the end, or a message at the end that has no
    /// text of its own.
    pub fn compile(plan: &Plan, path: &str) -> Result<Self, SlotError> {
        let slot = Self::to_field(plan, path)?;
        let offset = path.rfind('.').map_or(0, |dot| dot + 1);
        let field = slot.leaf();
        if field.label != Label::Single {
            let message = format!("\"{path}\" is repeated, and one value can't set it");
            return Err(SlotError { message, offset });
        }
        if !plan.table.has_text(field) {
            let message = format!("\"{path}\" is a message; name one of its fields");
            return Err(SlotError { message, offset });
        }
        Ok(slot)
    }

    /// Finds a field of any kind, to be named as bound ([`super::Parameters::new`]) and not to be
    /// written: the one that the HTTP body holds.
    ///
    /// # Errors
    /// No such field, or a list or map on the way.
    pub fn to_field(plan: &Plan, path: &str) -> Result<Self, SlotError> {
        let mut places = Path::new();
        let mut message = plan.message();
        let mut offset = 0;
        for (depth, name) in path.split('.').enumerate() {
            if depth > 0 {
                let Some(inner) = plan.table.inner(message, &places) else {
                    let message = format!("\"{}\" has no fields of its own", &path[..offset - 1]);
                    return Err(SlotError { message, offset });
                };
                message = inner;
            }
            let Some(place) = message.names.find(name.as_bytes()) else {
                let message = format!("{} has no field \"{name}\"", message.name);
                return Err(SlotError { message, offset });
            };
            places.push(place);
            offset += name.len() + 1;
        }
        Ok(Self { plan: plan.clone(), path: places, name: path.into() })
    }

    /// The path as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Appends wire bytes that set the field, to stand behind the rest of the message.
    ///
    /// # Errors
    /// The text is no value of the field; `out` is as it was.
    pub fn write(&self, value: &str, out: &mut Vec<u8>) -> Result<(), ParameterError> {
        let start = out.len();
        let mut buffer = Buffer::new(std::mem::take(out));
        let field = self.leaf();
        let table = &self.plan.table;
        let result = table.write_path(self.plan.index, &self.path, &mut buffer, |out| {
            table.write_text(field, value, out)
        });
        *out = buffer.into_bytes();
        result.map_err(|expected| {
            out.truncate(start);
            ParameterError::new(Fault::Value, &self.name, format!("expected {expected}"))
        })
    }

    /// Whether the field is a message that has a text: Timestamp, Duration, FieldMask, a wrapper.
    pub fn is_message(&self) -> bool {
        self.leaf().kind.is_message()
    }

    /// Whether a value behind another adds to it, where it should take its place: a FieldMask.
    pub fn is_list(&self) -> bool {
        let field = self.leaf();
        let messages = &self.plan.table.messages;
        self.is_message() && messages[field.target as usize].shape == Shape::FieldMask
    }

    /// Whether two texts are the same value of the field, `01` and `1` or `AA` and `AA==` for
    /// example; a text that is no value equals none.
    pub fn is_same(&self, one: &str, other: &str) -> bool {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        self.write(one, &mut left).is_ok() && self.write(other, &mut right).is_ok() && left == right
    }

    fn leaf(&self) -> &FieldPlan {
        let mut message = self.plan.message();
        for place in &self.path[..self.path.len() - 1] {
            message = &self.plan.table.messages[message.fields[*place as usize].target as usize];
        }
        &message.fields[self.path[self.path.len() - 1] as usize]
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slot({}: {})", self.plan.name(), self.name)
    }
}

impl Table {
    /// The message that the last of the places leads into, if it's a single message.
    pub(super) fn inner(&self, message: &MessagePlan, places: &[u32]) -> Option<&MessagePlan> {
        let field = &message.fields[*places.last()? as usize];
        let single = field.label == Label::Single && field.kind.is_message();
        single.then(|| &self.messages[field.target as usize])
    }

    /// Writes the messages around a field, and the field by `leaf`.
    pub(super) fn write_path<E>(
        &self,
        message: u32,
        path: &[u32],
        out: &mut Buffer,
        leaf: impl FnOnce(&mut Buffer) -> Result<(), E>,
    ) -> Result<(), E> {
        count_steps(path.len());
        let mut gaps = Gaps::default();
        let mut open: SmallVec<[_; 4]> = SmallVec::new();
        let mut message = &self.messages[message as usize];
        for place in &path[..path.len() - 1] {
            let field = &message.fields[*place as usize];
            out.fixed(&field.tag_bytes, field.tag_len.into());
            open.push((field, (field.kind == Kind::Message).then(|| gaps.open(out))));
            message = &self.messages[field.target as usize];
        }
        leaf(out)?;
        for (field, length) in open.into_iter().rev() {
            match length {
                Some(length) => gaps.close(length, out),
                None => out.varint((field.number << 3 | 4).into()),
            }
        }
        gaps.finish(out);
        Ok(())
    }
}
