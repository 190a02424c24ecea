//! What the conformance suite doesn't see, by situation.

mod bounds;
mod differential;
mod json;
mod query;
mod wire;

use prost_reflect::DescriptorPool;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use super::{steps::steps_of, *};

/// A test file among the well-known ones.
struct Source(String);

impl FileResolver for Source {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        if name == "test.proto" {
            return File::from_source(name, &self.0);
        }
        Err(protox::Error::file_not_found(name))
    }
}

/// The pool of a .proto source.
pub(super) fn pool_of(source: &str) -> DescriptorPool {
    let mut resolver = ChainFileResolver::new();
    resolver.add(GoogleFileResolver::new());
    resolver.add(Source(source.to_owned()));
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).open_file("test.proto").unwrap();
    compiler.descriptor_pool()
}

pub(super) fn plans_of(pool: &DescriptorPool) -> Plans {
    Plans::compile(pool, &crate::schema::Features::of_pool(pool))
}

const SOURCE: &str = r#"
    syntax = "proto3";
    package test;
    import "google/protobuf/any.proto";
    import "google/protobuf/duration.proto";
    import "google/protobuf/empty.proto";
    import "google/protobuf/field_mask.proto";
    import "google/protobuf/struct.proto";
    import "google/protobuf/timestamp.proto";
    import "google/protobuf/wrappers.proto";
    enum Color { RED = 0; GREEN = 1; BLUE = 5; }
    message Spot { int32 depth = 1; string name = 2; Spot next = 3; optional int32 maybe = 4; repeated int32 marks = 5; }
    message Book {
        string title = 1;
        int32 pages = 2;
        int64 copies = 3;
        uint32 small = 4;
        double price = 5;
        float weight = 6;
        bool sold = 7;
        bytes cover = 8;
        Color color = 9;
        Spot spot = 10;
        repeated string tags = 11;
        repeated int32 numbers = 12;
        repeated Spot spots = 13;
        map<string, int32> counts = 14;
        map<int64, Spot> shelves = 15;
        map<bool, Color> colors = 16;
        oneof kind { string novel = 17; Spot essay = 18; int32 poem = 19; }
        google.protobuf.Any any = 20;
        google.protobuf.Timestamp time = 21;
        google.protobuf.Duration span = 22;
        google.protobuf.FieldMask mask = 23;
        google.protobuf.Struct extra = 24;
        google.protobuf.Value value = 25;
        google.protobuf.ListValue list = 26;
        google.protobuf.Int64Value wrapped = 27;
        repeated google.protobuf.Timestamp times = 28;
        repeated Color shades = 29;
        sint64 zigzag = 30;
        string snake_case_name = 31;
        repeated double doubles = 32;
        repeated google.protobuf.Value values = 33;
        google.protobuf.StringValue text = 34;
        map<string, string> labels = 35;
        uint64 large = 36;
        fixed64 fixed = 37;
        repeated google.protobuf.Any anys = 38;
    }
"#;

/// Plans of the test file, and the pool.
pub(super) fn test_plans() -> (DescriptorPool, Plans) {
    let pool = pool_of(SOURCE);
    let plans = plans_of(&pool);
    (pool, plans)
}

pub(super) fn book() -> Plan {
    test_plans().1.message_by_name("test.Book").unwrap()
}

pub(super) fn to_wire(plan: &Plan, json: &str) -> Result<Vec<u8>, JsonError> {
    let mut out = Vec::new();
    json_to_wire(plan, &Settings::default(), usize::MAX, json.as_bytes(), &mut out)?;
    Ok(out)
}

pub(super) fn to_json(plan: &Plan, wire: &[u8]) -> Result<String, WireError> {
    to_json_with(plan, &Settings::default(), wire)
}

pub(super) fn to_json_with(
    plan: &Plan,
    settings: &Settings,
    wire: &[u8],
) -> Result<String, WireError> {
    let mut out = Vec::new();
    wire_to_json(plan, settings, usize::MAX, wire, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}
