//! The program that protobuf's conformance runner talks to: requests on stdin, each behind its
//! length in four bytes, little-endian; responses on stdout the same way.
//!
//! Every conversion goes through the plans that serve requests. Its argument is the descriptor set
//! of the test messages; `tests/conformance/run` makes it.

use std::{
    env,
    error::Error,
    fs,
    io::{self, Read, Write},
};

use prost::Message;
use transom::schema::Schema;
use transom::transcode::{self, Plan, Plans, Settings, UnknownFields};

/// conformance.ConformanceRequest, the fields that matter here.
#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(bytes = "vec", optional, tag = "1")]
    protobuf_payload: Option<Vec<u8>>,
    // Bytes, since a test may send what is not UTF-8.
    #[prost(bytes = "vec", optional, tag = "2")]
    json_payload: Option<Vec<u8>>,
    #[prost(int32, tag = "3")]
    requested_output_format: i32,
    #[prost(string, tag = "4")]
    message_type: String,
    #[prost(int32, tag = "5")]
    test_category: i32,
}

const PROTOBUF: i32 = 1;
const JSON: i32 = 2;
const JSON_IGNORE_UNKNOWN: i32 = 3;

/// conformance.ConformanceResponse.
#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(oneof = "Outcome", tags = "1, 2, 3, 4, 5, 6")]
    result: Option<Outcome>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Outcome {
    #[prost(string, tag = "1")]
    ParseError(String),
    #[prost(string, tag = "2")]
    RuntimeError(String),
    #[prost(bytes, tag = "3")]
    ProtobufPayload(Vec<u8>),
    #[prost(string, tag = "4")]
    JsonPayload(String),
    #[prost(string, tag = "5")]
    Skipped(String),
    #[prost(string, tag = "6")]
    SerializeError(String),
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args().nth(1).ok_or("the descriptor set's path is missing")?;
    let plans = load(&fs::read(path)?)?;
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut length = [0; 4];
    while input.read_exact(&mut length).is_ok() {
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        input.read_exact(&mut bytes)?;
        let outcome = answer(&plans, &Request::decode(bytes.as_slice())?);
        let response = Response { result: Some(outcome) }.encode_to_vec();
        output.write_all(&(response.len() as u32).to_le_bytes())?;
        output.write_all(&response)?;
        output.flush()?;
    }
    Ok(())
}

fn load(set: &[u8]) -> Result<Plans, Box<dyn Error>> {
    let (schema, problems) = Schema::builder().add_descriptor_set("the test messages", set).build();
    for problem in problems {
        eprintln!("{problem}");
    }
    let schema = schema.ok_or("the test messages do not load")?;
    Ok(Plans::compile(schema.pool(), schema.features()))
}

fn answer(plans: &Plans, request: &Request) -> Outcome {
    if request.message_type == "conformance.FailureSet" {
        return Outcome::ProtobufPayload(Vec::new());
    }
    if !matches!(request.requested_output_format, PROTOBUF | JSON) {
        return Outcome::Skipped("neither protobuf nor JSON".to_owned());
    }
    let Some(plan) = plans.message_by_name(&request.message_type) else {
        return Outcome::RuntimeError(format!("no type {}", request.message_type));
    };
    let mut settings = Settings::default();
    if request.test_category == JSON_IGNORE_UNKNOWN {
        settings.unknown_fields = UnknownFields::Ignore;
    }
    let mut wire = Vec::new();
    let parsed = match request {
        Request { protobuf_payload: Some(payload), .. } => {
            transcode::wire_to_wire(&plan, &settings, usize::MAX, payload, &mut wire)
                .map_err(|error| error.to_string())
        }
        Request { json_payload: Some(payload), .. } => {
            transcode::json_to_wire(&plan, &settings, usize::MAX, payload, &mut wire)
                .map_err(|error| error.to_string())
        }
        _ => return Outcome::Skipped("neither protobuf nor JSON".to_owned()),
    };
    if let Err(error) = parsed {
        return Outcome::ParseError(error);
    }
    if request.requested_output_format == PROTOBUF {
        return Outcome::ProtobufPayload(wire);
    }
    // The payload itself where there is one: what the runner sent in pieces stays in pieces.
    write_json(&plan, &settings, request.protobuf_payload.as_ref().unwrap_or(&wire))
}

fn write_json(plan: &Plan, settings: &Settings, wire: &[u8]) -> Outcome {
    let mut json = Vec::new();
    if let Err(error) = transcode::wire_to_json(plan, settings, usize::MAX, wire, &mut json) {
        return Outcome::SerializeError(error.to_string());
    }
    match String::from_utf8(json) {
        Ok(json) => Outcome::JsonPayload(json),
        Err(_) => Outcome::RuntimeError("the JSON is not UTF-8".to_owned()),
    }
}
