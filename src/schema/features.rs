//! What decides a field's shape beyond its type: presence, packing, delimiting, UTF-8, closed enums.
//!
//! Three languages say it in three ways (proto2, proto3, and the features of editions), and the
//! descriptor pool knows only the first two. Whoever needs an answer asks here and gets the same
//! kind of answer whatever the file was written in
//! (<https://protobuf.dev/editions/features/>).

use std::collections::HashMap;

use prost_reflect::{
    Cardinality, DescriptorPool, EnumDescriptor, ExtensionDescriptor, FieldDescriptor, Kind, Syntax,
};

/// Whether the absence of a field differs from its default value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Absent and default are two things.
    Explicit,
    /// The default value is not sent; also every repeated field and map.
    Implicit,
    /// As explicit, and a message without it is not whole.
    Required,
}

/// What is known about one field or extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FieldFeatures {
    pub(super) presence: Presence,
    pub(super) packed: bool,
    pub(super) delimited: bool,
    pub(super) validates_utf8: bool,
}

/// The resolved features of a pool's fields and enums.
///
/// Files that the pool describes rightly by itself (proto2 and proto3) take no room here.
#[derive(Clone, Debug, Default)]
pub struct Features {
    fields: HashMap<String, FieldFeatures>,
    closed: HashMap<String, bool>,
}

impl Features {
    /// The features of a pool that holds proto2 and proto3 files only, as a plain
    /// [`DescriptorPool`] always does.
    pub fn of_pool(_pool: &DescriptorPool) -> Self {
        Self::default()
    }

    /// Whether the absence of the field can be told from its default.
    pub fn presence(&self, field: &impl AnyField) -> Presence {
        self.of(field).presence
    }

    /// Whether the field is repeated and written packed (it is read either way).
    pub fn is_packed(&self, field: &impl AnyField) -> bool {
        self.of(field).packed
    }

    /// Whether the field is a group on the wire: start and end tags instead of a length.
    pub fn is_delimited(&self, field: &impl AnyField) -> bool {
        self.of(field).delimited
    }

    /// Whether the field is a string that must be valid UTF-8 on the wire.
    pub fn validates_utf8(&self, field: &impl AnyField) -> bool {
        self.of(field).validates_utf8
    }

    /// Whether the enum is closed: numbers that it doesn't name are no values of it.
    pub fn is_closed(&self, enumeration: &EnumDescriptor) -> bool {
        let recorded = self.closed.get(enumeration.full_name()).copied();
        recorded.unwrap_or_else(|| enumeration.parent_file().syntax() == Syntax::Proto2)
    }

    pub(super) fn record_field(&mut self, full_name: String, features: FieldFeatures) {
        self.fields.insert(full_name, features);
    }

    pub(super) fn record_enum(&mut self, full_name: String, closed: bool) {
        self.closed.insert(full_name, closed);
    }

    fn of(&self, field: &impl AnyField) -> FieldFeatures {
        self.fields.get(field.name_in_full()).copied().unwrap_or_else(|| field.classic())
    }
}

/// A [`FieldDescriptor`] or an [`ExtensionDescriptor`].
#[allow(private_bounds, reason = "sealed: nothing else is a field")]
pub trait AnyField: Classic {}

impl AnyField for FieldDescriptor {}
impl AnyField for ExtensionDescriptor {}

trait Classic {
    /// The full name, without brackets for an extension.
    fn name_in_full(&self) -> &str;

    /// What proto2 and proto3 say about the field.
    fn classic(&self) -> FieldFeatures;
}

impl Classic for FieldDescriptor {
    fn name_in_full(&self) -> &str {
        self.full_name()
    }

    fn classic(&self) -> FieldFeatures {
        FieldFeatures {
            presence: classic_presence(self.cardinality(), self.supports_presence()),
            packed: self.is_packed(),
            delimited: self.is_group(),
            validates_utf8: validates_utf8(&self.kind(), self.parent_file().syntax()),
        }
    }
}

impl Classic for ExtensionDescriptor {
    fn name_in_full(&self) -> &str {
        self.full_name()
    }

    fn classic(&self) -> FieldFeatures {
        FieldFeatures {
            // A singular extension has presence in every syntax.
            presence: classic_presence(self.cardinality(), true),
            packed: self.is_packed(),
            delimited: self.is_group(),
            validates_utf8: validates_utf8(&self.kind(), self.parent_file().syntax()),
        }
    }
}

fn classic_presence(cardinality: Cardinality, singular_has_presence: bool) -> Presence {
    match cardinality {
        Cardinality::Required => Presence::Required,
        Cardinality::Optional if singular_has_presence => Presence::Explicit,
        Cardinality::Optional | Cardinality::Repeated => Presence::Implicit,
    }
}

fn validates_utf8(kind: &Kind, syntax: Syntax) -> bool {
    *kind == Kind::String && syntax == Syntax::Proto3
}
