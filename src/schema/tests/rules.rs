//! HTTP rules: from annotations, from overlays, made automatically.

use std::fs;

use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint},
};

use super::{BOOKSHELF, built, file, files, refused, set_of};
use crate::schema::{
    Body, HttpMethod, Schema, SchemaBuilder,
    annotation::{Custom, Pattern, Rule},
};

const GET: &str = "bookshelf.v1.Bookshelf.GetBook";

fn bookshelf() -> SchemaBuilder {
    Schema::builder().add_descriptor_set("api.binpb", BOOKSHELF)
}

/// A method with these bytes as its `google.api.http`, in a file that imports no annotations.
fn annotated(rule: &[u8]) -> SchemaBuilder {
    let source = "syntax = 'proto3'; package a; message M {} service S { rpc C(M) returns (M); }";
    let mut file = file("a.proto", source);
    let options = file.service[0].method[0].options.get_or_insert_default();
    encode_key(72_295_728, WireType::LengthDelimited, options);
    encode_varint(rule.len() as u64, options);
    options.extend_from_slice(rule);
    Schema::builder().add_descriptor_set("a.binpb", &set_of(&[file]))
}

fn get(path: &str) -> Rule {
    Rule { pattern: Some(Pattern::Get(path.into())), ..Rule::default() }
}

#[test]
fn annotations_are_read_without_their_declaration() {
    let custom = |kind: &str| {
        let custom = Custom { kind: kind.into(), path: "/custom".into() };
        Rule { pattern: Some(Pattern::Custom(custom)), ..Rule::default() }
    };
    let post = Rule {
        pattern: Some(Pattern::Post("/post".into())),
        body: "field".into(),
        response_body: "answer".into(),
        ..Rule::default()
    };
    let additional_bindings = vec![custom("*"), custom("HEAD"), post];
    let rule = Rule { additional_bindings, ..get("/get") };
    let schema = built(annotated(&rule.encode_to_vec()));
    let rules = &schema.method_by_path("/a.S/C").unwrap().rules;
    let methods: Vec<_> = rules.iter().map(|rule| rule.method.to_string()).collect();
    assert_eq!(methods, ["GET", "*", "HEAD", "POST"]);
    assert_eq!(rules[1].method, HttpMethod::Any);
    assert_eq!(rules[3].body, Body::Field("field".into()));
    assert_eq!(&*rules[3].response_body, "answer");
    assert_eq!(&*rules[0].origin, "a.proto");
}

#[test]
fn rules_that_can_not_be_are_refused() {
    let nested = Rule { additional_bindings: vec![get("/c")], ..get("/b") };
    let nested = Rule { additional_bindings: vec![nested], ..get("/a") };
    let kind = Custom { kind: "a b".into(), path: "/x".into() };
    let kind = Rule { pattern: Some(Pattern::Custom(kind)), ..Rule::default() };
    for (rule, expected) in [
        (nested, "additional_bindings stand inside additional_bindings"),
        (Rule::default(), "an HTTP rule has no pattern"),
        (get(""), "an HTTP rule has an empty path"),
        (kind, "the custom pattern of `/x` has a kind that is no HTTP method"),
    ] {
        let problems = refused(annotated(&rule.encode_to_vec()));
        assert!(problems[0].starts_with("a.binpb: a.proto: a.S.C: "), "{problems:?}");
        assert!(problems[0].contains(expected), "{problems:?}");
    }
    let problems = refused(annotated(&[0x12, 0x05, b'x']));
    assert!(problems[0].contains("google.api.http can't be read"), "{problems:?}");
}

#[test]
fn an_unknown_field_of_a_rule_is_a_warning() {
    let mut rule = get("/a").encode_to_vec();
    encode_key(99, WireType::Varint, &mut rule);
    rule.push(1);
    let (schema, problems) = annotated(&rule).build();
    assert_eq!(schema.unwrap().methods()[0].rules.len(), 1);
    assert!(!problems[0].is_error());
    assert!(problems[0].message.contains("unknown field 99"), "{problems:?}");
}

#[test]
fn an_overlay_replaces_the_annotation_and_the_last_one_wins() {
    let overlay = format!(
        "type: google.api.Service
config_version: 3
name: books.example.com
http:
  rules:
  - selector: {GET}
    get: /old
  - selector: {GET}
    get: /v2/{{name=shelves/*}}
    response_body: title
    additional_bindings:
    - post: /v2/read
      body: '*'
    - custom: {{ kind: '*', path: /any }}
"
    );
    let schema = built(bookshelf().add_rules("rules.yaml", &overlay));
    let rules = &schema.method_by_path("/bookshelf.v1.Bookshelf/GetBook").unwrap().rules;
    let templates: Vec<_> = rules.iter().map(|rule| &*rule.template).collect();
    assert_eq!(templates, ["/v2/{name=shelves/*}", "/v2/read", "/any"]);
    assert_eq!(&*rules[0].response_body, "title");
    assert_eq!(rules[1].body, Body::Whole);
    assert_eq!(rules[2].method, HttpMethod::Any);
    assert_eq!(&*rules[0].origin, "rules.yaml:8");
    let list = schema.method_by_path("/bookshelf.v1.Bookshelf/ListBooks").unwrap();
    assert_eq!(list.rules.len(), 3, "the others keep their own");
}

#[test]
fn an_overlay_may_be_json() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.json");
    let overlay = format!(
        r#"{{"http": {{"rules": [{{"selector": "{GET}", "put": "/p", "responseBody": "title",
            "additionalBindings": [{{"patch": "/q"}}]}}]}}}}"#
    );
    fs::write(&path, overlay).unwrap();
    let schema = built(bookshelf().add_rules_file(&path));
    let rules = &schema.method_by_path("/bookshelf.v1.Bookshelf/GetBook").unwrap().rules;
    assert_eq!(rules.len(), 2);
    assert_eq!(&*rules[0].response_body, "title");
    assert_eq!(*rules[0].origin, format!("{}:1", path.display()));
}

#[test]
fn faults_of_an_overlay_are_told_with_their_lines_all_at_once() {
    let overlay = format!(
        "http:
  rules:
  - selector: no.Such.Method
    get: /a
  - get: /b
  - selector: {GET}
    got: /c
  - selector: {GET}
    get: /d
    post: /e
  - selector: {GET}
    get: [1]
  - selector: {GET}
    body: '*'
  - nonsense
  other: 1
"
    );
    let problems = refused(bookshelf().add_rules("rules.yaml", &overlay));
    let told = problems.join("\n");
    for expected in [
        "rules.yaml:3: http.rules: selector `no.Such.Method` names no method; name one",
        "rules.yaml:5: http.rules[1]: the rule has no selector",
        "rules.yaml:7: http.rules[2].got: unknown key",
        "rules.yaml:10: http.rules[3].post: the rule has a pattern already",
        "rules.yaml:12: http.rules[4].get: must be text",
        "rules.yaml:13: bookshelf.v1.Bookshelf.GetBook: an HTTP rule has no pattern",
        "rules.yaml:15: http.rules[6]: must be a mapping",
        "rules.yaml:16: http.other: unknown key",
    ] {
        assert!(problems.iter().any(|one| one.starts_with(expected)), "{expected} in\n{told}");
    }
    assert_eq!(problems.len(), 8, "{told}");
}

#[test]
fn what_is_no_overlay_is_refused() {
    for (text, expected) in [
        ("", "the file is empty"),
        ("http: [", "not YAML"),
        ("a: b", "no rules stand in the file"),
        ("[]", "must be a mapping"),
        ("type: other\nhttp: {rules: []}", "not a google.api.Service file"),
        ("http: {rules: 3}", "must be a list"),
    ] {
        let problems = refused(bookshelf().add_rules("rules.yaml", text));
        assert!(problems.iter().any(|one| one.contains(expected)), "{text}: {problems:?}");
        assert!(problems[0].starts_with("rules.yaml:"), "{problems:?}");
    }
}

#[test]
fn auto_map_gives_rules_to_those_that_have_none() {
    let mut files = files(BOOKSHELF);
    for method in &mut files.last_mut().unwrap().service[0].method {
        if method.name != "GetBook" {
            method.options = None;
        }
    }
    let builder = || Schema::builder().add_descriptor_set("api.binpb", &set_of(&files));
    let schema = built(builder().auto_map(|name| name != "bookshelf.v1.Bookshelf.Chat"));
    let rules = |name: &str| {
        let path = format!("/bookshelf.v1.Bookshelf/{name}");
        schema.method_by_path(&path).unwrap().rules.clone()
    };
    assert_eq!(&*rules("GetBook")[0].template, "/v1/{name=shelves/*/books/*}");
    assert_eq!(*rules("Chat"), []);
    let made = &rules("ListBooks")[0];
    assert_eq!(made.method, HttpMethod::One(http::Method::POST));
    assert_eq!(&*made.template, "/bookshelf.v1.Bookshelf/ListBooks");
    assert_eq!((&made.body, &*made.origin), (&Body::Whole, "auto_map"));
    assert!(built(builder()).methods()[0].rules.is_empty());
}
