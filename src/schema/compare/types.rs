//! Messages and enums whose parts are gone or mean something else.

use std::collections::{HashMap, HashSet};

use prost_reflect::{
    Cardinality, EnumDescriptor, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor,
};

use super::{methods::Reached, note};
use crate::problem::Problem;

/// Compares the messages, and every type that they reach.
pub(super) fn compare(mut messages: Reached, problems: &mut Vec<Problem>) {
    messages.reverse();
    let mut seen = HashSet::new();
    while let Some((old, new)) = messages.pop() {
        if !seen.insert(old.full_name().to_owned()) {
            continue;
        }
        let mut reached = Vec::new();
        let mut same = compare_fields(&old, &new, problems);
        same.extend(compare_extensions(&old, &new, problems));
        for (before, now) in same {
            match (before, now) {
                (Kind::Message(before), Kind::Message(now)) => reached.push((before, now)),
                (Kind::Enum(before), Kind::Enum(now))
                    if seen.insert(before.full_name().to_owned()) =>
                {
                    compare_values(&before, &now, problems);
                }
                _ => {}
            }
        }
        // In the order of the fields: the last is taken first.
        messages.extend(reached.into_iter().rev());
    }
}

/// Compares the fields of a message; gives the kinds of those that are of the same type.
fn compare_fields(
    old: &MessageDescriptor,
    new: &MessageDescriptor,
    problems: &mut Vec<Problem>,
) -> Vec<(Kind, Kind)> {
    let mut same = Vec::new();
    for field in old.fields() {
        let number = field.number();
        let Some(now) = new.get_field(number) else {
            let message = match new.get_field_by_name(field.name()) {
                Some(now) => format!("the field's number was {number} and is {}", now.number()),
                None => "the field is gone".into(),
            };
            note(problems, field.full_name(), message);
            continue;
        };
        same.extend(compare_field(&field, &now, problems));
    }
    for field in new.fields() {
        let is_new = old.get_field(field.number()).is_none();
        if is_new && field.cardinality() == Cardinality::Required {
            note(problems, field.full_name(), "a required field is new".into());
        }
    }
    same
}

/// The same for the fields that others add to a message (proto2's extensions), which callers know by
/// their full names: those are also their JSON names.
fn compare_extensions(
    old: &MessageDescriptor,
    new: &MessageDescriptor,
    problems: &mut Vec<Problem>,
) -> Vec<(Kind, Kind)> {
    let numbers: HashMap<String, u32> =
        new.extensions().map(|now| (now.full_name().to_owned(), now.number())).collect();
    let mut same = Vec::new();
    for extension in old.extensions() {
        let (place, number) = (extension.full_name(), extension.number());
        match (numbers.get(place), new.get_extension(number)) {
            (_, Some(now)) => same.extend(compare_extension(&extension, &now, problems)),
            (Some(now), None) => {
                note(problems, place, format!("the extension's number was {number} and is {now}"));
            }
            (None, None) => note(problems, place, "the extension is gone".into()),
        }
    }
    same
}

fn compare_extension(
    old: &ExtensionDescriptor,
    new: &ExtensionDescriptor,
    problems: &mut Vec<Problem>,
) -> Option<(Kind, Kind)> {
    let place = old.full_name();
    if place != new.full_name() {
        let message = format!("the extension's number is that of `{}` now", new.full_name());
        note(problems, place, message);
    }
    let (was, is) = (label(old.cardinality(), false), label(new.cardinality(), false));
    if was != is {
        note(problems, place, format!("the extension was {was} and is {is}"));
    }
    let (before, now) = (old.kind(), new.kind());
    let was = type_name(&before, false, old.is_group());
    let is = type_name(&now, false, new.is_group());
    if was != is {
        note(problems, place, format!("the type was `{was}` and is `{is}`"));
        return None;
    }
    Some((before, now))
}

fn compare_field(
    old: &FieldDescriptor,
    new: &FieldDescriptor,
    problems: &mut Vec<Problem>,
) -> Option<(Kind, Kind)> {
    let place = old.full_name();
    if old.name() != new.name() {
        let (was, is) = (old.name(), new.name());
        note(problems, place, format!("the field was named `{was}` and is named `{is}`"));
    } else if old.json_name() != new.json_name() {
        let (was, is) = (old.json_name(), new.json_name());
        note(problems, place, format!("the JSON name was `{was}` and is `{is}`"));
    }
    let (was, is) =
        (label(old.cardinality(), old.is_map()), label(new.cardinality(), new.is_map()));
    if was != is {
        note(problems, place, format!("the field was {was} and is {is}"));
    }
    let (was, is) = (oneof(old), oneof(new));
    if was != is {
        let place_of = |oneof: Option<String>| {
            oneof.map_or("in no oneof".to_owned(), |oneof| format!("in the oneof `{oneof}`"))
        };
        let (was, is) = (place_of(was), place_of(is));
        note(problems, place, format!("the field was {was} and is {is}"));
    }
    let (before, now) = (old.kind(), new.kind());
    let was = type_name(&before, old.is_map(), old.is_group());
    let is = type_name(&now, new.is_map(), new.is_group());
    if was != is {
        note(problems, place, format!("the type was `{was}` and is `{is}`"));
        return None;
    }
    Some((before, now))
}

fn label(cardinality: Cardinality, is_map: bool) -> &'static str {
    match cardinality {
        _ if is_map => "a map",
        Cardinality::Repeated => "repeated",
        Cardinality::Required => "required",
        Cardinality::Optional => "singular",
    }
}

/// The oneof of a field, if somebody wrote one.
fn oneof(field: &FieldDescriptor) -> Option<String> {
    let oneof = field.containing_oneof()?;
    (!oneof.is_synthetic()).then(|| oneof.name().to_owned())
}

fn type_name(kind: &Kind, is_map: bool, is_group: bool) -> String {
    match kind {
        // The entry of a map is named after its field, which may have another name now.
        Kind::Message(_) if is_map => "map".into(),
        Kind::Message(message) if is_group => format!("group {}", message.full_name()),
        Kind::Message(message) => message.full_name().into(),
        Kind::Enum(values) => values.full_name().into(),
        scalar => format!("{scalar:?}").to_lowercase(),
    }
}

fn compare_values(old: &EnumDescriptor, new: &EnumDescriptor, problems: &mut Vec<Problem>) {
    // One pass each: looking a name up in the descriptor walks all of them.
    let numbers: HashMap<String, i32> =
        new.values().map(|value| (value.name().to_owned(), value.number())).collect();
    let names: HashMap<i32, String> =
        new.values().map(|value| (value.number(), value.name().to_owned())).collect();
    for value in old.values() {
        let (name, number) = (value.name(), value.number());
        match (numbers.get(name), names.get(&number)) {
            (Some(now), _) if *now == number => {}
            (Some(now), _) => {
                let message = format!("the value's number was {number} and is {now}");
                note(problems, value.full_name(), message);
            }
            (None, Some(now)) => {
                let message = format!("the value was named `{name}` and is named `{now}`");
                note(problems, value.full_name(), message);
            }
            (None, None) => note(problems, value.full_name(), "the value is gone".into()),
        }
    }
}
