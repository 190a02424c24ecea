//! The same file twice, the same name twice, and imports that nobody brings.

use std::{fs, slice::from_ref};

use super::{BOOKSHELF, built, file, files, refused, set_of};
use crate::schema::{
    Schema,
    descriptor::{File, append_varint, records},
    visit,
};

const SOURCE: &str = "syntax = 'proto3'; package a; message M { string some_text = 1; }
                      service S { rpc Call(M) returns (M); }";

fn from_two(first: &[File], second: &[File]) -> crate::schema::SchemaBuilder {
    Schema::builder()
        .add_descriptor_set("first.binpb", &set_of(first))
        .add_descriptor_set("second.binpb", &set_of(second))
}

#[test]
fn copies_may_differ_in_comments_json_names_and_order_of_options() {
    let mut first = file("a.proto", SOURCE);
    append_varint(&mut first.options, 20, 1);
    append_varint(&mut first.options, 10, 1);
    first.source_code_info = Some(vec![]);
    let mut second = file("a.proto", SOURCE);
    append_varint(&mut second.options, 10, 1);
    append_varint(&mut second.options, 20, 1);
    visit::fields_mut(&mut second, &mut |field| field.json_name = None);
    for (first, second) in [(&first, &second), (&second, &first)] {
        let (schema, problems) = from_two(from_ref(first), from_ref(second)).build();
        assert_eq!(problems, []);
        assert_eq!(schema.unwrap().methods().len(), 1);
    }
}

#[test]
fn a_custom_json_name_survives_the_copy_without_it() {
    let plain = file("a.proto", SOURCE);
    let mut named = plain.clone();
    named.message_type[0].field[0].json_name = Some("text".into());
    let mut bare = plain.clone();
    bare.message_type[0].field[0].json_name = None;
    let schema = built(from_two(&[bare], from_ref(&named)));
    let message = schema.pool().get_message_by_name("a.M").unwrap();
    assert_eq!(message.fields().next().unwrap().json_name(), "text");

    let problems = refused(from_two(&[plain], &[named]));
    assert!(problems[0].contains("`someText` in one and `text` in the other"), "{problems:?}");
}

#[test]
fn a_copy_without_custom_options_gives_way_to_the_one_with() {
    let mut stripped = files(BOOKSHELF);
    for file in &mut stripped {
        visit::options_mut(file, &mut |options| {
            let bytes = options.take().unwrap_or_default();
            let kept = records(&bytes).filter(|record| record.number < 1000);
            *options = Some(kept.flat_map(|record| record.bytes).copied().collect());
        });
    }
    for (first, second) in [(stripped.clone(), files(BOOKSHELF)), (files(BOOKSHELF), stripped)] {
        let schema = built(from_two(&first, &second));
        let bare = schema.methods().iter().filter(|method| method.rules.is_empty());
        let names: Vec<_> = bare.map(|method| method.name()).collect();
        assert_eq!(names, ["Ping"], "only what never had a rule is without");
    }
}

#[test]
fn copies_that_differ_are_told_with_both_sources_and_the_difference() {
    let first = file("a.proto", SOURCE);
    let second = file("a.proto", &SOURCE.replace("string some_text", "int32 some_text"));
    let problems = refused(from_two(&[first], &[second]));
    assert_eq!(
        problems,
        ["second.binpb: a.proto: the file differs between first.binpb and second.binpb: \
          message `M` is not the same; bring both to the same version, or leave one of them out"]
    );
}

#[test]
fn a_source_brings_its_own_copy_of_a_bundled_file() {
    let mut http = files(BOOKSHELF);
    http.retain(|file| file.name == "google/api/http.proto");
    append_varint(&mut http[0].options, 20, 1);
    built(Schema::builder().add_descriptor_set("api.binpb", &set_of(&http)));
}

#[test]
fn of_two_versions_of_googles_files_the_larger_is_taken() {
    let mut newer = files(BOOKSHELF);
    newer.retain(|file| file.name == "google/api/http.proto");
    let mut older = newer.clone();
    older[0].message_type[1].field.retain(|field| field.name != "response_body");
    for (first, second) in [(&newer, &older), (&older, &newer)] {
        let schema = built(from_two(first, second));
        let rule = schema.pool().get_message_by_name("google.api.HttpRule").unwrap();
        assert!(rule.get_field_by_name("response_body").is_some());
    }
    let mut broken = older;
    broken[0].message_type[1].field[0].number = 77;
    refused(from_two(&newer, &broken));
}

#[test]
fn bundled_types_under_another_file_name_are_taken_instead_of_the_bundled() {
    let mut own = files(BOOKSHELF);
    own.retain(|file| file.name == "google/api/http.proto");
    own[0].name = "third_party/google/api/http.proto".into();
    let schema = built(Schema::builder().add_descriptor_set("api.binpb", &set_of(&own)));
    let message = schema.pool().get_message_by_name("google.api.HttpRule").unwrap();
    assert_eq!(message.parent_file().name(), "third_party/google/api/http.proto");

    // If somebody imports it under both names there are two of it.
    let mut user = file("user.proto", "syntax = 'proto3';");
    user.dependency = vec!["google/api/http.proto".into(), own[0].name.clone()];
    own.push(user);
    let problems = refused(Schema::builder().add_descriptor_set("api.binpb", &set_of(&own)));
    assert!(problems[0].contains("more names declared by `third_party"), "{problems:?}");
}

#[test]
fn a_name_in_two_files_is_told_once_with_both_files() {
    let first = file("a.proto", SOURCE);
    let second = file("b.proto", SOURCE);
    let problems = refused(from_two(&[first], &[second]));
    assert_eq!(
        problems,
        ["second.binpb: b.proto: `a.M` and 2 more names declared by `a.proto` (from first.binpb) \
          too; load the declarations once, under the name that other files import"]
    );
}

#[test]
fn a_missing_import_is_told_with_the_file_that_needs_it() {
    let mut user = file("user.proto", "syntax = 'proto3'; message U { U m = 1; }");
    user.dependency.push("gone.proto".into());
    let set = set_of(&[user.clone()]);
    let (schema, problems) = Schema::builder().add_descriptor_set("x.binpb", &set).build();
    assert!(schema.is_some(), "nothing of it is needed");
    let told = problems[0].to_string();
    assert!(told.starts_with("x.binpb: user.proto: import `gone.proto` is in no source"), "{told}");

    user.message_type[0].field[0].type_name = Some(".gone.Type".into());
    let problems = refused(Schema::builder().add_descriptor_set("x.binpb", &set_of(&[user])));
    assert_eq!(
        problems,
        ["x.binpb: user.proto: import `gone.proto` is in no source, and `gone.Type` is needed \
          from it; write the set with its imports (`protoc --include_imports`)"]
    );
}

#[test]
fn faults_of_proto_sources_are_told_with_file_and_line_once_each() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("a.proto"), "syntax = 'proto3';\nmessage A {\n  int32 a = oops;\n}\n").unwrap();
    fs::write(at("b.proto"), "syntax = 'proto3';\nimport 'a.proto';\n").unwrap();
    fs::write(at("c.proto"), "syntax = 'proto3';\nimport 'gone.proto';\n").unwrap();
    fs::write(at("d.proto"), "syntax = 'proto3';\n\nmessage D { Gone gone = 1; }\n").unwrap();
    fs::write(at("e.proto"), "// Newer.\nedition = '2023';\n").unwrap();
    fs::write(at("f.proto"), [0xff, 0xfe]).unwrap();
    let problems = refused(Schema::builder().add_proto_folder(folder.path()));
    let told = problems.join("\n");
    assert_eq!(problems.len(), 5, "{told}");
    let begins = |name: &str, rest: &str| {
        let start = format!("{}{rest}", at(name).display());
        assert!(problems.iter().any(|problem| problem.starts_with(&start)), "{start} in\n{told}");
    };
    begins("a.proto", ":3: ");
    begins("c.proto", ":2: import 'gone.proto' not found; add the folder");
    begins("d.proto", ":3: name 'Gone' is not defined");
    begins("e.proto", ": the file is written in an edition");
    begins("f.proto", ": ");
}

#[test]
fn folders_may_import_from_each_other_and_from_sets() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, text) in [
        ("one/a.proto", "syntax = 'proto3'; import 'b.proto'; message A { B b = 1; C c = 2; }"),
        ("two/b.proto", "syntax = 'proto3'; import public 'c.proto'; message B {}"),
    ] {
        fs::create_dir_all(at(name).parent().unwrap()).unwrap();
        fs::write(at(name), text).unwrap();
    }
    let set = set_of(&[file("c.proto", "syntax = 'proto3'; message C {}")]);
    let builder = Schema::builder().add_proto_folder(at("one")).add_proto_folder(at("two"));
    let schema = built(builder.add_descriptor_set("c.binpb", &set));
    for name in ["A", "B", "C"] {
        assert!(schema.pool().get_message_by_name(name).is_some(), "{name}");
    }
}
