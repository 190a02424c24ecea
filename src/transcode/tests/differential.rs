//! The transcoder against prost-reflect and serde_json, on schemas and messages made up at random.
//!
//! Schemas, messages and damage all grow from one string of bytes, so that a failing case shrinks.
//! What the oracle is known to do differently is left out where it is made: it keeps numbers that a
//! closed enum doesn't know as values, refuses a wire type that isn't the field's where protobuf
//! skips the field, takes duplicate names, and refuses quoted integers with exponents.

use proptest::{prelude::*, test_runner::RngSeed};
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, Kind, MapKey, MessageDescriptor, ReflectMessage, Value,
};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, MessageOptions, OneofDescriptorProto,
    field_descriptor_proto::{Label, Type},
};

use super::*;

/// Choices from bytes; zero when they run out.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    fn wide(&mut self) -> u64 {
        let bits = (0..8).fold(0, |bits, _| bits << 8 | u64::from(self.byte()));
        match self.below(4) {
            0 => bits,
            1 => bits >> 32,
            2 => bits >> 57,
            _ => !(bits >> 50),
        }
    }

    fn text(&mut self) -> String {
        const PIECES: [&str; 8] = ["a", "é", "\"", "\\", "\u{1}", "😀", "word ", "/"];
        let count = match self.below(8) {
            0 => 0,
            1 => 140,
            n => n,
        };
        (0..count).map(|_| PIECES[self.below(8)]).collect()
    }
}

const SCALARS: [Type; 15] = [
    Type::Double,
    Type::Float,
    Type::Int64,
    Type::Uint64,
    Type::Int32,
    Type::Fixed64,
    Type::Fixed32,
    Type::Bool,
    Type::String,
    Type::Bytes,
    Type::Uint32,
    Type::Sfixed32,
    Type::Sfixed64,
    Type::Sint32,
    Type::Sint64,
];
const MESSAGES: usize = 3;

/// A file of three messages that refer to each other, and an enum.
fn schema(choices: &mut Choices) -> FileDescriptorProto {
    let proto2 = choices.below(3) == 0;
    let value = |name: &str, number| EnumValueDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        options: None,
    };
    FileDescriptorProto {
        name: Some("random.proto".to_owned()),
        package: Some("r".to_owned()),
        syntax: Some(if proto2 { "proto2" } else { "proto3" }.to_owned()),
        message_type: (0..MESSAGES).map(|index| message(choices, index, proto2)).collect(),
        enum_type: vec![EnumDescriptorProto {
            name: Some("E".to_owned()),
            value: vec![
                value("E_ZERO", 0),
                value("E_ONE", 1),
                value("E_NEGATIVE", -1),
                value("E_FAR", 1000),
            ],
            ..EnumDescriptorProto::default()
        }],
        ..FileDescriptorProto::default()
    }
}

fn message(choices: &mut Choices, index: usize, proto2: bool) -> DescriptorProto {
    let mut message =
        DescriptorProto { name: Some(format!("M{index}")), ..DescriptorProto::default() };
    let count = if choices.below(6) == 0 { 70 } else { 1 + choices.below(12) };
    let mut number = 0;
    for place in 0..count {
        number += 1 + if choices.below(5) == 0 { choices.below(3000) as i32 } else { 0 };
        let (kind, type_name) = kind(choices);
        let mut field = FieldDescriptorProto {
            name: Some(format!(
                "{}_{place}",
                ["f", "a_long_field_name_with_words", "x"][choices.below(3)]
            )),
            number: Some(number),
            label: Some(Label::Optional.into()),
            r#type: Some(kind.into()),
            type_name,
            ..FieldDescriptorProto::default()
        };
        match choices.below(6) {
            0 | 1 => field.label = Some(Label::Repeated.into()),
            2 => map(choices, &mut message, &mut field, place),
            3 if choices.below(2) == 0 => {
                if message.oneof_decl.is_empty() {
                    let name = Some("choice".to_owned());
                    message.oneof_decl.push(OneofDescriptorProto { name, options: None });
                }
                field.oneof_index = Some(0);
            }
            4 if kind == Type::Message && proto2 => {
                // A group needs a message of its own name.
                field.r#type = Some(Type::Group.into());
                let name = format!("Group{place}");
                field.name = Some(name.to_lowercase());
                field.type_name = Some(format!(".r.M{index}.{name}"));
                message.nested_type.push(DescriptorProto {
                    name: Some(name),
                    field: vec![FieldDescriptorProto {
                        name: Some("inner".to_owned()),
                        number: Some(1),
                        label: Some(Label::Repeated.into()),
                        r#type: Some(Type::Message.into()),
                        type_name: Some(format!(".r.M{index}")),
                        ..FieldDescriptorProto::default()
                    }],
                    ..DescriptorProto::default()
                });
            }
            _ => {}
        }
        message.field.push(field);
    }
    message
}

fn kind(choices: &mut Choices) -> (Type, Option<String>) {
    match choices.below(5) {
        0 => (Type::Message, Some(format!(".r.M{}", choices.below(MESSAGES)))),
        1 => (Type::Enum, Some(".r.E".to_owned())),
        _ => (SCALARS[choices.below(SCALARS.len())], None),
    }
}

fn map(
    choices: &mut Choices,
    message: &mut DescriptorProto,
    field: &mut FieldDescriptorProto,
    place: usize,
) {
    const KEYS: [Type; 6] =
        [Type::String, Type::Int32, Type::Int64, Type::Bool, Type::Fixed64, Type::Sint32];
    // The library wants the entry's name to be the field's in camel case.
    let name = format!("M{place}Entry");
    field.name = Some(format!("m{place}"));
    let part = |name: &str, number, kind: Type, type_name| FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(kind.into()),
        type_name,
        ..FieldDescriptorProto::default()
    };
    let value = part("value", 2, field.r#type(), field.type_name.clone());
    message.nested_type.push(DescriptorProto {
        name: Some(name.clone()),
        field: vec![part("key", 1, KEYS[choices.below(KEYS.len())], None), value],
        options: Some(MessageOptions { map_entry: Some(true), ..MessageOptions::default() }),
        ..DescriptorProto::default()
    });
    field.label = Some(Label::Repeated.into());
    field.r#type = Some(Type::Message.into());
    field.type_name = Some(format!(".r.{}.{name}", message.name()));
}

fn fill(choices: &mut Choices, descriptor: &MessageDescriptor, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        if choices.below(3) == 0 {
            continue;
        }
        if field.is_map() {
            let kind = field.kind();
            let Kind::Message(entry) = &kind else { continue };
            let entries = (0..choices.below(12))
                .filter_map(|_| {
                    let key = map_key(value(choices, &entry.map_entry_key_field().kind(), depth)?)?;
                    Some((key, value(choices, &entry.map_entry_value_field().kind(), depth)?))
                })
                .collect();
            message.set_field(&field, Value::Map(entries));
        } else if field.is_list() {
            let list = (0..choices.below(5))
                .filter_map(|_| value(choices, &field.kind(), depth))
                .collect();
            message.set_field(&field, Value::List(list));
        } else if let Some(value) = value(choices, &field.kind(), depth) {
            message.set_field(&field, value);
        }
    }
    message
}

fn map_key(value: Value) -> Option<MapKey> {
    Some(match value {
        Value::String(text) => MapKey::String(text),
        Value::Bool(value) => MapKey::Bool(value),
        Value::I32(value) => MapKey::I32(value),
        Value::I64(value) => MapKey::I64(value),
        Value::U64(value) => MapKey::U64(value),
        _ => return None,
    })
}

fn value(choices: &mut Choices, kind: &Kind, depth: usize) -> Option<Value> {
    let bits = choices.wide();
    Some(match kind {
        // NaN is unequal to itself, so it can't be compared here.
        Kind::Double => {
            Value::F64(Some(f64::from_bits(bits)).filter(|value| !value.is_nan()).unwrap_or(-0.0))
        }
        Kind::Float => Value::F32(
            Some(f32::from_bits(bits as u32)).filter(|value| !value.is_nan()).unwrap_or(-0.0),
        ),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(bits as i32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(bits as i64),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(bits as u32),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(bits),
        Kind::Bool => Value::Bool(bits & 1 == 1),
        Kind::String => Value::String(choices.text()),
        Kind::Bytes => Value::Bytes(choices.text().into_bytes().into()),
        Kind::Enum(_) => Value::EnumNumber([0, 1, -1, 1000][choices.below(4)]),
        Kind::Message(_) if depth == 0 => return None,
        Kind::Message(inner) => Value::Message(fill(choices, inner, depth - 1)),
    })
}

/// A pool, its plan of `M0`, and its descriptor.
fn subject(choices: &mut Choices) -> (Plan, MessageDescriptor, bool) {
    let file = schema(choices);
    let closed = file.syntax() == "proto2";
    let mut pool = DescriptorPool::new();
    pool.add_file_descriptor_proto(file).unwrap();
    let descriptor = pool.get_message_by_name("r.M0").unwrap();
    (plans_of(&pool).message(&descriptor).unwrap(), descriptor, closed)
}

fn oracle_reads(
    descriptor: &MessageDescriptor,
    json: &[u8],
) -> Result<DynamicMessage, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let message = DynamicMessage::deserialize(descriptor.clone(), &mut deserializer)?;
    deserializer.end()?;
    Ok(message)
}

fn wire_of(plan: &Plan, json: &[u8]) -> Result<Vec<u8>, JsonError> {
    let mut out = Vec::new();
    json_to_wire(plan, &Settings::default(), usize::MAX, json, &mut out)?;
    Ok(out)
}

/// Says in JSON what differs: a message's `Debug` would print its whole pool.
fn same(left: &DynamicMessage, right: &DynamicMessage) -> Result<(), TestCaseError> {
    let text = |message| serde_json::to_string(message).unwrap();
    prop_assert!(left == right, "\n{}\n{}", text(left), text(right));
    Ok(())
}

fn has_maps(descriptor: &MessageDescriptor) -> bool {
    let file = descriptor.parent_file();
    file.messages().any(|message| message.fields().any(|field| field.is_map()))
}

fn same_wire(wire: &[u8], right: &DynamicMessage) -> Result<(), TestCaseError> {
    same(&DynamicMessage::decode(right.descriptor(), wire).unwrap(), right)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 250,
        failure_persistence: None,
        // The same cases each time: what nobody has seen is looked for by the fuzzers.
        rng_seed: RngSeed::Fixed(20_261_121),
        ..ProptestConfig::default()
    })]

    #[test]
    fn messages_go_both_ways_as_the_oracle_says(bytes in proptest::collection::vec(any::<u8>(), 0..4000)) {
        let mut choices = Choices(&bytes);
        let (plan, descriptor, _) = subject(&mut choices);
        let wire = fill(&mut choices, &descriptor, 3).encode_to_vec();
        // Read back, since an empty list that was set is not equal to one that wasn't.
        let message = DynamicMessage::decode(descriptor.clone(), &wire[..]).unwrap();

        let json = to_json(&plan, &wire).unwrap();
        same(&oracle_reads(&descriptor, json.as_bytes()).unwrap(), &message)?;
        same_wire(&wire_of(&plan, json.as_bytes()).unwrap(), &message)?;

        let theirs = serde_json::to_string_pretty(&message).unwrap();
        same_wire(&wire_of(&plan, theirs.as_bytes()).unwrap(), &message)?;

        let mut canonical = Vec::new();
        wire_to_wire(&plan, &Settings::default(), usize::MAX, &wire, &mut canonical).unwrap();
        same_wire(&canonical, &message)?;
    }

    #[test]
    fn pieces_merge_as_the_oracle_says(bytes in proptest::collection::vec(any::<u8>(), 0..4000)) {
        let mut choices = Choices(&bytes);
        let (plan, descriptor, _) = subject(&mut choices);
        let mut wire = Vec::new();
        for _ in 0..2 + choices.below(3) {
            wire.extend(fill(&mut choices, &descriptor, 2).encode_to_vec());
        }
        let merged = DynamicMessage::decode(descriptor.clone(), &wire[..]).unwrap();
        let json = to_json(&plan, &wire).unwrap();
        same(&oracle_reads(&descriptor, json.as_bytes()).unwrap(), &merged)?;
        let mut canonical = Vec::new();
        wire_to_wire(&plan, &Settings::default(), usize::MAX, &wire, &mut canonical).unwrap();
        same_wire(&canonical, &merged)?;
    }

    #[test]
    fn damaged_wire_bytes_mean_what_the_oracle_says(
        bytes in proptest::collection::vec(any::<u8>(), 0..3000),
        damage in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..4),
    ) {
        let mut choices = Choices(&bytes);
        let (plan, descriptor, closed) = subject(&mut choices);
        let mut wire = fill(&mut choices, &descriptor, 2).encode_to_vec();
        for (at, byte) in damage {
            let length = wire.len().max(1);
            if let Some(slot) = wire.get_mut(usize::from(at) % length) {
                *slot = byte;
            }
        }
        let ours = to_json(&plan, &wire);
        // The oracle reads a map's entries whatever their wire type, the end of a group included.
        let comparable = !closed && !has_maps(&descriptor);
        if let Ok(message) = DynamicMessage::decode(descriptor.clone(), &wire[..])
            && comparable
        {
            let json = ours.unwrap();
            // Through the oracle's JSON, in which a NaN is equal to a NaN.
            let read = oracle_reads(&descriptor, json.as_bytes()).unwrap();
            prop_assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::to_value(&message).unwrap());
        }
    }

    #[test]
    fn damaged_json_is_taken_only_where_the_oracle_takes_it(
        bytes in proptest::collection::vec(any::<u8>(), 0..2000),
        damage in proptest::collection::vec((any::<u16>(), 0usize..25), 1..4),
    ) {
        const MARKS: &[u8; 25] = b"{}[]\",:\\0123456789.-eEu \n";
        let mut choices = Choices(&bytes);
        let (plan, descriptor, closed) = subject(&mut choices);
        let message = fill(&mut choices, &descriptor, 2);
        let mut json = serde_json::to_vec(&message).unwrap();
        for (at, mark) in damage {
            let at = usize::from(at) % json.len();
            json[at] = MARKS[mark];
        }
        let exponent_in_quotes = json.contains(&b'e') || json.contains(&b'E');
        if let Ok(wire) = wire_of(&plan, &json) {
            let ours = DynamicMessage::decode(descriptor.clone(), &wire[..]).unwrap();
            match oracle_reads(&descriptor, &json) {
                Ok(theirs) => prop_assert_eq!(
                    serde_json::to_value(&ours).unwrap(),
                    serde_json::to_value(&theirs).unwrap()
                ),
                Err(error) => prop_assert!(
                    exponent_in_quotes || closed,
                    "{} {}", error, String::from_utf8_lossy(&json)
                ),
            }
        }
    }
}
