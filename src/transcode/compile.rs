//! Descriptors to plans, once a schema.

use std::{collections::HashMap, sync::Arc};

use prost_reflect::{
    DescriptorPool, EnumDescriptor, ExtensionDescriptor, FieldDescriptor, Kind as Type,
    MessageDescriptor,
};

use super::{names::Names, plan::*};
use crate::schema::{Features, Presence};

impl Plans {
    /// Compiles all message types of a pool: a few microseconds each.
    pub fn compile(pool: &DescriptorPool, features: &Features) -> Self {
        let messages: Vec<_> = pool.all_messages().collect();
        let enums: Vec<_> = pool.all_enums().collect();
        let compiler = Compiler {
            features,
            messages: places(messages.iter().map(MessageDescriptor::full_name)),
            enums: places(enums.iter().map(EnumDescriptor::full_name)),
        };
        let by_name = messages.iter().zip(0..).map(|(m, index)| (m.full_name().into(), index));
        Self(Arc::new(Table {
            by_name: Names::new(by_name),
            messages: messages.iter().map(|message| compiler.message(message)).collect(),
            enums: enums.iter().map(|descriptor| compiler.enumeration(descriptor)).collect(),
        }))
    }
}

fn places<'a>(names: impl Iterator<Item = &'a str>) -> HashMap<String, u32> {
    names.map(str::to_owned).zip(0..).collect()
}

struct Compiler<'a> {
    features: &'a Features,
    messages: HashMap<String, u32>,
    enums: HashMap<String, u32>,
}

impl Compiler<'_> {
    fn message(&self, message: &MessageDescriptor) -> MessagePlan {
        let oneofs: Vec<_> = message.oneofs().filter(|oneof| !oneof.is_synthetic()).collect();
        let count = (message.fields().len() + message.extensions().len()) as u32;
        let oneof_bits: HashMap<String, u32> =
            oneofs.iter().map(|oneof| oneof.name().to_owned()).zip(count..).collect();
        let mut fields: Vec<_> =
            declared(message).iter().map(|field| self.field(field, &oneof_bits)).collect();
        let shape = shape(message);
        fields.extend(message.extensions().map(|extension| self.extension(&extension, shape)));
        let mut by_number: Vec<usize> = (0..fields.len()).collect();
        by_number.sort_unstable_by_key(|&place| fields[place].plan.number);
        for (place, field) in fields.iter_mut().enumerate() {
            field.plan.index = place as u32;
        }
        for pair in by_number.windows(2) {
            fields[pair[0]].plan.next_on_wire = pair[1] as u32;
        }
        let json_names = fields.iter().zip(0..).map(|(f, index)| (f.json_name.clone(), index));
        let proto_names = fields.iter().zip(0..).map(|(f, index)| (f.plan.name.clone(), index));
        MessagePlan {
            name: message.full_name().into(),
            shape,
            oneofs: oneofs.iter().map(|oneof| oneof.name().into()).collect(),
            bits: count + oneofs.len() as u32,
            required: (0..)
                .zip(&fields)
                .filter(|(_, f)| f.required)
                .map(|(index, _)| index)
                .collect(),
            names: Names::new(json_names.chain(proto_names)),
            numbers: Numbers::new(fields.iter().zip(0..).map(|(f, index)| (f.plan.number, index))),
            first_on_wire: by_number.first().map_or(NONE, |place| *place as u32),
            fields: fields.into_iter().map(|field| field.plan).collect(),
        }
    }

    fn field(&self, field: &FieldDescriptor, oneof_bits: &HashMap<String, u32>) -> Named {
        let presence = self.features.presence(field);
        let mut plan = self.plan(
            field.kind(),
            field.number(),
            self.features.is_delimited(field),
            (field.is_list(), field.is_map()),
            self.features.is_packed(field),
        );
        plan.implicit = plan.label == Label::Single
            && !plan.kind.is_message()
            && presence == Presence::Implicit
            && field.containing_oneof().is_none();
        plan.utf8 = self.features.validates_utf8(field);
        plan.oneof = field
            .containing_oneof()
            .and_then(|oneof| oneof_bits.get(oneof.name()).copied())
            .unwrap_or(NONE);
        plan.name = field.name().into();
        plan.pattern = Pattern::new(field.json_name());
        plan.keys = [Key::of_field(field.json_name()), Key::of_field(field.name())];
        let required = presence == Presence::Required && plan.label == Label::Single;
        Named { plan, json_name: field.json_name().into(), required }
    }

    fn extension(&self, extension: &ExtensionDescriptor, holder: Shape) -> Named {
        let mut plan = self.plan(
            extension.kind(),
            extension.number(),
            self.features.is_delimited(extension),
            (extension.is_list(), extension.is_map()),
            self.features.is_packed(extension),
        );
        let name = format!("[{}]", extension.full_name());
        plan.utf8 = self.features.validates_utf8(extension);
        plan.pattern = Pattern::new(&name);
        plan.keys = [Key::of_field(&name), Key::of_field(&name)];
        plan.name = name.clone().into();
        plan.in_set = holder == Shape::MessageSet && plan.kind == Kind::Message;
        if plan.in_set {
            // The item's group, its type_id, and the tag of its message.
            let mut item = vec![0x0b, 0x10];
            prost::encoding::encode_varint(plan.number.into(), &mut item);
            item.push(0x1a);
            plan.tag_len = item.len() as u8;
            item.resize(8, 0);
            plan.tag_bytes.copy_from_slice(&item);
        }
        Named { plan, json_name: name.into(), required: false }
    }

    fn plan(
        &self,
        kind: Type,
        number: u32,
        delimited: bool,
        (list, map): (bool, bool),
        packed: bool,
    ) -> FieldPlan {
        let target = match &kind {
            Type::Message(message) => self.messages.get(message.full_name()).copied(),
            Type::Enum(descriptor) => self.enums.get(descriptor.full_name()).copied(),
            _ => None,
        };
        let kind = self.kind(kind, delimited && !map);
        let packed = packed && list && kind.is_packable();
        let tag = number << 3 | if packed { 2 } else { kind.wire() };
        let mut encoded = Vec::with_capacity(8);
        prost::encoding::encode_varint(tag.into(), &mut encoded);
        let tag_len = encoded.len() as u8;
        encoded.resize(8, 0);
        let mut tag_bytes = [0; 8];
        tag_bytes.copy_from_slice(&encoded);
        FieldPlan {
            pattern: Pattern::new(""),
            keys: [Key::new(b""), Key::new(b"")],
            tag_bytes,
            tag_len,
            kind,
            label: if map {
                Label::Map
            } else if list {
                Label::List
            } else {
                Label::Single
            },
            packed,
            implicit: false,
            in_set: false,
            utf8: false,
            tag,
            number,
            index: NONE,
            oneof: NONE,
            target: target.unwrap_or(NONE),
            next_on_wire: NONE,
            name: Box::default(),
        }
    }

    fn kind(&self, kind: Type, delimited: bool) -> Kind {
        match kind {
            Type::Double => Kind::Double,
            Type::Float => Kind::Float,
            Type::Int32 => Kind::Int32,
            Type::Int64 => Kind::Int64,
            Type::Uint32 => Kind::Uint32,
            Type::Uint64 => Kind::Uint64,
            Type::Sint32 => Kind::Sint32,
            Type::Sint64 => Kind::Sint64,
            Type::Fixed32 => Kind::Fixed32,
            Type::Fixed64 => Kind::Fixed64,
            Type::Sfixed32 => Kind::Sfixed32,
            Type::Sfixed64 => Kind::Sfixed64,
            Type::Bool => Kind::Bool,
            Type::String => Kind::String,
            Type::Bytes => Kind::Bytes,
            Type::Enum(_) => Kind::Enum,
            Type::Message(_) if delimited => Kind::Group,
            Type::Message(_) => Kind::Message,
        }
    }

    fn enumeration(&self, descriptor: &EnumDescriptor) -> EnumPlan {
        // The library sorts values by number; the default and the name of an alias go by declaration.
        let declared = &descriptor.enum_descriptor_proto().value;
        let mut values: Vec<(i32, Key)> = Vec::new();
        let mut known = std::collections::HashSet::new();
        for value in declared {
            if known.insert(value.number()) {
                let quoted = serde_json::Value::from(value.name()).to_string();
                values.push((value.number(), Key::new(quoted.as_bytes())));
            }
        }
        values.sort_by_key(|(number, _)| *number);
        let names = declared.iter().map(|value| (value.name().into(), value.number() as u32));
        EnumPlan {
            name: descriptor.full_name().into(),
            closed: self.features.is_closed(descriptor),
            null: descriptor.full_name() == "google.protobuf.NullValue",
            default: declared.first().map_or(0, |value| value.number()),
            names: Names::new(names),
            values: values.into(),
        }
    }
}

/// A field's plan with what only the message's tables need.
struct Named {
    plan: FieldPlan,
    json_name: Box<str>,
    required: bool,
}

/// The fields in the order of the .proto file, which is the order that writers of JSON tend to keep.
fn declared(message: &MessageDescriptor) -> Vec<FieldDescriptor> {
    let proto = message.descriptor_proto();
    proto
        .field
        .iter()
        .filter_map(|field| message.get_field(u32::try_from(field.number()).ok()?))
        .collect()
}

fn shape(message: &MessageDescriptor) -> Shape {
    let options = message.descriptor_proto().options.as_ref();
    if options.is_some_and(|options| options.message_set_wire_format()) {
        return Shape::MessageSet;
    }
    let Some(name) = message.full_name().strip_prefix("google.protobuf.") else {
        return Shape::Plain;
    };
    match name {
        "Any" => Shape::Any,
        "Timestamp" => Shape::Timestamp,
        "Duration" => Shape::Duration,
        "FieldMask" => Shape::FieldMask,
        "Struct" if only_field(message, FieldDescriptor::is_map) => Shape::Struct,
        "Value" if message.oneofs().len() == 1 => Shape::Value,
        "ListValue" if only_field(message, FieldDescriptor::is_list) => Shape::ListValue,
        "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value"
        | "UInt32Value" | "BoolValue" | "StringValue" | "BytesValue"
            if only_field(message, |field| field.number() == 1 && !field.is_list()) =>
        {
            Shape::Wrapper
        }
        _ => Shape::Plain,
    }
}

/// Whether the message has one field, and it's as it should be: a pool may bring its own idea of
/// the well-known types, and then they are as plain as any other.
fn only_field(message: &MessageDescriptor, test: impl Fn(&FieldDescriptor) -> bool) -> bool {
    message.fields().len() == 1 && message.fields().all(|field| test(&field))
}
