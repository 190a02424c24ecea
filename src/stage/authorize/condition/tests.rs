//! What conditions read, what is wrong with them before they run, and what they cost.

use std::sync::Arc;

use bytes::Bytes;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde_json::json;

use super::{Condition, Facts};
use crate::{
    exchange::{Approach, Exchange, Principal, PrincipalKind},
    schema::Method,
    stage::testing,
};

fn input() -> MessageDescriptor {
    testing::message(
        r#"
        syntax = "proto3";
        package t;
        import "google/protobuf/timestamp.proto";
        import "google/protobuf/duration.proto";
        enum Kind { KIND_UNKNOWN = 0; KIND_NOVEL = 2; }
        message Owner { string id = 1; optional int32 age = 2; }
        message Request {
            string shelf = 1;
            Owner owner = 2;
            uint32 count = 3;
            repeated string tags = 4;
            map<string, string> labels = 5;
            Kind kind = 6;
            google.protobuf.Timestamp since = 7;
            google.protobuf.Duration span = 8;
            repeated Owner owners = 9;
            double price = 10;
            bool open = 11;
            bytes raw = 12;
            string displayName = 13;
        }
        "#,
        "t.Request",
    )
}

fn method() -> Method {
    Method { input: input(), ..testing::method(false) }
}

fn message(json: serde_json::Value) -> Vec<u8> {
    let message = DynamicMessage::deserialize(input(), json).unwrap();
    prost::Message::encode_to_vec(&message)
}

fn exchange() -> Exchange {
    let mut metadata = http::HeaderMap::new();
    metadata.insert("x-tenant", "library".parse().unwrap());
    metadata.append("x-twice", "a".parse().unwrap());
    metadata.append("x-twice", "b".parse().unwrap());
    let mut exchange = testing::exchange(metadata, None);
    let claims =
        json!({ "shelf": "s1", "level": 3, "shelves": ["s1", "s2"], "realm": { "x": true } });
    exchange.extensions.insert(Arc::new(Principal {
        id: "ada".into(),
        issuer: "https://id.example".into(),
        kind: PrincipalKind::Jwt,
        scopes: vec!["read".into()],
        claims: claims.as_object().unwrap().clone(),
    }));
    let client = Some("192.0.2.1".parse().unwrap());
    exchange.extensions.insert(Arc::new(Approach { client, ..Approach::default() }));
    exchange
}

fn holds(source: &str, exchange: &Exchange, wire: &[u8]) -> Result<bool, String> {
    let condition =
        Condition::compile(source, &method()).unwrap_or_else(|e| panic!("{source}: {e}"));
    condition.holds(&Facts::new(exchange, wire))
}

#[test]
fn condition_reads_what_it_names() {
    let wire = message(json!({
        "shelf": "s1", "owner": { "id": "ada", "age": 0 }, "count": 5, "tags": ["a", "b"],
        "labels": { "env": "prod" }, "kind": "KIND_NOVEL", "since": "2024-01-01T00:00:00Z",
        "span": "90s", "price": 1.5, "raw": "AAE=", "displayName": "D",
    }));
    let exchange = exchange();
    for source in [
        "request.shelf == principal.claims.shelf",
        "request.shelf in principal.claims.shelves",
        "principal.claims.shelves.exists(s, s == request.shelf)",
        "request.owner.id == principal.id && principal.kind == 'jwt'",
        "request.count == 5 && request.count < 5.5 && request.count + 1u == 6u",
        "request.count >= principal.claims.level",
        "request.tags.all(t, t.matches('^[a-z]$')) && request.tags.size() == 2",
        "request.tags.exists_one(t, t == 'a') && 'b' in request.tags && request.tags[0] == 'a'",
        "request.tags.filter(t, t != 'a').size() == 1 && request.tags.map(t, t + t)[1] == 'bb'",
        "request.labels.env == 'prod' && request.labels['env'] == 'prod' && 'env' in request.labels",
        "has(request.labels.env) && !has(request.labels.other)",
        "request.kind == t.Kind.KIND_NOVEL && request.kind == 2 && request.kind != t.KIND_UNKNOWN",
        "request.since < timestamp('2025-01-01T00:00:00Z') && request.span == duration('90s')",
        "has(request.owner) && has(request.owner.age) && !has(request.open) && has(request.tags)",
        "request.raw == b'\\x00\\x01' && request.displayName == 'D' && request.price > 1.0",
        "method.name == 'Call' && method.service == 'test.Service' && method.full != ''",
        "metadata['x-tenant'] == 'library' && metadata['X-Tenant'] == 'library'",
        "metadata['x-twice'] == 'a, b' && 'x-tenant' in metadata && !('x-none' in metadata)",
        "has(metadata.host) || address == '192.0.2.1'",
        "'read' in principal.scopes && has(principal.id) && principal.claims.realm.x",
        "has(principal.claims.shelf) && !has(principal.claims.none) && 'shelf' in principal.claims",
        "request.shelf.startsWith('s') ? true : false",
        "false || request.shelf.lowerAscii() == 's1'",
    ] {
        assert_eq!(holds(source, &exchange, &wire), Ok(true), "{source}");
    }
    for source in
        ["request.shelf == 's2'", "has(request.open)", "request.open", "request.kind == 0"]
    {
        assert_eq!(holds(source, &exchange, &wire), Ok(false), "{source}");
    }
}

#[test]
fn absent_fields_are_their_defaults() {
    let exchange = exchange();
    for source in [
        "request.shelf == '' && request.count == 0 && request.tags.size() == 0 && !request.open",
        "request.owner.id == '' && !has(request.owner) && !has(request.shelf)",
        "request.span == duration('0s') && request.since == timestamp('1970-01-01T00:00:00Z')",
        "request.tags.all(t, false)",
    ] {
        assert_eq!(holds(source, &exchange, b""), Ok(true), "{source}");
    }
}

#[test]
fn what_can_not_be_told_does_not_hold() {
    let exchange = exchange();
    let anonymous = testing::exchange(http::HeaderMap::new(), None);
    for (source, exchange, wire, part) in [
        ("principal.claims.none == 'a'", &exchange, b"".as_slice(), "the claim `none`"),
        ("metadata['x-none'] == 'a'", &exchange, b"", "`x-none`"),
        ("principal.id == 'ada'", &anonymous, b"", "nobody is known"),
        ("principal.claims.a == 'ada'", &anonymous, b"", "nobody is known"),
        ("address == 'x'", &anonymous, b"", "no address"),
        ("request.shelf == 'a'", &exchange, b"\x0a\x05a", "broken"),
        ("request.shelf == 'a'", &exchange, b"\x0a\x01\xff", "broken"),
        ("request.labels.none == 'a'", &exchange, b"", "none"),
        ("request.tags[3] == 'a'", &exchange, b"", ""),
        ("10 / request.owner.age == 1", &exchange, b"", ""),
        ("principal.claims.shelf", &exchange, b"", "string"),
        ("principal.claims.shelf && true", &exchange, b"", ""),
    ] {
        let error = holds(source, exchange, wire).unwrap_err();
        assert!(error.to_lowercase().contains(part), "{source}: {error}");
    }
}

#[test]
fn wrong_conditions_are_problems_before_they_run() {
    for (source, part) in [
        ("request.shelv == 'a'", "did you mean `shelf`?"),
        ("request.isbn == 'a'", "under a selector of methods that have the field"),
        ("request.shelf == 1", "`==` can't be between a string and a int"),
        ("request.count == 'a'", "between a uint and a string"),
        ("request.shelf < 1", "`<` can't be"),
        ("request.shelf in [1, 2]", "`in` can't be"),
        ("request.tags == 'a'", "between a list(string) and a string"),
        ("request.owner == principal.id", "is made of messages"),
        ("request.owners.size() == 1", "is made of messages"),
        ("request.owner.id.first == 'a'", "is not one message"),
        ("request.shelf", "it gives a string"),
        ("request", "name a field"),
        ("user.id == 'a'", "`user.id` is unknown"),
        ("x", "`x` is unknown"),
        ("principal == 'a'", "`principal` has"),
        ("principal.name == 'a'", "`principal` has"),
        ("method.path == 'a'", "`method` has"),
        ("metadata['a b'] == 'a'", "no name of metadata"),
        ("request.kind == t.Kind.KIND_POEM", "is unknown"),
        ("request.shelf.frobnicate()", "the function `frobnicate` is unknown"),
        ("request.count.startsWith('a')", "takes a string and not a uint"),
        ("request.shelf.matches('(')", "is no pattern"),
        ("request.shelf.matches(request.displayName)", "has to be written out"),
        ("request.shelf.startsWith()", "wrong number of operands"),
        ("!request.shelf", "takes a bool"),
        ("-request.shelf == 'a'", "`-` takes a number with a sign and not a string"),
        ("-request.count == -1", "`-` takes a number with a sign and not a uint"),
        ("request.shelf && true", "`&&` can't be"),
        ("request.shelf ? true : false", "before `?`"),
        ("request.tags.all(t, t == 1)", "between a string and a int"),
        ("request.tags.all(t, request.tags.all(u, u == t))", "a macro inside of a macro"),
        ("request.tags.all(t, t in request.tags)", "no other part of the message"),
        ("request.shelf.all(t, true)", "macros go over lists"),
        ("{'a': 1}.a == 1", "can't be made"),
        ("request.shelf ==", "it is no CEL"),
        ("has(request.nothing)", "has no field `nothing`"),
        ("size(request.count) == 1", "has no size"),
    ] {
        let error = Condition::compile(source, &method()).err();
        let error = error.unwrap_or_else(|| panic!("{source} was taken"));
        assert!(error.contains(part), "{source}: {error}");
    }
}

#[test]
fn huge_messages_cost_linear_time_and_long_lists_are_refused() {
    let exchange = exchange();
    let huge = message(json!({ "shelf": "a".repeat(1 << 20) }));
    assert_eq!(holds("request.shelf.matches('^(a+)+$')", &exchange, &huge), Ok(true));
    assert_eq!(holds("request.shelf.matches('(a*)*b')", &exchange, &huge), Ok(false));
    let tags: Vec<_> = (0..1_001).map(|one| one.to_string()).collect();
    let long = message(json!({ "tags": tags }));
    let error = holds("request.tags.all(t, t != '')", &exchange, &long).unwrap_err();
    assert!(error.contains("too many"), "{error}");
    // What isn't named isn't read.
    assert_eq!(holds("request.shelf == ''", &exchange, &long), Ok(true));
    assert_eq!(holds("request.shelf == ''", &exchange, b"\x12\x03\xff\xff\xff"), Ok(true));
}

#[test]
fn kept_facts_judge_as_those_of_the_call() {
    let exchange = exchange();
    let kept = Facts::new(&exchange, &[]).keep();
    let source = "request.shelf == principal.claims.shelf && metadata['x-tenant'] == 'library'";
    let condition = Condition::compile(source, &method()).unwrap();
    let wire = Bytes::from(message(json!({ "shelf": "s1" })));
    assert_eq!(condition.holds(&kept.with(&wire)), Ok(true));
    assert!(condition.reads_message() && condition.reads_principal() && !condition.reads_address());
}
