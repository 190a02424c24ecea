//! What is checked of which message, as it is run.

use std::sync::Arc;

use prost_reflect::{EnumDescriptor, FieldDescriptor, OneofDescriptor};

use super::{program::Program, violation::Step};

/// The rules of a message type and of all that it may hold. The first is the type itself.
pub(super) struct Plan {
    pub(super) messages: Vec<MessagePlan>,
}

/// The rules of one type.
#[derive(Default)]
pub(super) struct MessagePlan {
    pub(super) programs: Vec<Program>,
    pub(super) groups: Vec<Group>,
    /// Oneofs of which a member is needed.
    pub(super) oneofs: Vec<OneofDescriptor>,
    pub(super) fields: Vec<FieldPlan>,
}

/// Fields of which at most one may be set: a oneof by rule.
pub(super) struct Group {
    pub(super) fields: Vec<FieldDescriptor>,
    pub(super) is_required: bool,
}

/// The rules of one field.
pub(super) struct FieldPlan {
    pub(super) field: FieldDescriptor,
    pub(super) required: Option<Required>,
    /// Only the backend may set it.
    pub(super) is_output_only: bool,
    /// An absent field, which without presence is one with its zero value, breaks no other rule.
    pub(super) skips_absent: bool,
    pub(super) value: ValuePlan,
}

/// Who says that a field is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Required {
    Rule,
    Behavior,
}

/// The rules of values: a field's, a list's elements', a map's keys or values.
#[derive(Default)]
pub(super) struct ValuePlan {
    pub(super) programs: Vec<Program>,
    /// Numbers that the enum doesn't name are refused.
    pub(super) defined_only: Option<(EnumDescriptor, Vec<Step>)>,
    pub(super) any: Option<Arc<AnyPlan>>,
    /// The type's own rules: its place among the messages.
    pub(super) nested: Option<usize>,
    pub(super) items: Option<Box<ItemPlan>>,
    pub(super) keys: Option<Box<ItemPlan>>,
    pub(super) values: Option<Box<ItemPlan>>,
}

/// The rules of each element.
pub(super) struct ItemPlan {
    pub(super) skips_zero: bool,
    pub(super) value: ValuePlan,
}

/// Which types an `Any` may hold.
pub(super) struct AnyPlan {
    pub(super) allowed: Vec<String>,
    pub(super) denied: Vec<String>,
    pub(super) allowed_path: Vec<Step>,
    pub(super) denied_path: Vec<Step>,
}

impl ValuePlan {
    fn inner(&self) -> impl Iterator<Item = &ItemPlan> {
        [&self.items, &self.keys, &self.values].into_iter().flatten().map(|items| &**items)
    }

    /// Whether anything is checked but the types that are held.
    fn has_own(&self) -> bool {
        !self.programs.is_empty()
            || self.defined_only.is_some()
            || self.any.is_some()
            || self.inner().any(|item| item.value.has_own())
    }

    /// The types that are held.
    fn nested(&self) -> impl Iterator<Item = usize> {
        self.nested.into_iter().chain(self.inner().filter_map(|item| item.value.nested))
    }

    /// Whether nothing is checked.
    pub(super) fn is_empty(&self) -> bool {
        !self.has_own() && self.nested.is_none() && self.inner().next().is_none()
    }
}

impl FieldPlan {
    fn has_own(&self) -> bool {
        self.required.is_some() || self.is_output_only || self.value.has_own()
    }

    fn is_empty(&self) -> bool {
        self.required.is_none() && !self.is_output_only && self.value.is_empty()
    }
}

impl MessagePlan {
    /// Whether it checks anything but what it holds.
    fn has_own(&self) -> bool {
        !self.programs.is_empty()
            || !self.groups.is_empty()
            || !self.oneofs.is_empty()
            || self.fields.iter().any(FieldPlan::has_own)
    }

    /// The types that it holds.
    fn nested(&self) -> impl Iterator<Item = usize> {
        self.fields.iter().flat_map(|field| field.value.nested())
    }
}

impl Plan {
    /// Takes out what checks nothing; none if nothing is left. A type that only holds itself carries no
    /// rule, so it is asked which types do, and not which don't.
    pub(super) fn pruned(mut self) -> Option<Self> {
        let mut carries: Vec<bool> = self.messages.iter().map(MessagePlan::has_own).collect();
        loop {
            let reach = |message: &MessagePlan| message.nested().any(|at| carries[at]);
            let next: Vec<bool> = self.messages.iter().map(reach).collect();
            let next: Vec<bool> = next.iter().zip(&carries).map(|(a, b)| *a || *b).collect();
            if next == carries {
                break;
            }
            carries = next;
        }
        let clear = |value: &mut ValuePlan| {
            value.nested.take_if(|at| !carries[*at]);
        };
        for field in self.messages.iter_mut().flat_map(|message| &mut message.fields) {
            let value = &mut field.value;
            clear(value);
            for items in [&mut value.items, &mut value.keys, &mut value.values] {
                items.iter_mut().for_each(|item| clear(&mut item.value));
                items.take_if(|item| item.value.is_empty());
            }
        }
        for message in &mut self.messages {
            message.fields.retain(|field| !field.is_empty());
        }
        carries.first()?.then_some(self)
    }
}
