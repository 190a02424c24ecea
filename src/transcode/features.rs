//! What a descriptor means for the wire, asked by the plan compiler alone.
//!
//! A pool of proto2 and proto3 files answers by itself; files of an edition need their resolved
//! features, which come from the schema.

use prost_reflect::{Cardinality, EnumDescriptor, FieldDescriptor, Syntax};

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
    pub fn presence(&self, field: &FieldDescriptor) -> Presence {
        if field.cardinality() == Cardinality::Required {
            Presence::Required
        } else if field.supports_presence() {
            Presence::Explicit
        } else {
            Presence::Implicit
        }
    }

    /// Whether a list is written packed.
    pub fn is_packed(&self, field: &FieldDescriptor) -> bool {
        field.is_packed()
    }

    /// Whether a message is written as a group.
    pub fn is_delimited(&self, field: &FieldDescriptor) -> bool {
        field.is_group()
    }

    /// Whether a string must be UTF-8 on the wire.
    pub fn validates_utf8(&self, field: &FieldDescriptor) -> bool {
        field.parent_file().syntax() == Syntax::Proto3
    }

    /// Whether the enum knows no numbers but its own.
    pub fn is_closed(&self, descriptor: &EnumDescriptor) -> bool {
        descriptor.parent_file().syntax() == Syntax::Proto2
    }
}
