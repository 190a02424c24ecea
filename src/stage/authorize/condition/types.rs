//! The types of a condition's parts, as far as they are known before a call is.

use std::fmt;

use crate::transcode::field::{Field, Kind, Label};

/// What a part of an expression gives.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Type {
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Timestamp,
    Duration,
    List(Box<Type>),
    Map(Box<Type>),
    Null,
    /// Only a call tells: a claim, for example.
    Any,
}

impl Type {
    /// What a field gives; none if it holds messages that no expression can take whole.
    pub(super) fn of(field: &Field) -> Option<Self> {
        let one = Self::of_kind(field.kind(), field.label() == Label::One)?;
        Some(match field.label() {
            Label::One => one,
            Label::List => Self::List(Box::new(one)),
            Label::Map => Self::Map(Box::new(one)),
        })
    }

    fn of_kind(kind: &Kind, is_single: bool) -> Option<Self> {
        Some(match kind {
            Kind::Bool => Self::Bool,
            Kind::Int | Kind::Enum(_) => Self::Int,
            Kind::Uint => Self::Uint,
            Kind::Double => Self::Double,
            Kind::Text => Self::Text,
            Kind::Bytes => Self::Bytes,
            Kind::Message(name) if is_single => match name.as_str() {
                "google.protobuf.Timestamp" => Self::Timestamp,
                "google.protobuf.Duration" => Self::Duration,
                _ => return None,
            },
            Kind::Message(_) => return None,
        })
    }

    /// The same as the start of what grows: nobody knows the elements of an empty list.
    pub(super) fn widened(self) -> Self {
        if matches!(self, Self::List(_)) { Self::List(Box::new(Self::Any)) } else { self }
    }

    fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Uint | Self::Double)
    }

    /// Whether values of both can be equal at all.
    pub(super) fn can_equal(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any | Self::Null, _) | (_, Self::Any | Self::Null) => true,
            (Self::List(one), Self::List(other)) | (Self::Map(one), Self::Map(other)) => {
                one.can_equal(other)
            }
            _ => self == other || self.is_number() && other.is_number(),
        }
    }

    /// Whether `<` and its like know what to do.
    pub(super) fn can_order(&self, other: &Self) -> bool {
        let is_ordered = |one: &Self| !matches!(one, Self::List(_) | Self::Map(_) | Self::Null);
        is_ordered(self) && is_ordered(other) && self.can_equal(other)
    }

    /// Whether it is this type, or may turn out to be.
    pub(super) fn may_be(&self, wanted: &Self) -> bool {
        *self == Self::Any || self == wanted
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::Text => "string",
            Self::Bytes => "bytes",
            Self::Timestamp => "timestamp",
            Self::Duration => "duration",
            Self::List(element) => return write!(f, "list({element})"),
            Self::Map(value) => return write!(f, "map({value})"),
            Self::Null => "null",
            Self::Any => "value",
        })
    }
}
