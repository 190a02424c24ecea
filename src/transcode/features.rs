//! What a descriptor means for the wire, asked by the plan compiler alone.
//!
//! A pool of proto2 and proto3 files answers by itself; files of an edition need their resolved
//! features, which come from the schema.

use prost_reflect::{Cardinality, EnumDescriptor, ExtensionDescriptor, FieldDescriptor, Syntax};

/// Whether a field can tell absence from its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It can.
    Explicit,
    /// It can't: the default is not written.
    Implicit,
    /// It must be there.
    Required,
}

/// The resolved features of a pool's fields and enums.
#[derive(Clone, Debug, Default)]
pub struct Features;

impl Features {
    /// The features that proto2 and proto3 syntax imply.
    pub fn of_pool(_pool: &prost_reflect::DescriptorPool) -> Self {
        Self
    }

    /// Whether the field can tell absence from its default; of no meaning for lists and maps.
    pub fn presence(&self, field: &impl AnyField) -> Presence {
        field.classic().presence
    }

    /// Whether a list is written packed.
    pub fn is_packed(&self, field: &impl AnyField) -> bool {
        field.classic().packed
    }

    /// Whether a message is written as a group.
    pub fn is_delimited(&self, field: &impl AnyField) -> bool {
        field.classic().delimited
    }

    /// Whether a string must be UTF-8 on the wire.
    pub fn validates_utf8(&self, field: &impl AnyField) -> bool {
        field.classic().validates_utf8
    }

    /// Whether the enum knows no numbers but its own.
    pub fn is_closed(&self, descriptor: &EnumDescriptor) -> bool {
        descriptor.parent_file().syntax() == Syntax::Proto2
    }
}

/// A [`FieldDescriptor`] or an [`ExtensionDescriptor`].
#[allow(private_bounds, reason = "sealed: nothing else is a field")]
pub trait AnyField: Classic {}

impl AnyField for FieldDescriptor {}
impl AnyField for ExtensionDescriptor {}

trait Classic {
    fn classic(&self) -> FieldFeatures;
}

struct FieldFeatures {
    presence: Presence,
    packed: bool,
    delimited: bool,
    validates_utf8: bool,
}

impl Classic for FieldDescriptor {
    fn classic(&self) -> FieldFeatures {
        FieldFeatures {
            presence: match self.cardinality() {
                Cardinality::Required => Presence::Required,
                _ if self.supports_presence() => Presence::Explicit,
                _ => Presence::Implicit,
            },
            packed: self.is_packed(),
            delimited: self.is_group(),
            validates_utf8: self.parent_file().syntax() == Syntax::Proto3,
        }
    }
}

impl Classic for ExtensionDescriptor {
    fn classic(&self) -> FieldFeatures {
        FieldFeatures {
            presence: Presence::Explicit,
            packed: self.is_packed(),
            delimited: self.is_group(),
            validates_utf8: self.parent_file().syntax() == Syntax::Proto3,
        }
    }
}
