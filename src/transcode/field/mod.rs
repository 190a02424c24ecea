//! One field read out of a message's wire bytes, by a path that was compiled against the type.
//!
//! ```text
//! shelf.owner.id  +  bookshelf.v1.Request  ->  numbers 2, 1, 3 and what may stand beside them
//! 12 06 0A 04 1A 02 "me" …                 ->  Text("me"), everything else passed over
//! ```
//!
//! A policy that looks at one field pays for that field. It must see what the backend will see, or a
//! caller could show one thing to the gateway and another to the backend. So the reader holds to what
//! every parser does (<https://protobuf.dev/programming-guides/encoding/>): the last value wins, the
//! pieces of a message merge, a later member of a oneof clears an earlier one, a field with another
//! wire type than its own is an unknown one. Where parsers differ it refuses the message.
//!
//! | threat | defence | test |
//! |--------|---------|------|
//! | a field twice, or a message in pieces | the last wins, pieces merge | `last_value_wins_…` |
//! | another member of the oneof behind the harmless one | it clears the field | `later_member_of_a_oneof_…` |
//! | a wire type, tag or number that parsers take differently | unknown, or refused | `another_wire_type_…`, `what_parsers_disagree_on_…` |
//! | what nobody has thought of | compared with the library | `reader_agrees_with_the_library` |

mod compile;
mod read;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt};

use super::plan;

pub use compile::enum_number;

/// Where a message has one field. Cheap to use, compiled once.
#[derive(Debug)]
pub struct Field {
    steps: Box<[Step]>,
    leaf: Leaf,
}

/// One field on the way.
#[derive(Debug)]
struct Step {
    number: u32,
    /// The wire type of one value.
    wire: u32,
    /// The other members of its oneof, with their wire types: each clears the field.
    rivals: Box<[(u32, u32)]>,
}

/// The last field of a path.
#[derive(Debug)]
struct Leaf {
    label: Label,
    element: Element,
    /// Of a map: its keys.
    key: Option<Element>,
    has_presence: bool,
    default: Default,
}

/// One value of the leaf.
#[derive(Debug)]
struct Element {
    kind: plan::Kind,
    told: Kind,
    /// Of an enum that knows no other numbers: those that it knows.
    closed: Option<Box<[i32]>>,
}

/// The value of a field that isn't there.
#[derive(Debug)]
enum Default {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Box<str>),
    Bytes(Box<[u8]>),
    Enum(i32),
    Nothing,
}

/// How often a field may stand in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// At most once.
    One,
    /// As a list.
    List,
    /// As a map.
    Map,
}

/// What a field's values are, as far as those care who read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A boolean.
    Bool,
    /// Any signed integer.
    Int,
    /// Any unsigned integer.
    Uint,
    /// A float or a double.
    Double,
    /// A string.
    Text,
    /// Bytes.
    Bytes,
    /// An enum of this full name.
    Enum(String),
    /// A message of this full name.
    Message(String),
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'m> {
    /// A boolean.
    Bool(bool),
    /// Any signed integer.
    Int(i64),
    /// Any unsigned integer.
    Uint(u64),
    /// A float or a double.
    Double(f64),
    /// A string.
    Text(&'m str),
    /// Bytes.
    Bytes(&'m [u8]),
    /// An enum's number.
    Enum(i32),
    /// A message as wire bytes; its pieces, if it came in pieces, one behind the other.
    Message(Cow<'m, [u8]>),
}

/// What a message has of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Found<'m> {
    /// It isn't there; a list or a map is never absent.
    Absent,
    /// Its value.
    One(Value<'m>),
    /// Its values in order.
    List(Vec<Value<'m>>),
    /// Its keys and values in order; of equal keys the last one counts.
    Map(Vec<(Value<'m>, Value<'m>)>),
}

/// Why a field can't be read out of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The bytes are no message of the type, or parsers don't agree on what they are.
    Malformed,
    /// A list or map has more elements than were allowed.
    TooMany,
}

/// Why a path names no field that can be read: a sentence with its mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathError(pub String);

impl Field {
    /// What its values are; of a map, its values'.
    pub fn kind(&self) -> &Kind {
        &self.leaf.element.told
    }

    /// What the keys are, of a map.
    pub fn key_kind(&self) -> Option<&Kind> {
        self.leaf.key.as_ref().map(|key| &key.told)
    }

    /// How often it may be there.
    pub fn label(&self) -> Label {
        self.leaf.label
    }

    /// Whether its absence can be told from its default.
    pub fn has_presence(&self) -> bool {
        self.leaf.has_presence
    }

    /// The value that stands for it where it is absent; none for a message, a list and a map.
    pub fn default(&self) -> Option<Value<'_>> {
        Some(match &self.leaf.default {
            Default::Bool(value) => Value::Bool(*value),
            Default::Int(value) => Value::Int(*value),
            Default::Uint(value) => Value::Uint(*value),
            Default::Double(value) => Value::Double(*value),
            Default::Text(value) => Value::Text(value),
            Default::Bytes(value) => Value::Bytes(value),
            Default::Enum(value) => Value::Enum(*value),
            Default::Nothing => return None,
        })
    }

    /// Reads it out of a message. A list or map may have `most` elements.
    ///
    /// # Errors
    /// The bytes on the way to it are broken, or there are more elements.
    pub fn read<'m>(&self, message: &'m [u8], most: usize) -> Result<Found<'m>, Fault> {
        read::read(self, message, most)
    }

    /// Whether a message has it: with presence, if it is there; else if it isn't its default.
    pub fn is_set(&self, found: &Found<'_>) -> bool {
        match found {
            Found::Absent => false,
            Found::One(value) => self.has_presence() || Some(value) != self.default().as_ref(),
            Found::List(elements) => !elements.is_empty(),
            Found::Map(entries) => !entries.is_empty(),
        }
    }
}

impl Value<'_> {
    /// The value as bytes that equal values share: a key to count or to hash by.
    pub fn as_key(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Bool(value) => Cow::Owned(vec![u8::from(*value)]),
            Self::Int(value) => Cow::Owned(value.to_string().into_bytes()),
            Self::Uint(value) => Cow::Owned(value.to_string().into_bytes()),
            Self::Double(value) => Cow::Owned(value.to_bits().to_be_bytes().to_vec()),
            Self::Text(value) => Cow::Borrowed(value.as_bytes()),
            Self::Bytes(value) => Cow::Borrowed(value),
            Self::Enum(value) => Cow::Owned(value.to_string().into_bytes()),
            Self::Message(value) => Cow::Borrowed(value),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the message's bytes are broken",
            Self::TooMany => "a list has too many elements",
        })
    }
}

impl std::error::Error for Fault {}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PathError {}
