//! Compiles a path against a message's type: once, so that reading asks no descriptor.

use prost_reflect::{
    EnumDescriptor, FieldDescriptor, Kind as Type, MessageDescriptor, Syntax, Value as Reflected,
};

use super::{Default, Element, Field, Kind, Label, Leaf, PathError, Step};
use crate::transcode::plan;

impl Field {
    /// The field at a path such as `shelf.owner.id`, by proto or JSON names. What stands on the way
    /// has to be single messages.
    ///
    /// # Errors
    /// There is no such field, or it lies inside of something that isn't one message.
    pub fn compile(message: &MessageDescriptor, path: &str) -> Result<Self, PathError> {
        let names: Vec<&str> = path.split('.').collect();
        Self::compile_names(message, &names)
    }

    /// The same with the names apart.
    ///
    /// # Errors
    /// As [`Self::compile`].
    pub fn compile_names(message: &MessageDescriptor, names: &[&str]) -> Result<Self, PathError> {
        let mut inside = message.clone();
        let mut steps = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            let field = named(&inside, name)?;
            steps.push(step(&field));
            if index + 1 == names.len() {
                return Ok(Self { steps: steps.into(), leaf: leaf(&field) });
            }
            inside = enter(&field)?;
        }
        Err(PathError("a path has at least one name".into()))
    }
}

/// The number of an enum's value by the value's full name, `library.Kind.KIND_NOVEL` or
/// `library.KIND_NOVEL`, among the types that a message's schema knows.
pub fn enum_number(message: &MessageDescriptor, full_name: &str) -> Option<i32> {
    let (scope, name) = full_name.rsplit_once('.')?;
    let pool = message.parent_pool();
    if let Some(found) = pool.get_enum_by_name(scope) {
        return Some(found.get_value_by_name(name)?.number());
    }
    // A value is a sibling of its enum, too.
    let mut siblings = pool
        .all_enums()
        .filter(|one| one.full_name().rsplit_once('.').is_some_and(|(parent, _)| parent == scope));
    siblings.find_map(|one| Some(one.get_value_by_name(name)?.number()))
}

fn named(message: &MessageDescriptor, name: &str) -> Result<FieldDescriptor, PathError> {
    let by_name = || message.get_field_by_name(name);
    by_name().or_else(|| message.get_field_by_json_name(name)).ok_or_else(|| {
        let fields = message.fields();
        let distance = |field: &FieldDescriptor| strsim::damerau_levenshtein(name, field.name());
        let nearest = fields.min_by_key(distance);
        let mend = match nearest.filter(|field| distance(field) <= (name.len() / 3).max(1)) {
            Some(field) => format!("; did you mean `{}`?", field.name()),
            None => {
                let names: Vec<_> = message.fields().map(|f| format!("`{}`", f.name())).collect();
                match names.is_empty() {
                    true => "; it has none".to_owned(),
                    false => format!("; it has {}", names.join(", ")),
                }
            }
        };
        PathError(format!("`{}` has no field `{name}`{mend}", message.full_name()))
    })
}

fn enter(field: &FieldDescriptor) -> Result<MessageDescriptor, PathError> {
    match field.kind() {
        Type::Message(inside) if !field.is_list() && !field.is_map() => Ok(inside),
        _ => {
            let name = field.full_name();
            let message =
                format!("`{name}` is not one message, so that no field lies inside of it");
            Err(PathError(message))
        }
    }
}

fn step(field: &FieldDescriptor) -> Step {
    let oneof = field.containing_oneof();
    let members = oneof.iter().flat_map(|oneof| oneof.fields());
    let rivals = members.filter(|other| other.number() != field.number());
    let rivals = rivals.map(|other| (other.number(), kind(&other).wire())).collect();
    Step { number: field.number(), wire: kind(field).wire(), rivals }
}

fn leaf(field: &FieldDescriptor) -> Leaf {
    let entry = field.kind();
    let entry = entry.as_message().filter(|_| field.is_map());
    let (element, key, label) = match entry {
        Some(entry) => {
            let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
            (element(&value), Some(element(&key)), Label::Map)
        }
        None if field.is_list() => (element(field), None, Label::List),
        None => (element(field), None, Label::One),
    };
    let default = if label == Label::One { default(field) } else { Default::Nothing };
    Leaf { label, element, key, has_presence: field.supports_presence(), default }
}

fn element(field: &FieldDescriptor) -> Element {
    let told = match field.kind() {
        Type::Bool => Kind::Bool,
        Type::Int32 | Type::Int64 | Type::Sint32 | Type::Sint64 => Kind::Int,
        Type::Sfixed32 | Type::Sfixed64 => Kind::Int,
        Type::Uint32 | Type::Uint64 | Type::Fixed32 | Type::Fixed64 => Kind::Uint,
        Type::Double | Type::Float => Kind::Double,
        Type::String => Kind::Text,
        Type::Bytes => Kind::Bytes,
        Type::Enum(one) => Kind::Enum(one.full_name().to_owned()),
        Type::Message(one) => Kind::Message(one.full_name().to_owned()),
    };
    let closed = field.kind().as_enum().and_then(closed);
    Element { kind: kind(field), told, closed }
}

/// The numbers of an enum that may be closed. What parsers make of another number differs: some
/// keep it, some keep the value before it.
fn closed(one: &EnumDescriptor) -> Option<Box<[i32]>> {
    let may_be = one.parent_file().syntax() == Syntax::Proto2;
    // The default goes first: it stands for a number that isn't told.
    let first = one.default_value().number();
    may_be.then(|| std::iter::once(first).chain(one.values().map(|value| value.number())).collect())
}

fn kind(field: &FieldDescriptor) -> plan::Kind {
    match field.kind() {
        Type::Double => plan::Kind::Double,
        Type::Float => plan::Kind::Float,
        Type::Int32 => plan::Kind::Int32,
        Type::Int64 => plan::Kind::Int64,
        Type::Uint32 => plan::Kind::Uint32,
        Type::Uint64 => plan::Kind::Uint64,
        Type::Sint32 => plan::Kind::Sint32,
        Type::Sint64 => plan::Kind::Sint64,
        Type::Fixed32 => plan::Kind::Fixed32,
        Type::Fixed64 => plan::Kind::Fixed64,
        Type::Sfixed32 => plan::Kind::Sfixed32,
        Type::Sfixed64 => plan::Kind::Sfixed64,
        Type::Bool => plan::Kind::Bool,
        Type::String => plan::Kind::String,
        Type::Bytes => plan::Kind::Bytes,
        Type::Enum(_) => plan::Kind::Enum,
        Type::Message(_) if field.is_group() => plan::Kind::Group,
        Type::Message(_) => plan::Kind::Message,
    }
}

fn default(field: &FieldDescriptor) -> Default {
    match field.default_value() {
        Reflected::Bool(value) => Default::Bool(value),
        Reflected::I32(value) => Default::Int(value.into()),
        Reflected::I64(value) => Default::Int(value),
        Reflected::U32(value) => Default::Uint(value.into()),
        Reflected::U64(value) => Default::Uint(value),
        Reflected::F32(value) => Default::Double(value.into()),
        Reflected::F64(value) => Default::Double(value),
        Reflected::String(value) => Default::Text(value.into()),
        Reflected::Bytes(value) => Default::Bytes(value.to_vec().into()),
        Reflected::EnumNumber(value) => Default::Enum(value),
        Reflected::Message(_) | Reflected::List(_) | Reflected::Map(_) => Default::Nothing,
    }
}
