//! Changes, each in a schema that differs in it alone, and what is told of it.

use std::fmt::Write;

use super::*;

/// The schema of a service whose parts the cases replace.
const BASE: &str = r#"
service Shelf {
  rpc Get(Ask) returns (Book) { option (google.api.http) = { get: "/v1/{name=books/*}" }; }
  rpc Put(Ask) returns (stream Book) {
    option (google.api.http) = { post: "/v1/put" body: "*" response_body: "title" };
  }
}
message Ask { string name = 1; Inner inner = 2; map<string, Inner> inners = 3; }
message Book {
  string title = 1;
  repeated int32 pages = 2;
  oneof of { string a = 3; string b = 4; }
  Genre genre = 5;
  optional string author = 6;
  Book sequel = 7;
}
message Inner { int64 size = 1; }
message Unreached { string x = 1; }
enum Genre { GENRE_NONE = 0; GENRE_NOVEL = 1; GENRE_ESSAY = 2; }
"#;

fn schema(text: &str) -> Schema {
    schema_of("proto3", text)
}

fn schema_of(syntax: &str, text: &str) -> Schema {
    let folder = tempfile::tempdir().unwrap();
    let head =
        format!("syntax = \"{syntax}\";\npackage a;\nimport \"google/api/annotations.proto\";\n");
    std::fs::write(folder.path().join("a.proto"), head + text).unwrap();
    let (schema, problems) = Schema::builder().add_proto_folder(folder.path()).build();
    schema.unwrap_or_else(|| panic!("{problems:?}\n{text}"))
}

fn told(old: &Schema, new: &Schema) -> Vec<String> {
    breaking_changes(old, new).iter().map(ToString::to_string).collect()
}

#[test]
fn a_change_that_breaks_is_told_where_it_is() {
    let old = schema(BASE);
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "service Shelf",
            "service Rack",
            &[
                "a.Shelf: the service is gone",
                "a.Shelf.Get: the route `GET /v1/{name=books/*}` calls `a.Rack.Get` now",
                "a.Shelf.Put: the route `POST /v1/put` calls `a.Rack.Put` now",
            ],
        ),
        (
            "rpc Get(",
            "rpc Fetch(",
            &[
                "a.Shelf.Get: the method is gone",
                "a.Shelf.Get: the route `GET /v1/{name=books/*}` calls `a.Shelf.Fetch` now",
            ],
        ),
        (
            "get: \"/v1/{name=books/*}\"",
            "get: \"/v2/{name=books/*}\"",
            &["a.Shelf.Get: the route `GET /v1/{name=books/*}` is gone"],
        ),
        (
            "body: \"*\"",
            "body: \"inner\"",
            &[
                "a.Shelf.Put: the body of `POST /v1/put` held the whole message and holds the field \
             `inner`",
            ],
        ),
        (
            "response_body: \"title\"",
            "",
            &[
                "a.Shelf.Put: the answer of `POST /v1/put` held the field `title` and holds the whole \
             message",
            ],
        ),
        (
            "rpc Get(Ask) returns (Book)",
            "rpc Get(stream Ask) returns (Inner)",
            &[
                "a.Shelf.Get: the request was one message and is a stream",
                "a.Shelf.Get: the response was a `a.Book` and is a `a.Inner`",
            ],
        ),
        (
            "returns (stream Book)",
            "returns (Book)",
            &["a.Shelf.Put: the response was a stream and is one message"],
        ),
        (
            "string title = 1;",
            "reserved 1; string heading = 8;",
            &["a.Book.title: the field is gone"],
        ),
        (
            "string title = 1;",
            "string title = 8;",
            &["a.Book.title: the field's number was 1 and is 8"],
        ),
        (
            "string title = 1;",
            "bytes title = 1;",
            &["a.Book.title: the type was `string` and is `bytes`"],
        ),
        (
            "Genre genre = 5;",
            "int32 genre = 5;",
            &["a.Book.genre: the type was `a.Genre` and is `int32`"],
        ),
        (
            "Inner inner = 2;",
            "Book inner = 2;",
            &["a.Ask.inner: the type was `a.Inner` and is `a.Book`"],
        ),
        (
            "string title = 1;",
            "repeated string title = 1;",
            &["a.Book.title: the field was singular and is repeated"],
        ),
        (
            "string title = 1;",
            "string title = 1 [json_name = \"Title\"];",
            &["a.Book.title: the JSON name was `title` and is `Title`"],
        ),
        (
            "string author = 6;",
            "string writer = 6;",
            &["a.Book.author: the field was named `author` and is named `writer`"],
        ),
        (
            "string b = 4; }",
            "} string b = 4;",
            &["a.Book.b: the field was in the oneof `of` and is in no oneof"],
        ),
        (
            "oneof of {",
            "oneof other {",
            &[
                "a.Book.a: the field was in the oneof `of` and is in the oneof `other`",
                "a.Book.b: the field was in the oneof `of` and is in the oneof `other`",
            ],
        ),
        ("GENRE_ESSAY = 2;", "", &["a.GENRE_ESSAY: the value is gone"]),
        (
            "GENRE_ESSAY = 2;",
            "GENRE_ESSAY = 3;",
            &["a.GENRE_ESSAY: the value's number was 2 and is 3"],
        ),
        (
            "GENRE_ESSAY = 2;",
            "GENRE_POEM = 2;",
            &["a.GENRE_ESSAY: the value was named `GENRE_ESSAY` and is named `GENRE_POEM`"],
        ),
        (
            "int64 size = 1;",
            "string size = 1;",
            &["a.Inner.size: the type was `int64` and is `string`"],
        ),
        (
            "map<string, Inner> inners",
            "map<int32, Inner> inners",
            &["a.Ask.InnersEntry.key: the type was `string` and is `int32`"],
        ),
        (
            "map<string, Inner> inners",
            "repeated Inner inners",
            &[
                "a.Ask.inners: the field was a map and is repeated",
                "a.Ask.inners: the type was `map` and is `a.Inner`",
            ],
        ),
    ];
    for (from, to, want) in cases {
        assert!(BASE.contains(from), "{from}");
        let new = schema(&BASE.replacen(from, to, 1));
        assert_eq!(told(&old, &new), *want, "{from} -> {to}");
    }
}

#[test]
fn a_change_that_breaks_nobody_is_not_told() {
    let old = schema(BASE);
    for (from, to) in [
        ("", ""),
        ("string title = 1;", "string title = 1; string subtitle = 9;"),
        ("optional string author", "string author"),
        ("message Unreached { string x = 1; }", ""),
        ("GENRE_ESSAY = 2;", "GENRE_ESSAY = 2; GENRE_POEM = 3;"),
        ("service Shelf {", "service Shelf { rpc More(Ask) returns (Ask);"),
        (
            "get: \"/v1/{name=books/*}\"",
            "get: \"/v1/{name=books/*}\" additional_bindings { get: \"/v2\" }",
        ),
    ] {
        let new = schema(&BASE.replacen(from, to, 1));
        assert_eq!(told(&old, &new), [""; 0], "{from} -> {to}");
    }
}

#[test]
fn a_new_field_that_must_be_there_breaks_callers() {
    let base = "service S { rpc Call(M) returns (M); }\nmessage M { optional string a = 1; }\n";
    let old = schema_of("proto2", base);
    let new = schema_of("proto2", &base.replace("= 1;", "= 1; required string b = 2;"));
    assert_eq!(told(&old, &new), ["a.M.b: a required field is new"]);
    let new = schema_of("proto2", &base.replace("optional", "required"));
    assert_eq!(told(&old, &new), ["a.M.a: the field was singular and is required"]);
}

#[test]
fn changes_of_extensions_break_callers_too() {
    let base = "service S { rpc Call(M) returns (M); }\n\
                message M { optional string a = 1; extensions 100 to 199; }\n\
                extend M { optional string tag = 100; optional N inner = 101; }\n\
                message N { optional int32 size = 1; }\n";
    let old = schema_of("proto2", base);
    let cases: &[(&str, &str, &[&str])] = &[
        ("optional string tag = 100;", "", &["a.tag: the extension is gone"]),
        ("tag = 100;", "tag = 102;", &["a.tag: the extension's number was 100 and is 102"]),
        ("string tag", "string label", &["a.tag: the extension's number is that of `a.label` now"]),
        (
            "optional string tag",
            "optional bytes tag",
            &["a.tag: the type was `string` and is `bytes`"],
        ),
        (
            "optional string tag",
            "repeated string tag",
            &["a.tag: the extension was singular and is repeated"],
        ),
        ("int32 size", "int64 size", &["a.N.size: the type was `int32` and is `int64`"]),
        ("tag = 100;", "tag = 100; optional string more = 102;", &[]),
    ];
    for (from, to, want) in cases {
        let new = schema_of("proto2", &base.replacen(from, to, 1));
        assert_eq!(told(&old, &new), *want, "{from} -> {to}");
    }
}

#[test]
fn every_change_of_a_large_schema_is_told_once() {
    let large = |kind: &str| {
        let mut text = String::from("service S { rpc Call(M0) returns (M0); }\n");
        for at in 0..500 {
            // Every message is reached from many others.
            let (one, two) = ((at + 1) % 500, (at * 7 + 3) % 500);
            writeln!(text, "message M{at} {{ {kind} x = 1; M{one} one = 2; M{two} two = 3; }}")
                .unwrap();
        }
        schema(&text)
    };
    let told = told(&large("string"), &large("bytes"));
    assert_eq!(told.len(), 500);
}
