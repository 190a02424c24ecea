//! Bytes that are no descriptors, or almost: problems, and never a panic.

use std::{fs, panic};

use proptest::prelude::*;

use super::{BOOKSHELF, built, file, refused, set_of};
use crate::{
    problem::Problem,
    schema::{
        Schema,
        descriptor::{append_varint, kind},
    },
};

const EDITIONS: &[u8] = include_bytes!("../../../tests/fixtures/schema/features.binpb");

/// Builds from a set and uses what comes out, as serving does.
fn build(bytes: &[u8]) -> Vec<Problem> {
    let (schema, problems) = Schema::builder().add_descriptor_set("x", bytes).build();
    assert_eq!(schema.is_none(), problems.iter().any(Problem::is_error), "{problems:?}");
    if let Some(schema) = schema {
        for message in schema.pool().all_messages() {
            for field in message.fields() {
                schema.features().presence(&field);
                let _ = field.default_value();
                if field.is_map() {
                    let kind = field.kind();
                    let entry = kind.as_message().unwrap();
                    entry.map_entry_key_field();
                    entry.map_entry_value_field();
                }
            }
        }
    }
    problems
}

/// A small file with one of each kind of element.
fn small() -> Vec<u8> {
    let source = "syntax = 'proto2'; package p; message M { optional int32 a = 1 [default = 3];
        map<string, M> m = 2; repeated int32 l = 3 [packed = true]; oneof o { string s = 4; }
        optional group G = 5 {} extensions 10 to 20; enum E { A = 0; } optional E e = 6; }
        extend M { optional M x = 10; } service S { rpc C(M) returns (stream M); }";
    set_of(&[file("a.proto", source)])
}

#[test]
fn every_truncation_is_a_problem() {
    let set = small();
    for length in 0..set.len() {
        let problems = build(&set[..length]);
        assert!(problems.iter().any(Problem::is_error), "cut at {length}: {problems:?}");
    }
    assert_eq!(build(&set), []);
}

#[test]
fn a_truncation_of_many_files_is_a_schema_or_a_problem() {
    for set in [BOOKSHELF, EDITIONS] {
        for length in (0..set.len()).step_by(101) {
            build(&set[..length]);
        }
    }
}

#[test]
fn every_byte_may_be_another() {
    let set = small();
    for at in 0..set.len() {
        for flip in [0x01, 0x08, 0x80, 0xff] {
            let mut bytes = set.clone();
            bytes[at] ^= flip;
            build(&bytes);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_a_schema_or_a_problem(bytes in prop::collection::vec(any::<u8>(), 1..200)) {
        build(&bytes);
    }

    #[test]
    fn flipped_bytes_are_a_schema_or_a_problem(
        at in prop::collection::vec((0..EDITIONS.len(), any::<u8>()), 1..4),
    ) {
        let mut bytes = EDITIONS.to_vec();
        at.into_iter().for_each(|(at, byte)| bytes[at] = byte);
        build(&bytes);
    }
}

#[test]
fn what_is_no_set_is_told_for_what_it_looks_like() {
    for (bytes, expected) in [
        (&b""[..], "the descriptor set is empty"),
        (b"{\"file\": []}", "looks like JSON"),
        (b"syntax = \"proto3\";\nmessage M {}", "looks like a .proto source"),
        (b"\x1f\x8b\x08\x00", "looks compressed"),
        (b"\xff\xff\xff", "not a descriptor set"),
        (b"\x10\x01", "holds no file"),
        (b"\x0a\x02\xff\xff", "not a file descriptor"),
    ] {
        let problems = refused(Schema::builder().add_descriptor_set("x.binpb", bytes));
        assert!(problems[0].starts_with("x.binpb: "), "{problems:?}");
        assert!(problems[0].contains(expected), "{problems:?}");
    }
}

#[test]
fn unreadable_paths_are_told_all_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("empty")).unwrap();
    fs::write(at("text"), "no folder").unwrap();
    let builder = Schema::builder()
        .add_descriptor_file(at("missing.binpb"))
        .add_descriptor_file(at("empty"))
        .add_proto_folder(at("nowhere"))
        .add_proto_folder(at("text"))
        .add_proto_folder(at("empty"))
        .add_rules_file(at("rules.yaml"));
    let problems = refused(builder).join("\n");
    for name in ["missing.binpb", "empty", "nowhere", "text", "rules.yaml"] {
        let path = at(name).display().to_string();
        assert!(problems.contains(&path), "{name} in {problems}");
    }
    assert!(problems.contains("no .proto file is in the folder"), "{problems}");
}

#[test]
fn shapes_that_the_library_would_panic_on_are_refused() {
    let base = || {
        let source = "syntax = 'proto3'; package p; message M { map<string, int32> m = 1; }";
        file("a.proto", source)
    };
    let mut keyless = base();
    keyless.message_type[0].nested_type[0].field.remove(0);
    let mut float_key = base();
    float_key.message_type[0].nested_type[0].field[0].kind = kind::FLOAT;
    let mut fake_entry = base();
    append_varint(&mut fake_entry.message_type[0].options, 7, 1);
    let mut nameless = base();
    nameless.name.clear();
    let mut odd_name = base();
    odd_name.message_type[0].name = "a/b c".into();
    let mut odd_package = base();
    odd_package.package = "..".into();
    let mut odd_kind = base();
    odd_kind.message_type[0].field[0].kind = 99;
    let mut odd_label = base();
    odd_label.message_type[0].field[0].label = 9;
    let mut odd_oneof = base();
    odd_oneof.message_type[0].field[0].oneof_index = Some(-5);
    let mut own_import = base();
    own_import.dependency.push("a.proto".into());
    for file in [
        keyless,
        float_key,
        fake_entry,
        nameless,
        odd_name,
        odd_package,
        odd_kind,
        odd_label,
        odd_oneof,
        own_import,
    ] {
        let set = set_of(&[file]);
        let outcome = panic::catch_unwind(|| build(&set));
        let problems = outcome.unwrap();
        assert!(problems.iter().any(Problem::is_error), "{problems:?}");
    }
}

#[test]
fn imports_in_a_circle_are_told() {
    let mut one = file("one.proto", "syntax = 'proto3';");
    one.dependency.push("two.proto".into());
    one.public_dependency.push(0);
    let mut two = file("two.proto", "syntax = 'proto3';");
    two.dependency.push("one.proto".into());
    two.public_dependency.push(0);
    let problems = refused(Schema::builder().add_descriptor_set("x", &set_of(&[one, two])));
    assert!(problems[0].contains("`one.proto`, `two.proto`"), "{problems:?}");
}

#[test]
fn every_bad_file_is_told_and_what_imports_it_is_not() {
    let mut first = file("first.proto", "syntax = 'proto3'; message A { int32 a = 1; }");
    first.message_type[0].field[0].number = 0;
    let mut second = file("second.proto", "syntax = 'proto3'; message B { int32 b = 1; }");
    second.message_type[0].field[0].number = 19_500;
    let mut third = file("third.proto", "syntax = 'proto3'; message C { int32 c = 1; }");
    third.dependency.push("first.proto".into());
    let set = set_of(&[third, first, second]);
    let problems = refused(Schema::builder().add_descriptor_set("x", &set));
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems.iter().any(|problem| problem.contains("first.proto")));
    assert!(problems.iter().any(|problem| problem.contains("second.proto")));
}

#[test]
fn a_long_chain_of_public_imports_is_followed() {
    let mut chain = vec![file("0.proto", "syntax = 'proto3'; message M {}")];
    for index in 1..50 {
        let mut next = file("x.proto", "syntax = 'proto3';");
        next.name = format!("{index}.proto");
        next.dependency.push(format!("{}.proto", index - 1));
        next.public_dependency.push(0);
        chain.push(next);
    }
    let mut user = file("x.proto", "syntax = 'proto3'; message U { U m = 1; }");
    user.message_type[0].field[0].type_name = Some(".M".into());
    user.dependency.push("49.proto".into());
    chain.push(user);
    built(Schema::builder().add_descriptor_set("x", &set_of(&chain)));
}
