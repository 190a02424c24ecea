//! Rules as a schema writes them, read out of its options: the messages of `buf/validate/validate.proto`.
//!
//! Their fields are asked for by name, for the file is the schema's own, of whatever version it is.

use std::sync::Arc;

use prost_reflect::{
    DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage,
    Value,
};

use super::{
    plan::{AnyPlan, Group},
    program::Program,
    values::is_wrapper,
    violation::{Place, Step},
};

/// What is wrong is a sentence.
pub(super) type Compiled<T> = Result<T, String>;

/// Numbers of `buf.validate.Ignore`.
pub(super) const IGNORE_IF_ZERO: i32 = 1;
pub(super) const IGNORE_ALWAYS: i32 = 3;

/// The rules that options hold.
pub(super) fn rules(
    options: &DynamicMessage,
    extension: Option<&ExtensionDescriptor>,
) -> Option<DynamicMessage> {
    let extension = extension.filter(|extension| options.has_extension(extension))?;
    options.get_extension(extension).as_message().cloned()
}

/// Whether a part of some rules is switched on.
pub(super) fn has(rules: &DynamicMessage, name: &str) -> bool {
    rules.get_field_by_name(name).is_some_and(|value| value.as_bool() == Some(true))
}

/// A part of some rules, if it is set.
pub(super) fn part(rules: &DynamicMessage, name: &str) -> Option<Value> {
    rules.has_field_by_name(name).then(|| rules.get_field_by_name(name))?.map(|v| v.into_owned())
}

/// The step to a part of some rules.
pub(super) fn step(rules: &DynamicMessage, name: &str) -> Vec<Step> {
    rules.descriptor().get_field_by_name(name).iter().map(Step::field).collect()
}

/// The `cel` and `cel_expression` of some rules. Rules of messages have no path.
pub(super) fn own_programs(
    rules: &DynamicMessage,
    prefix: Option<&[Step]>,
) -> Compiled<Vec<Program>> {
    let mut programs = Vec::new();
    for name in ["cel_expression", "cel"] {
        let Some(field) = rules.descriptor().get_field_by_name(name) else { continue };
        let list = rules.get_field(&field);
        for (index, rule) in list.as_list().unwrap_or_default().iter().enumerate() {
            let step = Step::field(&field).at(Place::Index(index));
            let path = prefix.map(|prefix| [prefix, &[step]].concat()).unwrap_or_default();
            programs.push(match (rule.as_message(), rule.as_str()) {
                (Some(rule), _) => program(rule, path, None)?,
                (None, source) => {
                    let source = source.unwrap_or_default();
                    Program::compile(source, "", source, path, None)?
                }
            });
        }
    }
    Ok(programs)
}

/// One `cel` rule.
pub(super) fn program(
    rule: &DynamicMessage,
    path: Vec<Step>,
    variables: Option<(Arc<Value>, Arc<DynamicMessage>)>,
) -> Compiled<Program> {
    let text = |name: &str| {
        let value = rule.get_field_by_name(name);
        value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    };
    Program::compile(&text("id"), &text("message"), &text("expression"), path, variables)
}

/// What an expression asks a message for has to be there.
pub(super) fn check_fields(message: &MessageDescriptor, program: &Program) -> Compiled<()> {
    if message.full_name().starts_with("google.protobuf.") {
        return Ok(());
    }
    for path in program.fields_of_this() {
        let mut inside = Some(message.clone());
        for name in path {
            let Some(message) = inside else { break };
            let Some(field) = message.get_field_by_name(&name) else {
                let message = message.full_name();
                return Err(format!(
                    "the rule `{}`: `{message}` has no field `{name}`",
                    program.id
                ));
            };
            let is_single = !field.is_list() && !field.is_map();
            inside = field.kind().as_message().filter(|_| is_single).cloned();
            inside = inside.filter(|one| !one.full_name().starts_with("google.protobuf."));
        }
    }
    Ok(())
}

/// The oneofs that a message's rules make of its fields.
pub(super) fn groups(message: &MessageDescriptor, rules: &DynamicMessage) -> Compiled<Vec<Group>> {
    let Some(list) = part(rules, "oneof") else { return Ok(Vec::new()) };
    let list = list.as_list().unwrap_or_default();
    let group = |one: &Value| {
        let rule = one.as_message().ok_or("a oneof without rules")?;
        let names = part(rule, "fields").ok_or("a oneof of no fields")?;
        let mut fields: Vec<FieldDescriptor> = Vec::new();
        for name in names.as_list().unwrap_or_default().iter().filter_map(Value::as_str) {
            let field = message.get_field_by_name(name);
            let field =
                field.ok_or_else(|| format!("a oneof names `{name}`, which is no field"))?;
            if fields.contains(&field) {
                return Err(format!("a oneof names `{name}` twice"));
            }
            fields.push(field);
        }
        Ok(Group { fields, is_required: has(rule, "required") })
    };
    list.iter().map(group).collect()
}

/// Which types the rules let an `Any` hold.
pub(super) fn any(rules: &DynamicMessage, prefix: &[Step]) -> Option<AnyPlan> {
    let inner = part(rules, "any")?;
    let inner = inner.as_message()?;
    let names = |name: &str| -> Vec<String> {
        let list = inner.get_field_by_name(name);
        let list = list.iter().flat_map(|list| list.as_list().unwrap_or_default());
        list.filter_map(|one| one.as_str().map(str::to_owned)).collect()
    };
    let path = |name: &str| [prefix, &step(rules, "any"), &step(inner, name)].concat();
    let (allowed, denied) = (names("in"), names("not_in"));
    Some(AnyPlan { allowed, denied, allowed_path: path("in"), denied_path: path("not_in") })
}

/// When the rules don't hold: a number of `buf.validate.Ignore`.
pub(super) fn ignore(rules: &DynamicMessage) -> i32 {
    rules.get_field_by_name("ignore").and_then(|value| value.as_enum_number()).unwrap_or(0)
}

/// The full name of a message's type; empty for every other.
pub(super) fn message_name(kind: &Kind) -> &str {
    kind.as_message().map_or("", MessageDescriptor::full_name)
}

/// The rules that fit a type; for a wrapper those of what it wraps.
pub(super) fn type_name(kind: &Kind) -> String {
    let name = match kind {
        Kind::Double => "double",
        Kind::Float => "float",
        Kind::Int32 => "int32",
        Kind::Int64 => "int64",
        Kind::Uint32 => "uint32",
        Kind::Uint64 => "uint64",
        Kind::Sint32 => "sint32",
        Kind::Sint64 => "sint64",
        Kind::Fixed32 => "fixed32",
        Kind::Fixed64 => "fixed64",
        Kind::Sfixed32 => "sfixed32",
        Kind::Sfixed64 => "sfixed64",
        Kind::Bool => "bool",
        Kind::String => "string",
        Kind::Bytes => "bytes",
        Kind::Enum(_) => "enum",
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Any" => "any",
            "google.protobuf.Duration" => "duration",
            "google.protobuf.Timestamp" => "timestamp",
            "google.protobuf.FieldMask" => "field_mask",
            name if is_wrapper(name) => {
                let wrapped = message.get_field_by_name("value");
                return wrapped.map(|field| type_name(&field.kind())).unwrap_or_default();
            }
            _ => "",
        },
    };
    name.to_owned()
}
