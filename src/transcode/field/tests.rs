//! What a field's reader finds, and that it sees what other parsers see.

use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor, ReflectMessage};

use super::{Fault, Field, Found, Kind, Label, Value, enum_number};
use crate::transcode::tests::pool_of;

const SOURCE: &str = r#"
    syntax = "proto2";
    package t;
    enum Color { GREEN = 3; RED = 0; }
    message Owner { optional string id = 3; optional Owner boss = 4; }
    message Shelf {
        optional Owner owner = 1;
        optional group Place = 2 { optional sint32 row = 1; }
        optional int32 rank = 3 [default = 7];
    }
    message Request {
        optional Shelf shelf = 2;
        optional string displayName = 3;
        repeated int32 numbers = 4;
        repeated int32 tight = 5 [packed = true];
        map<string, Color> colors = 6;
        optional Color color = 7;
        oneof pick { string name = 8; Shelf other = 9; fixed32 number = 10; }
        optional bytes raw = 11;
        repeated Owner owners = 12;
        optional double size = 13;
        optional bool flag = 14;
        optional uint64 big = 15;
    }
"#;

fn request() -> MessageDescriptor {
    pool_of(SOURCE).get_message_by_name("t.Request").unwrap()
}

fn found(path: &str, wire: &[u8]) -> Result<String, Fault> {
    let request = request();
    let field = Field::compile(&request, path).unwrap();
    field.read(wire, 100).map(|found| match found {
        Found::Absent => "-".to_owned(),
        Found::One(value) => shown(&value),
        Found::List(values) => values.iter().map(shown).collect::<Vec<_>>().join(" "),
        Found::Map(pairs) => {
            let pair =
                |(key, value): &(Value<'_>, Value<'_>)| format!("{}={}", shown(key), shown(value));
            pairs.iter().map(pair).collect::<Vec<_>>().join(" ")
        }
    })
}

fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Double(value) => value.to_string(),
        Value::Text(value) => (*value).to_owned(),
        Value::Bytes(value) => format!("{value:?}"),
        Value::Enum(value) => format!("#{value}"),
        Value::Message(value) => format!("{value:?}"),
    }
}

#[test]
fn field_is_found_by_proto_and_json_names() {
    let request = request();
    for (path, kind, label) in [
        ("shelf.owner.id", Kind::Text, Label::One),
        ("shelf.owner.boss.boss.id", Kind::Text, Label::One),
        ("shelf.place.row", Kind::Int, Label::One),
        ("shelf", Kind::Message("t.Shelf".into()), Label::One),
        ("displayName", Kind::Text, Label::One),
        ("numbers", Kind::Int, Label::List),
        ("colors", Kind::Enum("t.Color".into()), Label::Map),
        ("number", Kind::Uint, Label::One),
    ] {
        let field = Field::compile(&request, path).unwrap();
        assert_eq!((field.kind(), field.label()), (&kind, label), "{path}");
    }
    let rank = Field::compile(&request, "shelf.rank").unwrap();
    assert_eq!(rank.default(), Some(Value::Int(7)));
    assert!(rank.has_presence() && !rank.is_set(&Found::Absent));
    assert_eq!(enum_number(&request, "t.GREEN"), Some(3));
    assert_eq!(enum_number(&request, "t.Color.GREEN"), Some(3));
    assert_eq!(enum_number(&request, "t.Color.BLUE"), None);
}

#[test]
fn path_without_a_field_says_what_would_mend_it() {
    for (path, part) in [
        ("shelv", "did you mean `shelf`?"),
        ("shelf.owner.name", "it has `id`, `boss`"),
        ("numbers.x", "is not one message"),
        ("owners.id", "is not one message"),
        ("colors.key", "is not one message"),
        ("raw.x", "is not one message"),
        ("", "has no field ``"),
        ("shelf..owner", "has no field ``"),
    ] {
        let error = Field::compile(&request(), path).unwrap_err();
        assert!(error.to_string().contains(part), "{path}: {error}");
    }
}

#[test]
fn last_value_wins_and_pieces_of_messages_merge() {
    // shelf { owner { id: "a" } }, shelf { rank: 1 }, shelf { owner { boss {} } }
    let wire = b"\x12\x05\x0a\x03\x1a\x01a\x12\x02\x18\x01\x12\x04\x0a\x02\x22\x00";
    assert_eq!(found("shelf.owner.id", wire).unwrap(), "a");
    assert_eq!(found("shelf.rank", wire).unwrap(), "1");
    assert_eq!(found("shelf.owner.boss.id", wire).unwrap(), "-");
    assert_eq!(found("shelf.owner", wire).unwrap(), format!("{:?}", b"\x1a\x01a\x22\x00"));
    assert_eq!(found("displayName", b"\x1a\x01a\x1a\x01b").unwrap(), "b");
    // A group, and one in a group that is unknown.
    assert_eq!(found("shelf.place.row", b"\x12\x04\x13\x08\x03\x14").unwrap(), "-2");
    assert_eq!(found("shelf.place.row", b"\x12\x06\x13\x5b\x5c\x08\x03\x14").unwrap(), "-2");
}

#[test]
fn lists_are_read_packed_and_unpacked_under_a_limit() {
    for path in ["numbers", "tight"] {
        let tag = if path == "numbers" { 0x20 } else { 0x28 };
        let wire = [tag, 1, tag + 2, 2, 2, 0x7f, tag, 3];
        assert_eq!(found(path, &wire).unwrap(), "1 2 127 3");
        let field = Field::compile(&request(), path).unwrap();
        assert_eq!(field.read(&wire, 3), Err(Fault::TooMany));
    }
    assert_eq!(found("owners", b"\x62\x00\x62\x02\x1a\x00").unwrap(), "[] [26, 0]");
    let colors = b"\x32\x05\x0a\x01a\x10\x03\x32\x00\x32\x03\x0a\x01b";
    assert_eq!(found("colors", colors).unwrap(), "a=#3 =#3 b=#3");
}

#[test]
fn later_member_of_a_oneof_clears_the_earlier_one() {
    let wire = b"\x42\x01a\x4a\x02\x18\x05";
    assert_eq!(found("name", wire).unwrap(), "-");
    assert_eq!(found("other.rank", wire).unwrap(), "5");
    // other { rank: 5 }, name: "a", other {}
    assert_eq!(found("other.rank", b"\x4a\x02\x18\x05\x42\x01a\x4a\x00").unwrap(), "-");
    // A rival of the wrong wire type is an unknown field.
    assert_eq!(found("name", b"\x42\x01a\x50\x01").unwrap(), "a");
    assert_eq!(found("name", b"\x42\x01a\x55abcd").unwrap(), "-");
}

#[test]
fn another_wire_type_is_an_unknown_field() {
    assert_eq!(found("shelf.rank", b"\x12\x03\x1a\x01a").unwrap(), "-");
    assert_eq!(found("shelf.rank", b"\x10\x01").unwrap(), "-");
    assert_eq!(found("shelf.place.row", b"\x12\x04\x12\x02\x08\x03").unwrap(), "-");
    assert_eq!(found("big", b"\x7d\x00\x00\x00\x00").unwrap(), "-");
    assert_eq!(found("flag", b"\x70\x80\x80\x02").unwrap(), "true");
}

#[test]
fn what_parsers_disagree_on_is_refused() {
    for (path, wire) in [
        ("color", b"\x38\x05".as_slice()),         // closed enum
        ("displayName", b"\x1a\x01\xff"),          // not UTF-8
        ("flag", b"\x00\x01"),                     // field number 0
        ("flag", b"\x0c"),                         // an end without a start
        ("flag", b"\x0f\x01"),                     // wire type 7
        ("flag", b"\x0b\x14"),                     // the end of another group
        ("flag", b"\xf0\x80\x80\x80\x80\x01\x01"), // a tag of more than 32 bits
        ("flag", b"\x70\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
        ("flag", b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
    ] {
        assert_eq!(found(path, wire), Err(Fault::Malformed), "{path} {wire:x?}");
    }
    assert_eq!(found("flag", &[0x0b; 100_000]), Err(Fault::Malformed));
    let whole = b"\x12\x05\x0a\x03\x1a\x01a\x38\x03\x25abcd\x29abcdefgh\x0b\x08\x01\x0c";
    for cut in 0..whole.len() {
        let _ = found("shelf.owner.id", &whole[..cut]);
    }
}

proptest::proptest! {
    /// On any bytes that the library takes for a message, the reader finds what the library does.
    #[test]
    fn reader_agrees_with_the_library(
        parts in proptest::collection::vec((0..12usize, 0..4i32, "[a-c]{0,3}"), 0..12),
    ) {
        let mut wire = Vec::new();
        for (kind, number, text) in parts {
            let piece = text.len() as u8;
            match kind {
                0 => wire.extend([0x12, piece + 4, 0x0a, piece + 2, 0x1a, piece]),
                1 => wire.extend([0x1a, piece]),
                2 => wire.extend([0x42, piece]),
                3 => wire.extend([0x4a, piece + 4, 0x0a, piece + 2, 0x1a, piece]),
                4 => wire.extend([0x20, number as u8]),
                5 => wire.extend([0x22, piece]),
                6 => wire.extend([0x12, 2, 0x18, number as u8]),
                7 => wire.extend([0x12, 4, 0x13, 0x08, number as u8, 0x14]),
                8 => wire.extend([0x5a, piece]),
                9 => wire.extend([0x0a, piece]),
                10 => wire.extend([0x70, number as u8]),
                _ => wire.extend([0x12, 0]),
            }
            if matches!(kind, 0..=3 | 5 | 8 | 9) {
                wire.extend(text.as_bytes());
            }
        }
        let request = request();
        let message = DynamicMessage::decode(request.clone(), wire.as_slice()).unwrap();
        for path in ["shelf.owner.id", "displayName", "name", "other.owner.id", "shelf.rank",
            "shelf.place.row", "raw", "flag", "numbers"] {
            let want = path.split('.').try_fold(
                prost_reflect::Value::Message(message.clone()),
                |inside, name| {
                    let inside = inside.as_message()?;
                    let field = inside.descriptor().get_field_by_name(name)?;
                    let is_there = inside.has_field(&field) || field.is_list();
                    is_there.then(|| inside.get_field(&field).into_owned())
                },
            );
            let want = want.map_or("-".into(), |value| reflected(&value));
            proptest::prop_assert_eq!(found(path, &wire).unwrap(), want, "{}", path);
        }
        proptest::prop_assert!(message.encode_to_vec().len() <= wire.len() + 2);
    }
}

fn reflected(value: &prost_reflect::Value) -> String {
    use prost_reflect::Value as V;
    match value {
        V::I32(number) => number.to_string(),
        V::Bool(value) => value.to_string(),
        V::String(text) => text.clone(),
        V::Bytes(bytes) => format!("{:?}", &bytes[..]),
        V::List(list) => list.iter().map(reflected).collect::<Vec<_>>().join(" "),
        other => panic!("{other:?}"),
    }
}
