//! The program that protovalidate's conformance harness talks to: one request on stdin, one response
//! on stdout. A request is a descriptor set and messages of its types.
//!
//! Schemas are built and rules compiled and checked as they are for the `validate` policy.

use std::{
    collections::HashMap,
    error::Error,
    io::{self, Read, Write},
};

use prost::Message;
use prost_reflect::{Kind, MapKey};
use transom::{
    schema::Schema,
    stage::validate::{self, Name, Place, Rules, Settings, Step},
};

/// harness.TestConformanceRequest.
#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(bytes = "vec", tag = "2")]
    fdset: Vec<u8>,
    #[prost(map = "string, message", tag = "3")]
    cases: HashMap<String, Any>,
}

#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// harness.TestConformanceResponse.
#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(map = "string, message", tag = "1")]
    results: HashMap<String, Outcome>,
}

/// harness.TestResult.
#[derive(Clone, PartialEq, Message)]
struct Outcome {
    #[prost(oneof = "Told", tags = "1, 2, 3, 4, 5")]
    result: Option<Told>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Told {
    #[prost(bool, tag = "1")]
    Success(bool),
    #[prost(message, tag = "2")]
    ValidationError(Violations),
    #[prost(string, tag = "3")]
    CompilationError(String),
    #[prost(string, tag = "4")]
    RuntimeError(String),
    #[prost(string, tag = "5")]
    UnexpectedError(String),
}

/// buf.validate.Violations.
#[derive(Clone, PartialEq, Message)]
struct Violations {
    #[prost(message, repeated, tag = "1")]
    violations: Vec<Violation>,
}

#[derive(Clone, PartialEq, Message)]
struct Violation {
    #[prost(message, optional, tag = "5")]
    field: Option<FieldPath>,
    #[prost(message, optional, tag = "6")]
    rule: Option<FieldPath>,
    #[prost(string, optional, tag = "2")]
    rule_id: Option<String>,
    #[prost(string, optional, tag = "3")]
    message: Option<String>,
    #[prost(bool, optional, tag = "4")]
    for_key: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
struct FieldPath {
    #[prost(message, repeated, tag = "1")]
    elements: Vec<Element>,
}

#[derive(Clone, PartialEq, Message)]
struct Element {
    #[prost(int32, optional, tag = "1")]
    field_number: Option<i32>,
    #[prost(string, optional, tag = "2")]
    field_name: Option<String>,
    #[prost(int32, optional, tag = "3")]
    field_type: Option<i32>,
    #[prost(int32, optional, tag = "4")]
    key_type: Option<i32>,
    #[prost(int32, optional, tag = "5")]
    value_type: Option<i32>,
    #[prost(oneof = "Subscript", tags = "6, 7, 8, 9, 10")]
    subscript: Option<Subscript>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Subscript {
    #[prost(uint64, tag = "6")]
    Index(u64),
    #[prost(bool, tag = "7")]
    BoolKey(bool),
    #[prost(int64, tag = "8")]
    IntKey(i64),
    #[prost(uint64, tag = "9")]
    UintKey(u64),
    #[prost(string, tag = "10")]
    StringKey(String),
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes)?;
    let request = Request::decode(bytes.as_slice())?;
    let (schema, problems) =
        Schema::builder().add_descriptor_set("the harness", &request.fdset).build();
    let schema = schema.ok_or_else(|| format!("{problems:?}"))?;
    let mut compiled = HashMap::new();
    let mut results = HashMap::new();
    for (name, case) in request.cases {
        let told = judge(&schema, &mut compiled, &case);
        results.insert(name, Outcome { result: Some(told) });
    }
    io::stdout().write_all(&Response { results }.encode_to_vec())?;
    Ok(())
}

type Compiled = HashMap<String, Result<Option<Rules>, String>>;

fn judge(schema: &Schema, compiled: &mut Compiled, case: &Any) -> Told {
    let name = case.type_url.rsplit('/').next().unwrap_or_default();
    let Some(message) = schema.pool().get_message_by_name(name) else {
        return Told::UnexpectedError(format!("`{name}` is no message of the set"));
    };
    let rules = compiled
        .entry(name.to_owned())
        .or_insert_with(|| Rules::compile(&message, &Settings::default()));
    let rules = match rules {
        Ok(Some(rules)) => rules,
        Ok(None) => return Told::Success(true),
        Err(error) => return Told::CompilationError(error.clone()),
    };
    let outcome = match rules.check(&case.value, usize::MAX) {
        Ok(outcome) => outcome,
        Err(error) => return Told::UnexpectedError(error.to_string()),
    };
    match (outcome.failure, outcome.violations) {
        (Some(failure), _) => Told::RuntimeError(failure),
        (None, none) if none.is_empty() => Told::Success(true),
        (None, all) => {
            let violations = all.into_iter().map(violation).collect();
            Told::ValidationError(Violations { violations })
        }
    }
}

fn violation(found: validate::Violation) -> Violation {
    let path = |steps: &[Step]| {
        let elements: Vec<_> = steps.iter().map(element).collect();
        (!elements.is_empty()).then_some(FieldPath { elements })
    };
    Violation {
        field: path(&found.path),
        rule: path(&found.rule_path),
        rule_id: Some(found.rule),
        message: Some(found.message),
        for_key: found.for_key.then_some(true),
    }
}

fn element(step: &Step) -> Element {
    let mut element = Element::default();
    match &step.name {
        Name::Field(field) => {
            element.field_number = i32::try_from(field.number()).ok();
            element.field_name = Some(field.name().to_owned());
            element.field_type = Some(type_of(&field.kind(), field.is_group()));
            let entry = field.kind();
            let entry = entry.as_message().filter(|_| field.is_map() && step.place.is_some());
            if let Some(entry) = entry {
                element.key_type = Some(type_of(&entry.map_entry_key_field().kind(), false));
                element.value_type = Some(type_of(&entry.map_entry_value_field().kind(), false));
            }
        }
        Name::Extension(name, number, kind) => {
            element.field_number = i32::try_from(*number).ok();
            element.field_name = Some(format!("[{name}]"));
            element.field_type = Some(*kind);
        }
        Name::Oneof(name) => element.field_name = Some(name.clone()),
    }
    element.subscript = step.place.as_ref().map(|place| match place {
        Place::Index(index) => Subscript::Index(*index as u64),
        Place::Key(MapKey::Bool(key)) => Subscript::BoolKey(*key),
        Place::Key(MapKey::I32(key)) => Subscript::IntKey((*key).into()),
        Place::Key(MapKey::I64(key)) => Subscript::IntKey(*key),
        Place::Key(MapKey::U32(key)) => Subscript::UintKey((*key).into()),
        Place::Key(MapKey::U64(key)) => Subscript::UintKey(*key),
        Place::Key(MapKey::String(key)) => Subscript::StringKey(key.clone()),
    });
    element
}

/// `google.protobuf.FieldDescriptorProto.Type`.
fn type_of(kind: &Kind, is_group: bool) -> i32 {
    match kind {
        Kind::Double => 1,
        Kind::Float => 2,
        Kind::Int64 => 3,
        Kind::Uint64 => 4,
        Kind::Int32 => 5,
        Kind::Fixed64 => 6,
        Kind::Fixed32 => 7,
        Kind::Bool => 8,
        Kind::String => 9,
        Kind::Message(_) if is_group => 10,
        Kind::Message(_) => 11,
        Kind::Bytes => 12,
        Kind::Uint32 => 13,
        Kind::Enum(_) => 14,
        Kind::Sfixed32 => 15,
        Kind::Sfixed64 => 16,
        Kind::Sint32 => 17,
        Kind::Sint64 => 18,
    }
}
