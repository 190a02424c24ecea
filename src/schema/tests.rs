//! The schema as its users see it: sources in, methods and problems out.

use std::fs;

use prost::Message;

use super::{
    Body, HttpMethod, Idempotency, Schema, SchemaBuilder,
    descriptor::{File, FileSet},
};
use crate::problem::Problem;

pub(super) const BOOKSHELF: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bookshelf.binpb"));

pub(super) fn built(builder: SchemaBuilder) -> Schema {
    let (schema, problems) = builder.build();
    schema.unwrap_or_else(|| panic!("no schema: {problems:#?}"))
}

pub(super) fn refused(builder: SchemaBuilder) -> Vec<String> {
    let (schema, problems) = builder.build();
    assert!(schema.is_none(), "a schema in spite of {problems:#?}");
    assert!(problems.iter().any(Problem::is_error));
    problems.iter().map(Problem::to_string).collect()
}

pub(super) fn files(set: &[u8]) -> Vec<File> {
    let set = FileSet::decode(set).unwrap();
    set.file.iter().map(|bytes| File::decode(bytes.as_slice()).unwrap()).collect()
}

pub(super) fn set_of(files: &[File]) -> Vec<u8> {
    FileSet { file: files.iter().map(Message::encode_to_vec).collect() }.encode_to_vec()
}

/// Compiles one source.
pub(super) fn file(name: &str, source: &str) -> File {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), source).unwrap();
    let mut compiler = protox::Compiler::new([folder.path(), "proto".as_ref()]).unwrap();
    compiler.open_file(name).unwrap();
    let set = compiler.encode_file_descriptor_set();
    files(&set).pop().unwrap()
}

#[test]
fn a_descriptor_set_gives_methods_with_rules() {
    let schema = built(Schema::builder().add_descriptor_set("api.binpb", BOOKSHELF));
    let services = schema.services();
    assert_eq!(services.len(), 1);
    assert_eq!(services[0].full_name, "bookshelf.v1.Bookshelf");
    assert_eq!(services[0].origin, "api.binpb");
    assert_eq!(schema.methods().len(), 13);
    for (index, method) in schema.methods().iter().enumerate() {
        assert_eq!(method.index, index);
    }

    let list = schema.method_by_path("/bookshelf.v1.Bookshelf/ListBooks").unwrap();
    assert_eq!(list.full_name, "bookshelf.v1.Bookshelf.ListBooks");
    assert_eq!(list.idempotency, Idempotency::NoSideEffects);
    assert!(list.is_unary());
    let templates: Vec<_> = list.rules.iter().map(|rule| &*rule.template).collect();
    assert_eq!(templates, ["/v1/{parent=shelves/*}/books", "/v1/books"]);
    assert_eq!(list.rules[0].method, HttpMethod::One(http::Method::GET));
    assert_eq!(
        list.rules[0].origin,
        "bookshelf/v1/bookshelf.proto: bookshelf.v1.Bookshelf.ListBooks"
    );

    let create = schema.method_by_path("/bookshelf.v1.Bookshelf/CreateBook").unwrap();
    assert_eq!(create.rules[0].body, Body::Field("book".into()));
    let chat = schema.method_by_path("/bookshelf.v1.Bookshelf/Chat").unwrap();
    assert!(chat.client_streaming && chat.server_streaming);
    assert_eq!(chat.rules[0].body, Body::Whole);
    assert!(schema.method_by_path("/bookshelf.v1.Bookshelf/Nothing").is_none());
}

#[test]
fn a_proto_folder_gives_the_same_as_its_descriptor_set() {
    let from_set = built(Schema::builder().add_descriptor_set("api.binpb", BOOKSHELF));
    let (schema, problems) = Schema::builder().add_proto_folder("proto").build();
    assert_eq!(problems, []);
    let schema = schema.unwrap();
    assert_eq!(schema.methods().len(), from_set.methods().len());
    for (ours, theirs) in schema.methods().iter().zip(from_set.methods()) {
        assert_eq!(ours.full_name, theirs.full_name);
        assert_eq!(ours.rules, theirs.rules);
    }
    assert_eq!(schema.services()[0].origin, "proto");
    let (both, problems) = Schema::builder()
        .add_proto_folder("proto")
        .add_descriptor_set("api.binpb", BOOKSHELF)
        .build();
    assert_eq!(problems, []);
    assert_eq!(both.unwrap().methods().len(), 13);
}

#[test]
fn common_types_are_there_without_any_source_of_them() {
    let schema = built(Schema::builder());
    assert!(schema.services().is_empty());
    for name in [
        "google.rpc.Status",
        "google.rpc.RetryInfo",
        "google.api.HttpBody",
        "google.protobuf.Timestamp",
        "google.protobuf.Struct",
        "google.protobuf.FileDescriptorSet",
    ] {
        assert!(schema.pool().get_message_by_name(name).is_some(), "{name}");
    }
}

#[test]
fn a_proto_source_may_import_common_types_that_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let source = r#"
        syntax = "proto3";
        package a;
        import "google/api/annotations.proto";
        import "google/rpc/status.proto";
        import "google/protobuf/struct.proto";
        service S {
          rpc M(google.protobuf.Value) returns (google.rpc.Status) {
            option (google.api.http) = { custom: { kind: "*" path: "/m" } body: "*" };
          }
        }
    "#;
    fs::create_dir(folder.path().join("deep")).unwrap();
    fs::write(folder.path().join("deep/a.proto"), source).unwrap();
    let (schema, problems) = Schema::builder().add_proto_folder(folder.path()).build();
    assert_eq!(problems, []);
    let schema = schema.unwrap();
    let rule = &schema.method_by_path("/a.S/M").unwrap().rules[0];
    assert_eq!(rule.method, HttpMethod::Any);
    assert_eq!(rule.origin, "deep/a.proto: a.S.M");
}
