//! Editions and the classic syntaxes, compared with what protobuf itself says.
//!
//! `tests/fixtures/schema/make.py` wrote down both the descriptors and the answers.

use prost_reflect::{DescriptorPool, ReflectMessage};

use super::{built, file, files, refused, set_of};
use crate::schema::{AnyField, Features, Presence, Schema};

const SET: &[u8] = include_bytes!("../../../tests/fixtures/schema/features.binpb");
const ANSWERS: &str = include_str!("../../../tests/fixtures/schema/features.txt");

fn fixture() -> Schema {
    built(Schema::builder().add_descriptor_set("features.binpb", SET))
}

fn describe(name: &str, field: &impl AnyField, features: &Features) -> String {
    let mut line = format!("field {name} ");
    line.push_str(match features.presence(field) {
        Presence::Explicit => "explicit",
        Presence::Implicit => "implicit",
        Presence::Required => "required",
    });
    for (word, holds) in [
        ("packed", features.is_packed(field)),
        ("delimited", features.is_delimited(field)),
        ("utf8", features.validates_utf8(field)),
    ] {
        if holds {
            line.push(' ');
            line.push_str(word);
        }
    }
    line
}

/// Every field, extension and enum of the fixture's packages, as `make.py` writes them.
fn answers(pool: &DescriptorPool, features: &Features) -> Vec<String> {
    let mut lines = Vec::new();
    for message in pool.all_messages() {
        lines.extend(message.fields().map(|one| describe(one.full_name(), &one, features)));
    }
    lines.extend(pool.all_extensions().map(|one| describe(one.full_name(), &one, features)));
    for one in pool.all_enums() {
        let openness = if features.is_closed(&one) { "closed" } else { "open" };
        lines.push(format!("enum {} {openness}", one.full_name()));
    }
    lines.retain(|line| line.contains(" features.") && !line.contains(" features.json2."));
    lines.sort();
    lines
}

#[test]
fn features_are_what_protobuf_says() {
    let schema = fixture();
    let ours = answers(schema.pool(), schema.features());
    let theirs: Vec<&str> = ANSWERS.lines().collect();
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(ours.len(), theirs.len());
}

#[test]
fn a_plain_pool_answers_for_the_classic_syntaxes() {
    let classic = ["classic2.proto", "classic3.proto", "google/protobuf/descriptor.proto"];
    let mut files = files(SET);
    files.retain(|file| classic.contains(&&*file.name));
    let pool = DescriptorPool::decode(set_of(&files).as_slice()).unwrap();
    let ours = answers(&pool, &Features::of_pool(&pool));
    let theirs: Vec<&str> = ANSWERS.lines().filter(|line| line.contains(".classic")).collect();
    assert_eq!(ours, theirs);
}

#[test]
fn the_pool_itself_tells_presence_groups_and_packing_of_editions() {
    let schema = fixture();
    let message = schema.pool().get_message_by_name("features.e2024.M").unwrap();
    let field = |name: &str| message.get_field_by_name(name).unwrap();
    assert!(field("explicit").supports_presence());
    assert!(!field("implicit").supports_presence());
    assert!(field("numbers").is_packed());
    let everything = schema.pool().get_message_by_name("features.like2.Like2").unwrap();
    assert!(everything.get_field_by_name("self").unwrap().is_group());
    assert!(!everything.get_field_by_name("prefixed").unwrap().is_group());
}

#[test]
fn an_edition_message_reads_and_writes_delimited_fields() {
    use prost::Message;
    use prost_reflect::{DynamicMessage, Value};

    let schema = fixture();
    let outer = schema.pool().get_message_by_name("features.e2023.Everything").unwrap();
    let inner = schema.pool().get_message_by_name("features.e2023.Everything.Inner").unwrap();
    let mut value = DynamicMessage::new(inner);
    value.set_field_by_name("value", Value::I32(7));
    let mut message = DynamicMessage::new(outer);
    message.set_field_by_name("delimited", Value::Message(value));
    // Start and end of group 5 around field 1.
    assert_eq!(message.encode_to_vec(), [0x2b, 0x08, 7, 0x2c]);
    assert_eq!(message.descriptor().full_name(), "features.e2023.Everything");
}

#[test]
fn services_of_an_edition_file_are_found() {
    let schema = fixture();
    let call = schema.method_by_path("/features.e2023.Calls/Call").unwrap();
    assert_eq!(call.output.full_name(), "features.e2023.Everything.Inner");
}

#[test]
fn fields_with_one_json_name_get_two_in_proto2() {
    let schema = fixture();
    let message = schema.pool().get_message_by_name("features.json2.SharedName").unwrap();
    let name = |field: &str| message.get_field_by_name(field).unwrap().json_name().to_owned();
    assert_eq!(name("fooBar"), "fooBar");
    assert_eq!(name("foo_bar"), "foo_bar");
}

#[test]
fn fields_with_one_json_name_are_refused_in_proto3() {
    let mut twice = file("a.proto", "syntax = 'proto3'; message M { int32 a = 1; int32 b = 2; }");
    twice.message_type[0].field[1].json_name = Some("a".into());
    let problems = refused(Schema::builder().add_descriptor_set("x", &set_of(&[twice])));
    assert!(problems[0].contains("JSON name 'a'"), "{problems:?}");
}

#[test]
fn unknown_editions_and_syntaxes_are_refused_by_name() {
    for (syntax, edition, expected) in [
        ("editions", 1, "edition number 1 is unknown"),
        ("editions", 9999, "edition number 9999 is unknown"),
        ("editions", 0, "edition number 0 is unknown"),
        ("proto4", 0, "syntax `proto4` is unknown"),
    ] {
        let mut file = file("a.proto", "syntax = 'proto3'; message M {}");
        file.syntax = syntax.into();
        file.edition = edition;
        let problems = refused(Schema::builder().add_descriptor_set("x", &set_of(&[file])));
        assert!(problems[0].starts_with("x: a.proto: "), "{problems:?}");
        assert!(problems[0].contains(expected), "{problems:?}");
    }
}

#[test]
fn a_proto_source_may_import_an_edition_file_of_another_source() {
    let folder = tempfile::tempdir().unwrap();
    let source = "syntax = 'proto3'; import 'edition2023.proto';
                  message M { features.e2023.Everything.Inner inner = 1; }";
    std::fs::write(folder.path().join("m.proto"), source).unwrap();
    let builder = Schema::builder().add_proto_folder(folder.path());
    let schema = built(builder.add_descriptor_set("features.binpb", SET));
    let features = schema.features();
    let inner = schema.pool().get_message_by_name("features.e2023.Everything.Inner").unwrap();
    let field = inner.get_field_by_name("value").unwrap();
    assert_eq!(features.presence(&field), Presence::Explicit);
}
