//! Where descriptors come from.

use std::fs;

use prost::Message;

use super::{BOOKSHELF, built, file, set_of};
use crate::schema::{Body, HttpMethod, Idempotency, Schema, SchemaBuilder};

#[test]
fn a_descriptor_set_gives_methods_with_rules() {
    let schema = built(Schema::builder().add_descriptor_set("api.binpb", BOOKSHELF));
    let services = schema.services();
    assert_eq!(services.len(), 1);
    assert_eq!(services[0].full_name, "bookshelf.v1.Bookshelf");
    assert_eq!(services[0].origin, "api.binpb");
    assert_eq!(schema.methods().len(), 15);
    for (index, method) in schema.methods().iter().enumerate() {
        assert_eq!(method.index, index);
    }

    let list = schema.method_by_path("/bookshelf.v1.Bookshelf/ListBooks").unwrap();
    assert_eq!(&*list.full_name, "bookshelf.v1.Bookshelf.ListBooks");
    assert_eq!(list.idempotency, Idempotency::NoSideEffects);
    assert!(list.is_unary());
    let templates: Vec<_> = list.rules.iter().map(|rule| &*rule.template).collect();
    assert_eq!(templates, ["/v1/{parent=shelves/*}/books", "/v1/books", "/v1/books:array"]);
    assert_eq!(list.rules[0].method, HttpMethod::One(http::Method::GET));
    assert_eq!(&*list.rules[0].origin, "bookshelf/v1/bookshelf.proto");

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
    assert_eq!(both.unwrap().methods().len(), 15);
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
    assert_eq!(&*rule.origin, "deep/a.proto");
}

#[test]
fn sources_without_a_service_are_a_warning() {
    let set = set_of(&[file("a.proto", "syntax = 'proto3'; message M {}")]);
    let (schema, problems) = Schema::builder().add_descriptor_set("a.binpb", &set).build();
    assert!(schema.is_some());
    let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["schema: no source declares a service; add the descriptors of the files that declare \
          your services"]
    );
}

#[test]
fn a_servers_own_reflection_and_health_are_no_services_unless_a_set_brings_them() {
    let source = "syntax = 'proto3'; package grpc.health.v1; message M {}
                  service Health { rpc Check(M) returns (M); }";
    let health = file("health.proto", source);
    let bytes = health.encode_to_vec();
    let reflected = || Schema::builder().add_files("server", &[&bytes]);
    assert!(built(reflected()).services().is_empty());
    let schema = built(reflected().add_descriptor_set("a.binpb", &set_of(&[health])));
    assert_eq!(schema.services()[0].origin, "a.binpb");
}

#[test]
fn a_schema_goes_between_threads() {
    fn assert_shared<T: Send + Sync>() {}
    fn assert_sent<T: Send>() {}
    assert_shared::<Schema>();
    assert_sent::<SchemaBuilder>();
}
