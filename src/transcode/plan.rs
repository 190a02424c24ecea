//! The compiled plan of a message type: all that both passes ask, ready to be written or compared.
//!
//! Plans refer to each other by index in one table, so recursion in types costs nothing, and a
//! field's key stands as the bytes that go out: `,"name":`.

use std::sync::Arc;

use prost_reflect::MessageDescriptor;

use super::names::Names;

/// All message and enum types of a schema, compiled. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Plans(pub(super) Arc<Table>);

/// One message type's plan, with all that it refers to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) table: Arc<Table>,
    pub(super) index: u32,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) messages: Box<[MessagePlan]>,
    pub(super) enums: Box<[EnumPlan]>,
    pub(super) by_name: Names,
}

impl Plans {
    /// The plan of a message type; `None` if the type is not of the pool that was compiled.
    pub fn message(&self, descriptor: &MessageDescriptor) -> Option<Plan> {
        self.message_by_name(descriptor.full_name())
    }

    /// The plan of the message type with this full name.
    pub fn message_by_name(&self, full_name: &str) -> Option<Plan> {
        let index = self.0.by_name.find(full_name.as_bytes())?;
        Some(Plan { table: self.0.clone(), index })
    }
}

impl Plan {
    /// The message type's full name.
    pub fn name(&self) -> &str {
        &self.message().name
    }

    /// The place of the field with this proto or JSON name, for [`super::json_field_to_wire`] and
    /// [`super::wire_field_to_json`].
    pub fn field(&self, name: &str) -> Option<u32> {
        self.message().names.find(name.as_bytes())
    }

    #[inline(always)]
    pub(super) fn message(&self) -> &MessagePlan {
        &self.table.messages[self.index as usize]
    }
}

/// No bit, no field, no index.
pub(super) const NONE: u32 = u32::MAX;

#[derive(Debug)]
pub(super) struct MessagePlan {
    pub(super) name: Box<str>,
    pub(super) shape: Shape,
    /// In the order of declaration, extensions last.
    pub(super) fields: Box<[FieldPlan]>,
    /// The oneofs' names, synthetic ones left out.
    pub(super) oneofs: Box<[Box<str>]>,
    /// Fields, then oneofs: a bit each says what a frame has seen.
    pub(super) bits: u32,
    /// Fields that must be there.
    pub(super) required: Box<[u32]>,
    pub(super) names: Names,
    pub(super) numbers: Numbers,
    /// The field with the lowest number.
    pub(super) first_on_wire: u32,
}

/// How a message type appears in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Plain,
    /// `option message_set_wire_format`: plain in JSON, items in groups on the wire.
    MessageSet,
    Any,
    Timestamp,
    Duration,
    FieldMask,
    Struct,
    Value,
    ListValue,
    /// google.protobuf.Int32Value and its like: the JSON of field 1.
    Wrapper,
}

impl Shape {
    /// Whether `Any` holds it as `"value"`, not as fields beside `"@type"`.
    pub(super) fn is_special(self) -> bool {
        !matches!(self, Shape::Plain | Shape::MessageSet)
    }

    /// Whether its JSON is an object or an array of its own, which counts as a level of nesting.
    pub(super) fn is_level(self) -> bool {
        matches!(self, Shape::Plain | Shape::MessageSet | Shape::Struct | Shape::ListValue)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    Bytes,
    Enum,
    Message,
    Group,
}

impl Kind {
    /// The wire type of one value.
    #[inline]
    pub(super) fn wire(self) -> u32 {
        match self {
            Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => 1,
            Kind::String | Kind::Bytes | Kind::Message => 2,
            Kind::Group => 3,
            Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => 5,
            _ => 0,
        }
    }

    /// Whether a list of it can be packed.
    #[inline]
    pub(super) fn is_packable(self) -> bool {
        !matches!(self, Kind::String | Kind::Bytes | Kind::Message | Kind::Group)
    }

    pub(super) fn is_message(self) -> bool {
        matches!(self, Kind::Message | Kind::Group)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    Single,
    List,
    Map,
}

#[derive(Debug)]
pub(super) struct FieldPlan {
    /// What a reader of JSON expects next: `"name":`.
    pub(super) pattern: Pattern,
    /// What a writer of JSON writes: `,"jsonName":` and `,"proto_name":`.
    pub(super) keys: [Key; 2],
    /// The tag as written, as bytes and as number.
    pub(super) tag_bytes: [u8; 8],
    pub(super) tag_len: u8,
    pub(super) kind: Kind,
    pub(super) label: Label,
    /// A list that is written packed.
    pub(super) packed: bool,
    /// Its default is not written.
    pub(super) implicit: bool,
    /// It is an extension of a MessageSet, written as an item group.
    pub(super) in_set: bool,
    /// It must be UTF-8 on the wire.
    pub(super) utf8: bool,
    pub(super) tag: u32,
    pub(super) number: u32,
    /// The place in the message's `fields`, and its bit.
    pub(super) index: u32,
    /// The bit of its oneof, or `NONE`.
    pub(super) oneof: u32,
    /// The message (of a map: the entry's message) or enum.
    pub(super) target: u32,
    /// The field with the next higher number.
    pub(super) next_on_wire: u32,
    pub(super) name: Box<str>,
}

impl FieldPlan {
    pub(super) fn is_extension(&self) -> bool {
        self.name.starts_with('[')
    }
}

/// The bytes `"name":` of a key, to be compared in one or two words.
#[derive(Debug)]
pub(super) struct Pattern {
    head: u128,
    mask: u128,
    tail: u128,
    pub(super) bytes: Box<[u8]>,
}

impl Pattern {
    pub(super) fn new(name: &str) -> Self {
        let quoted = serde_json::Value::from(name).to_string();
        if quoted.len() != name.len() + 2 {
            // A name with an escape has many spellings: it is left to the look-up.
            return Self { head: 0, mask: !0, tail: 0, bytes: Box::new([0]) };
        }
        let bytes: Box<[u8]> = format!("{quoted}:").into_bytes().into();
        let mut head = [0; 16];
        let shown = bytes.len().min(16);
        head[..shown].copy_from_slice(&bytes[..shown]);
        let mask = if shown == 16 { !0 } else { (1u128 << (8 * shown)) - 1 };
        let tail = bytes.last_chunk().map_or(0, |tail| u128::from_le_bytes(*tail));
        Self { head: u128::from_le_bytes(head), mask, tail, bytes }
    }

    /// Whether the input goes on with exactly these bytes.
    #[inline(always)]
    pub(super) fn matches(&self, input: &[u8], at: usize) -> bool {
        let length = self.bytes.len();
        let Some(head) = input.get(at..).and_then(|rest| rest.first_chunk()) else {
            return input.get(at..at + length) == Some(&*self.bytes);
        };
        if (u128::from_le_bytes(*head) ^ self.head) & self.mask != 0 {
            return false;
        }
        length <= 16 || self.matches_tail(input, at)
    }

    #[inline]
    fn matches_tail(&self, input: &[u8], at: usize) -> bool {
        match input.get(at..at + self.bytes.len()) {
            Some(found) if found.len() <= 32 => {
                found.last_chunk().is_some_and(|tail| u128::from_le_bytes(*tail) == self.tail)
            }
            Some(found) => *found == *self.bytes,
            None => false,
        }
    }
}

/// Bytes to write that are mostly short: `,"name":`.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) short: [u8; 32],
    pub(super) len: usize,
    pub(super) long: Box<[u8]>,
}

impl Key {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let mut short = [0; 32];
        if bytes.len() <= 32 {
            short[..bytes.len()].copy_from_slice(bytes);
            return Self { short, len: bytes.len(), long: Box::default() };
        }
        Self { short, len: bytes.len(), long: bytes.into() }
    }

    /// The key of a field: `,"name":`.
    pub(super) fn of_field(name: &str) -> Self {
        Self::new(format!(",{}:", serde_json::Value::from(name)).as_bytes())
    }

    #[inline(always)]
    pub(super) fn write(&self, out: &mut super::kernel::Buffer) {
        if self.len <= 32 {
            out.fixed(&self.short, self.len);
        } else {
            out.slice(&self.long);
        }
    }
}

/// Fields by number.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// For low numbers: the field's place, or `NONE`.
    pub(super) dense: Box<[u32]>,
    /// For the others, sorted.
    pub(super) sparse: Box<[(u32, u32)]>,
}

impl Numbers {
    pub(super) fn new(fields: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut all: Vec<_> = fields.into_iter().collect();
        all.sort_unstable();
        let bound = all.len() as u32 * 4 + 64;
        let (low, high) = all.split_at(all.partition_point(|(number, _)| *number < bound));
        let mut dense = vec![NONE; low.last().map_or(0, |(number, _)| *number as usize + 1)];
        for &(number, index) in low {
            dense[number as usize] = index;
        }
        Self { dense: dense.into(), sparse: high.into() }
    }

    #[inline]
    pub(super) fn find(&self, number: u32) -> Option<u32> {
        if let Some(&index) = self.dense.get(number as usize) {
            return (index != NONE).then_some(index);
        }
        let place = self.sparse.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        Some(self.sparse[place].1)
    }
}

#[derive(Debug)]
pub(super) struct EnumPlan {
    pub(super) name: Box<str>,
    pub(super) closed: bool,
    /// google.protobuf.NullValue, whose JSON is `null`.
    pub(super) null: bool,
    pub(super) default: i32,
    /// The number of a name, as its bits.
    pub(super) names: Names,
    /// `"NAME"` of each number, sorted; of aliases the first.
    pub(super) values: Box<[(i32, Key)]>,
}

impl EnumPlan {
    /// The JSON of a number that has a name.
    #[inline]
    pub(super) fn value(&self, number: i32) -> Option<&Key> {
        // Most enums count from zero without gaps.
        if let Some((found, key)) = self.values.get(number as usize)
            && *found == number
        {
            return Some(key);
        }
        let place = self.values.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        Some(&self.values[place].1)
    }
}
