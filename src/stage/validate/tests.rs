//! What rules refuse, how it is told, and which rules are wrong themselves.

use std::{
    path::Path,
    sync::{Arc, LazyLock},
};

use bytes::Bytes;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde_json::{Value, json};

use super::{Rules, Settings};
use crate::{
    callout::Upstreams,
    error::{Code, Error},
    exchange::{Messages, Metadata, Reply},
    lasting::Lasting,
    schema::{Method, Schema},
    stage::{
        Blueprint,
        testing::{answers, build, chain, exchange, message, method},
    },
};

const SOURCE: &str = r#"
    syntax = "proto3";
    package t;
    import "buf/validate/validate.proto";
    import "google/api/field_behavior.proto";
    import "google/protobuf/duration.proto";
    import "google/protobuf/wrappers.proto";
    enum Kind { KIND_UNKNOWN = 0; KIND_NOVEL = 2; }
    message Page {
        string title = 1 [(buf.validate.field).string.min_len = 3];
        Page next = 2;
        int32 plain = 3;
    }
    message Book {
        option (buf.validate.message).cel = {
            id: "book.dates", message: "it ends after it begins",
            expression: "!has(this.end) || this.begin <= this.end"
        };
        repeated Page pages = 1 [(buf.validate.field).repeated.max_items = 1000];
        string file_name = 2 [(buf.validate.field).string.pattern = "^(a+)+$", (buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE];
        Kind kind = 3 [(buf.validate.field).enum.defined_only = true];
        map<string, int32> marks = 4 [
            (buf.validate.field).map.keys.string.max_len = 5,
            (buf.validate.field).map.values.int32.gt = 0];
        int32 begin = 5;
        optional int32 end = 6;
        google.protobuf.Duration span = 7 [(buf.validate.field).duration.lte = { seconds: 60 }];
        google.protobuf.StringValue mail = 8 [(buf.validate.field).string.email = true];
        oneof pick { option (buf.validate.oneof).required = true; string one = 9; string two = 10; }
        string id = 11 [(google.api.field_behavior) = REQUIRED];
        string etag = 12 [(google.api.field_behavior) = OUTPUT_ONLY];
        repeated string tags = 13 [(buf.validate.field).repeated.unique = true];
        uint32 even = 14 [(buf.validate.field).cel = {
            id: "even", message: "must be even", expression: "this % 2u == 0u" }];
    }
    message Request {
        Book book = 1 [(buf.validate.field).required = true];
        repeated Plain plains = 2;
    }
    message Plain { string a = 1; Plain b = 2; }
"#;

fn input() -> MessageDescriptor {
    message(SOURCE, "t.Request")
}

fn wire(book: Value) -> Bytes {
    let request = DynamicMessage::deserialize(input(), json!({ "book": book })).unwrap();
    prost::Message::encode_to_vec(&request).into()
}

async fn send(settings: Value, message: Bytes) -> Result<Bytes, Error> {
    let method = Method { input: input(), ..method(false) };
    let stage = build("validate", Some(settings), &method).unwrap().unwrap();
    let backend = answers(|exchange| {
        let message = exchange.messages.as_one().cloned().unwrap_or_default();
        Ok(Reply { metadata: Metadata::new(), messages: Messages::one(message) })
    });
    let mut exchange = exchange(Metadata::new(), None);
    exchange.messages = Messages::one(message);
    let mut reply = chain(stage, backend).call(exchange).await?;
    reply.messages.next().await.unwrap()
}

/// The JSON paths and rules that a book breaks.
fn broken(book: Value) -> Vec<String> {
    let rules = Rules::compile(&input(), &Settings::default()).unwrap().unwrap();
    let outcome = rules.check(&wire(book), 100).unwrap();
    assert_eq!(outcome.failure, None);
    let shown = outcome.violations.iter().map(|one| format!("{} {}", one.json_path(), one.rule));
    shown.collect()
}

#[test]
fn validate_tells_where_and_which_rule() {
    let whole = |more: Value| {
        let mut book = json!({ "one": "x" });
        book.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        book
    };
    for (book, want) in [
        (json!({}), vec![]),
        (
            json!({ "pages": [{ "title": "abc" }, { "title": "ab" }] }),
            vec!["book.pages[1].title string.min_len"],
        ),
        (
            json!({ "pages": [{ "title": "abc", "next": { "title": "é" } }] }),
            vec!["book.pages[0].next.title string.min_len"],
        ),
        (json!({ "fileName": "aab" }), vec!["book.fileName string.pattern"]),
        (json!({ "fileName": "aaa" }), vec![]),
        (json!({ "kind": 7 }), vec!["book.kind enum.defined_only"]),
        (json!({ "marks": { "a": 1, "b": 0 } }), vec!["book.marks[\"b\"] int32.gt"]),
        (json!({ "marks": { "abcdef": 1 } }), vec!["book.marks[\"abcdef\"] string.max_len"]),
        (json!({ "begin": 2, "end": 1 }), vec!["book book.dates"]),
        (json!({ "begin": 2 }), vec![]),
        (json!({ "span": "61s" }), vec!["book.span duration.lte"]),
        (json!({ "mail": "a@b.c" }), vec![]),
        (json!({ "mail": "a" }), vec!["book.mail string.email"]),
        (json!({ "mail": "" }), vec!["book.mail string.email_empty"]),
        (json!({ "tags": ["a", "b", "a"] }), vec!["book.tags repeated.unique"]),
        (json!({ "even": 3 }), vec!["book.even even"]),
        (json!({ "even": 4 }), vec![]),
    ] {
        assert_eq!(broken(whole(book.clone())), want, "{book}");
    }
    assert_eq!(broken(json!({})), ["book.pick required"]);
    let rules = Rules::compile(&input(), &Settings::default()).unwrap().unwrap();
    let empty = rules.check(b"", 100).unwrap();
    assert_eq!(empty.violations[0].json_path(), "book");
}

#[tokio::test]
async fn validate_refusal_is_invalid_argument_with_each_violation() {
    let book = json!({ "one": "x", "even": 3, "span": "61s" });
    let error = send(json!({}), wire(book)).await.unwrap_err();
    assert_eq!((error.code(), error.http_status().as_u16()), (Code::InvalidArgument, 400));
    let want = "field `book.span`: must be less than or equal to 60s (and 1 more)";
    assert_eq!(error.message(), want);
    let detail = &error.details()[0];
    assert_eq!(detail.type_url, "type.googleapis.com/google.rpc.BadRequest");
    let text = String::from_utf8_lossy(&detail.value);
    for part in ["book.span", "duration.lte", "book.even", "must be even"] {
        assert!(text.contains(part), "{part}");
    }
    let good = wire(json!({ "one": "x" }));
    assert_eq!(send(json!({}), good.clone()).await.unwrap(), good);
    let error = send(json!({}), Bytes::from_static(b"\x0a\x05a")).await.unwrap_err();
    assert_eq!((error.code(), error.reason()), (Code::InvalidArgument, "broken_message"));
}

#[tokio::test]
async fn validate_field_behavior_by_option() {
    let set = json!({ "one": "x", "etag": "mine", "id": "1" });
    let without = json!({ "one": "x" });
    assert!(send(json!({}), wire(set.clone())).await.is_ok());
    let error = send(json!({ "required": true }), wire(without.clone())).await.unwrap_err();
    assert!(error.message().contains("book.id"), "{error}");
    let error = send(json!({ "output_only": "reject" }), wire(set.clone())).await.unwrap_err();
    assert!(error.message().contains("book.etag"), "{error}");
    let passed = send(json!({ "output_only": "clear" }), wire(set)).await.unwrap();
    assert_eq!(passed, wire(json!({ "one": "x", "id": "1" })));
    let only = json!({ "rules": false, "required": true });
    assert!(send(only, wire(json!({ "id": "1", "even": 3 }))).await.is_ok());
}

#[test]
fn validate_rules_are_known_from_a_set_that_does_not_declare_them() {
    let alone = input().parent_file().encode_to_vec();
    let (schema, problems) = Schema::builder().add_files("a set", &[alone]).build();
    let schema = schema.unwrap_or_else(|| panic!("{problems:?}"));
    let input = schema.pool().get_message_by_name("t.Request").unwrap();
    let rules = Rules::compile(&input, &Settings::default()).unwrap().unwrap();
    assert_eq!(rules.check(b"", 100).unwrap().violations[0].rule, "required");
}

/// What a stage for a method is made from.
fn blueprint<'a>(method: &'a Method, lasting: &'a Lasting) -> Blueprint<'a> {
    static UPSTREAMS: LazyLock<Upstreams> = LazyLock::new(Upstreams::default);
    Blueprint {
        settings: None,
        method,
        place: "validate",
        places: &str::to_owned,
        folder: Path::new(""),
        lasting,
        upstreams: &UPSTREAMS,
    }
}

#[test]
fn validate_methods_of_one_type_share_their_rules() {
    let lasting = &Lasting::new();
    let made = |input: &MessageDescriptor, settings: &Settings| {
        let method = &Method { input: input.clone(), ..method(false) };
        super::rules_of(&blueprint(method, lasting), settings)
    };
    let (input, usual) = (input(), Settings::default());
    let first = made(&input, &usual);
    assert!(Arc::ptr_eq(&first, &made(&input.clone(), &usual)));
    // Other settings, another type and another schema have their own.
    let strict = Settings { required: true, ..Settings::default() };
    let book = input.get_field(1).unwrap().kind().as_message().unwrap().clone();
    let others = [made(&input, &strict), made(&book, &usual), made(&self::input(), &usual)];
    assert!(others.iter().all(|other| !Arc::ptr_eq(&first, other)));
}

#[test]
fn validate_without_rules_is_no_stage() {
    let plain = Method { input: message(SOURCE, "t.Plain"), ..method(false) };
    assert!(build("validate", Some(json!({})), &plain).unwrap().is_none());
    let off = Method { input: input(), ..method(false) };
    assert!(build("validate", Some(json!({ "enabled": false })), &off).unwrap().is_none());
    assert!(build("validate", None, &off).unwrap().is_none());
}

#[test]
fn validate_wrong_rules_are_problems() {
    for (field, part) in [
        ("string a = 1 [(buf.validate.field).int32.gt = 1];", "write `string` rules"),
        (
            "string a = 1 [(buf.validate.field).cel = { id: \"x\", expression: \"this ==\" }];",
            "no CEL",
        ),
        (
            "string a = 1 [(buf.validate.field).cel = { id: \"x\", expression: \"that == ''\" }];",
            "`that` is unknown",
        ),
        (
            "option (buf.validate.message).cel = { id: \"x\", expression: \"this.b == ''\" }; string a = 1;",
            "has no field `b`",
        ),
        ("option (buf.validate.message).oneof = { fields: [\"b\"] }; string a = 1;", "names `b`"),
        (
            "repeated string a = 1 [(buf.validate.field).string.min_len = 1];",
            "write `repeated` rules",
        ),
    ] {
        let source = format!(
            "syntax = \"proto3\"; package t; import \"buf/validate/validate.proto\"; message M {{ {field} }}"
        );
        let method = Method { input: message(&source, "t.M"), ..method(false) };
        let (path, told) = build("validate", Some(json!({})), &method).err().unwrap();
        assert!(path.is_empty() && told.contains(part) && told.contains("`t.M"), "{field}: {told}");
    }
}

#[test]
fn validate_hostile_messages_cost_linear_time() {
    let rules = Rules::compile(&input(), &Settings::default()).unwrap().unwrap();
    let huge = wire(json!({ "one": "x", "fileName": format!("{}b", "a".repeat(1 << 20)) }));
    assert_eq!(rules.check(&huge, 100).unwrap().violations.len(), 1);
    let tags: Vec<String> = (0..20_000).map(|tag| tag.to_string()).collect();
    let many = wire(json!({ "one": "x", "tags": tags }));
    assert!(rules.check(&many, 100).unwrap().violations.is_empty());
    let pages: Vec<Value> = (0..1_000).map(|_| json!({ "title": "" })).collect();
    let outcome = rules.check(&wire(json!({ "one": "x", "pages": pages })), 20).unwrap();
    assert_eq!(outcome.violations.len(), 20);
    // Deeper than messages may nest.
    let mut deep = Vec::new();
    for _ in 0..5_000 {
        let length = prost::length_delimiter_len(deep.len()) + deep.len() + 1;
        let mut outer = Vec::with_capacity(length);
        outer.push(0x12);
        prost::encode_length_delimiter(deep.len(), &mut outer).unwrap();
        outer.extend(&deep);
        deep = outer;
    }
    let mut whole = vec![0x0a];
    let mut book = vec![0x0a];
    prost::encode_length_delimiter(deep.len(), &mut book).unwrap();
    book.extend(deep);
    prost::encode_length_delimiter(book.len(), &mut whole).unwrap();
    whole.extend(book);
    assert!(rules.check(&whole, 100).is_err());
}
