//! Wire to JSON: everything that the wire format allows and serialisers don't write.

use super::*;

fn json(wire: &[u8]) -> String {
    to_json(&book(), wire).unwrap()
}

/// A field of the test message, from its JSON.
fn part(json: &str) -> Vec<u8> {
    to_wire(&book(), json).unwrap()
}

fn parts(parts: &[&str]) -> Vec<u8> {
    parts.iter().flat_map(|json| part(json)).collect()
}

#[test]
fn pieces_merge_and_the_last_wins() {
    for (pieces, expected) in [
        (&[r#"{"pages":1}"#, r#"{"pages":2}"#][..], r#"{"pages":2}"#),
        (
            &[r#"{"tags":["a"]}"#, r#"{"pages":1}"#, r#"{"tags":["b"]}"#],
            r#"{"pages":1,"tags":["a","b"]}"#,
        ),
        (
            &[
                r#"{"spot":{"depth":1,"next":{"depth":2}}}"#,
                r#"{"pages":1}"#,
                r#"{"spot":{"name":"x","next":{"name":"y"}}}"#,
            ],
            r#"{"pages":1,"spot":{"depth":1,"name":"x","next":{"depth":2,"name":"y"}}}"#,
        ),
        (&[r#"{"novel":"a"}"#, r#"{"poem":1}"#], r#"{"poem":1}"#),
        (
            &[r#"{"essay":{"depth":1}}"#, r#"{"essay":{"name":"x"}}"#],
            r#"{"essay":{"depth":1,"name":"x"}}"#,
        ),
        (
            &[r#"{"essay":{"depth":1}}"#, r#"{"poem":1}"#, r#"{"essay":{"name":"x"}}"#],
            r#"{"essay":{"name":"x"}}"#,
        ),
        (&[r#"{"counts":{"a":1,"b":2}}"#, r#"{"counts":{"a":3}}"#], r#"{"counts":{"a":3,"b":2}}"#),
        (
            &[r#"{"time":"1970-01-01T00:00:05Z"}"#, r#"{"time":"1970-01-01T00:00:00.5Z"}"#],
            r#"{"time":"1970-01-01T00:00:05.500Z"}"#,
        ),
        (&[r#"{"value":[1]}"#, r#"{"value":[2]}"#], r#"{"value":[1,2]}"#),
        (
            &[r#"{"value":{"a":1}}"#, r#"{"value":null}"#, r#"{"value":{"b":1}}"#],
            r#"{"value":{"b":1}}"#,
        ),
        (&[r#"{"extra":{"a":1}}"#, r#"{"extra":{"b":1,"a":2}}"#], r#"{"extra":{"a":2,"b":1}}"#),
        (&[r#"{"wrapped":"5"}"#, r#"{"wrapped":"0"}"#], r#"{"wrapped":"5"}"#),
        (
            &[r#"{"any":{"@type":"x/test.Spot"}}"#, r#"{"any":{"@type":"y/test.Spot","depth":1}}"#],
            r#"{"any":{"@type":"y/test.Spot","depth":1}}"#,
        ),
        (
            &[r#"{"shelves":{"1":{"depth":1}}}"#, r#"{"shelves":{"1":{"name":"x"}}}"#],
            r#"{"shelves":{"1":{"name":"x"}}}"#,
        ),
    ] {
        let wire = parts(pieces);
        assert_eq!(json(&wire), expected);
        let mut canonical = Vec::new();
        wire_to_wire(&book(), &Settings::default(), usize::MAX, &wire, &mut canonical).unwrap();
        assert_eq!(json(&canonical), expected);
    }
}

#[test]
fn packed_and_unpacked_mix() {
    // numbers = 12: packed 1 2, unpacked 3, packed 4.
    let wire = [0x62, 2, 1, 2, 0x60, 3, 0x62, 1, 4];
    assert_eq!(json(&wire), r#"{"numbers":[1,2,3,4]}"#);
    assert_eq!(json(&[0x62, 0]), "{}");
    assert_eq!(json(&[0x62, 0, 0x60, 1]), r#"{"numbers":[1]}"#);
}

#[test]
fn map_entries_may_be_odd() {
    // counts = 14: value before key, key twice, nothing at all, unknown field.
    for (entry, expected) in [
        (&[0x10, 5, 0x0a, 1, b'k'][..], r#"{"counts":{"k":5}}"#),
        (&[0x0a, 1, b'a', 0x0a, 1, b'b', 0x10, 1], r#"{"counts":{"b":1}}"#),
        (&[], r#"{"counts":{"":0}}"#),
        (&[0x0a, 1, b'a'], r#"{"counts":{"a":0}}"#),
        (&[0x10, 7], r#"{"counts":{"":7}}"#),
        (&[0x0a, 1, b'a', 0x18, 9, 0x10, 1], r#"{"counts":{"a":1}}"#),
    ] {
        let mut wire = vec![0x72, entry.len() as u8];
        wire.extend_from_slice(entry);
        assert_eq!(json(&wire), expected);
    }
    // shelves = 15: the value in two pieces, which merge.
    let wire = [0x7a, 11, 0x08, 1, 0x12, 2, 0x08, 3, 0x12, 3, 0x12, 1, b'x'];
    assert_eq!(json(&wire), r#"{"shelves":{"1":{"depth":3,"name":"x"}}}"#);
}

#[test]
fn unknown_fields_of_every_wire_type_are_skipped() {
    let mut wire = Vec::new();
    // Numbers 1000 to 1004: varint, eight bytes, length, group with a group inside, four bytes.
    for (kind, body) in [
        (0, &[0x96, 1][..]),
        (1, &[0; 8]),
        (2, &[2, 9, 9]),
        (3, &[0x0b, 0x10, 1, 0x0c, 0xc4, 0x3e]),
        (5, &[0; 4]),
    ] {
        prost::encoding::encode_varint(1000 << 3 | kind, &mut wire);
        wire.extend_from_slice(body);
    }
    wire.extend(part(r#"{"pages":1}"#));
    // A known number with a wire type that isn't the field's.
    wire.extend([0x0d, 1, 2, 3, 4]);
    assert_eq!(json(&wire), r#"{"pages":1}"#);
    let mut canonical = Vec::new();
    wire_to_wire(&book(), &Settings::default(), usize::MAX, &wire, &mut canonical).unwrap();
    assert_eq!(canonical.len(), wire.len());
    assert_eq!(json(&canonical), r#"{"pages":1}"#);
}

#[test]
fn broken_bytes_are_refused_wherever_they_break() {
    let whole = parts(&[
        r#"{"title":"Dune","copies":"7","price":1.5,"weight":1,"spot":{"depth":3,"name":"x"},"numbers":[1,2]}"#,
        r#"{"counts":{"a":1},"any":{"@type":"x/test.Spot","depth":1},"extra":{"a":[1]},"time":"1970-01-01T00:00:01Z"}"#,
    ]);
    let starts: Vec<usize> =
        (0..whole.len()).filter(|&end| to_json(&book(), &whole[..end]).is_ok()).collect();
    // Only between the fifteen or so fields may a prefix be a message.
    assert!(starts.len() <= 12, "{starts:?}");
    for bytes in [
        &[0x00][..],
        &[0x07],
        &[0x0e],
        &[0x0c],
        &[0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        &[0x0a, 0x7f],
        &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        &[0x0a, 1, 0xff],
        &[0x0b],
        &[0x0b, 0x14],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    ] {
        assert!(to_json(&book(), bytes).is_err(), "{bytes:02x?}");
    }
}

#[test]
fn what_json_can_not_express_is_refused() {
    for (field, content) in [
        ("time", &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f][..]),
        ("time", &[0x10, 0x80, 0x94, 0xeb, 0xdc, 0x03]),
        ("span", &[0x08, 1, 0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        ("mask", &[0x0a, 2, b'a', b'_']),
        ("mask", &[0x0a, 1, b'A']),
        ("value", &[0x11, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f]),
        ("any", &[0x0a, 3, b'x', b'/', b'y']),
    ] {
        let number = match field {
            "any" => 20,
            "time" => 21,
            "span" => 22,
            "mask" => 23,
            _ => 25,
        };
        let mut wire = Vec::new();
        prost::encoding::encode_varint(number << 3 | 2, &mut wire);
        wire.push(content.len() as u8);
        wire.extend_from_slice(content);
        assert!(to_json(&book(), &wire).is_err(), "{field}");
    }
}

#[test]
fn settings_choose_names_enums_and_defaults() {
    let pool = pool_of(
        r#"syntax = "proto3"; package t;
        enum E { ZERO = 0; ONE = 1; }
        message M { int32 an_int = 1; string text = 2; E an_enum = 3; repeated int32 list = 4;
          map<string, int32> map = 5; M inner = 6; optional int32 maybe = 7; oneof o { int32 x = 8; }
          int64 long = 9; bytes raw = 10; double real = 11; bool flag = 12; }"#,
    );
    let plan = plans_of(&pool).message_by_name("t.M").unwrap();
    let settings =
        |emit_defaults| Settings { emit_defaults, proto_names: true, ..Settings::default() };
    assert_eq!(
        to_json_with(&plan, &settings(EmitDefaults::Scalars), &[0x18, 1]).unwrap(),
        r#"{"an_enum":"ONE","an_int":0,"text":"","long":"0","raw":"","real":0,"flag":false}"#
    );
    assert_eq!(
        to_json_with(&plan, &settings(EmitDefaults::All), &[0x08, 0]).unwrap(),
        r#"{"an_int":0,"text":"","an_enum":"ZERO","list":[],"map":{},"long":"0","raw":"","real":0,"flag":false}"#
    );
    let numbers = Settings { enums_as_numbers: true, ..Settings::default() };
    assert_eq!(to_json_with(&plan, &numbers, &[0x18, 1, 0x08, 0]).unwrap(), r#"{"anEnum":1}"#);
    assert_eq!(to_json(&plan, &[0x18, 7, 0x38, 0]).unwrap(), r#"{"anEnum":7,"maybe":0}"#);
}

#[test]
fn one_field_is_written_alone_and_its_absence_is_empty() {
    let plan = book();
    let wire = parts(&[
        r#"{"spot":{"depth":1},"numbers":[1]}"#,
        r#"{"numbers":[2],"spot":{"name":"x"},"novel":"n"}"#,
    ]);
    for (name, full, empty) in [
        ("spot", r#"{"depth":1,"name":"x"}"#, "{}"),
        ("numbers", "[1,2]", "[]"),
        ("novel", "\"n\"", "\"\""),
        ("poem", "0", "0"),
        ("counts", "{}", "{}"),
        ("copies", "\"0\"", "\"0\""),
        ("color", "\"RED\"", "\"RED\""),
        ("time", "\"1970-01-01T00:00:00Z\"", "\"1970-01-01T00:00:00Z\""),
        ("list", "[]", "[]"),
        ("extra", "{}", "{}"),
        ("wrapped", "\"0\"", "\"0\""),
        ("price", "0", "0"),
    ] {
        let field = plan.field(name).unwrap();
        for (wire, expected) in [(&wire[..], full), (&[], empty)] {
            let mut out = Vec::new();
            wire_field_to_json(&plan, field, &Settings::default(), 100, wire, &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{name}");
        }
    }
}

#[test]
fn proto2_has_groups_extensions_sets_and_closed_enums() {
    let pool = pool_of(
        r#"syntax = "proto2"; package t;
        enum E { A = 1; B = 2; }
        message M { required int32 id = 1; optional E e = 2; repeated E es = 3; map<string, E> em = 4;
          optional group Part = 5 { optional int32 n = 1; optional Part inner = 2; }
          repeated group Many = 6 { optional int32 n = 1; }
          oneof o { E oe = 7; int32 on = 8; }
          optional Set set = 9;
          optional string s = 10;
          extensions 100 to 200; }
        message Set { option message_set_wire_format = true; extensions 4 to max; }
        message X { extend Set { optional X x = 12; } optional int32 n = 1; }
        message Y { extend Set { optional Y y = 1234567; } }
        extend M { optional int32 ext = 100; repeated M more = 101; }"#,
    );
    let plan = plans_of(&pool).message_by_name("t.M").unwrap();
    for json in [
        r#"{"id":1,"part":{"n":1,"inner":{"n":2}},"many":[{"n":1},{}],"[t.ext]":5,"[t.more]":[{"id":0}]}"#,
        r#"{"id":1,"e":"B","es":["A","B"],"em":{"x":"A"},"oe":"A"}"#,
        r#"{"id":1,"set":{"[t.X.x]":{"n":3},"[t.Y.y]":{}}}"#,
    ] {
        let wire = to_wire(&plan, json).unwrap();
        assert_eq!(to_json(&plan, &wire).unwrap(), json);
        let mut canonical = Vec::new();
        wire_to_wire(&plan, &Settings::default(), usize::MAX, &wire, &mut canonical).unwrap();
        assert_eq!(to_json(&plan, &canonical).unwrap(), json);
        // In two pieces each, which brings the second try.
        let twice = [wire.clone(), to_wire(&plan, r#"{"id":1}"#).unwrap()].concat();
        assert_eq!(to_json(&plan, &twice).unwrap(), json);
    }
    let closed =
        [0x08, 1, 0x10, 9, 0x18, 1, 0x18, 9, 0x22, 5, 0x0a, 1, b'k', 0x10, 9, 0x40, 3, 0x38, 9];
    assert_eq!(to_json(&plan, &closed).unwrap(), r#"{"id":1,"es":["A"],"on":3}"#);
    assert!(to_wire(&plan, r#"{"id":1,"e":9}"#).is_err());
    assert!(to_wire(&plan, r#"{}"#).unwrap_err().message.contains("required"));
    assert!(to_json(&plan, &[]).is_err());
    assert!(to_wire(&plan, r#"{"id":1,"part":{"m":1}}"#).is_err());
    // A group in two pieces, and a string that is not UTF-8.
    let pieces = [0x08, 1, 0x2b, 0x08, 7, 0x2c, 0x2b, 0x13, 0x08, 8, 0x14, 0x2c];
    assert_eq!(to_json(&plan, &pieces).unwrap(), r#"{"id":1,"part":{"n":7}}"#);
    assert!(to_json(&plan, &[0x08, 1, 0x52, 1, 0xff]).is_err());
}

#[test]
fn an_extension_without_values_is_not_written() {
    let pool = pool_of(
        r#"syntax = "proto2"; package t;
        enum E { A = 1; }
        message M { repeated int32 ns = 1; extensions 2 to 9; }
        extend M { repeated E es = 2; }"#,
    );
    let plan = plans_of(&pool).message_by_name("t.M").unwrap();
    let all = Settings { emit_defaults: EmitDefaults::All, ..Settings::default() };
    // A number that the closed enum doesn't know; in one piece and in two.
    for wire in [&[0x10, 9][..], &[0x10, 9, 0x0a, 0, 0x10, 9]] {
        assert_eq!(to_json_with(&plan, &all, wire).unwrap(), r#"{"ns":[]}"#);
    }
}

#[test]
fn groups_of_one_message_are_no_groups_of_the_next() {
    let pool = pool_of(
        r#"syntax = "proto2"; package t;
        message M { optional int32 id = 1; optional int32 n = 4; }"#,
    );
    let plan = plans_of(&pool).message_by_name("t.M").unwrap();
    // A field twice, which makes the ends of groups be noted; then a shorter group at that place.
    let first = [0x1b, 0x0a, 2, b'a', b'b', 0x1c, 0x08, 1, 0x08, 2];
    let second = [0x1b, 0x0a, 0, 0x1c, 0x20, 7];
    assert_eq!(to_json(&plan, &first).unwrap(), r#"{"id":2}"#);
    assert_eq!(to_json(&plan, &second).unwrap(), r#"{"n":7}"#);
}

#[test]
fn an_absent_message_with_required_fields_is_empty_and_a_present_one_is_refused() {
    let pool = pool_of(
        r#"syntax = "proto2"; package t;
        message Need { required int32 id = 1; }
        message M { optional Need need = 1; optional int32 n = 2; map<string, Need> needs = 3; }"#,
    );
    let plan = plans_of(&pool).message_by_name("t.M").unwrap();
    let need = plan.field("need").unwrap();
    for emit_defaults in [EmitDefaults::None, EmitDefaults::Scalars, EmitDefaults::All] {
        let settings = Settings { emit_defaults, ..Settings::default() };
        let alone = |wire: &[u8]| {
            let mut out = Vec::new();
            wire_field_to_json(&plan, need, &settings, 100, wire, &mut out)
                .map(|()| String::from_utf8(out).unwrap())
        };
        assert_eq!(alone(&[0x10, 1]).unwrap(), "{}");
        assert_eq!(alone(&[0x0a, 2, 0x08, 7]).unwrap(), r#"{"id":7}"#);
        assert!(alone(&[0x0a, 0]).unwrap_err().message.contains("\"id\" of t.Need is missing"));
        // An entry that has no value holds an empty message, which is there.
        assert!(to_json_with(&plan, &settings, &[0x1a, 3, 0x0a, 1, b'k']).is_err());
    }
}

#[test]
fn what_stands_before_a_piece_is_written_as_without_it() {
    let before = parts(&[
        r#"{"title":"t","spot":{"depth":1,"next":{"name":"x"}},"spots":[{"depth":2},{}]}"#,
        r#"{"counts":{"a":1,"b":2},"shelves":{"7":{"marks":[1,2]}},"colors":{"true":"BLUE"}}"#,
        r#"{"any":{"@type":"x/test.Spot","next":{}},"extra":{"a":{"b":[1,null]}},"essay":{}}"#,
    ]);
    let whole = json(&before);
    // A piece of each field in turn: what it adds to is merged, and all else is as it was.
    for (piece, from, to) in [
        (r#"{"title":"u"}"#, r#""title":"t""#, r#""title":"u""#),
        (r#"{"spot":{"next":{"depth":5}}}"#, r#"{"name":"x"}"#, r#"{"depth":5,"name":"x"}"#),
        (r#"{"spots":[{"depth":3}]}"#, r#"{"depth":2},{}"#, r#"{"depth":2},{},{"depth":3}"#),
        (r#"{"counts":{"a":3}}"#, r#"{"a":1,"b":2}"#, r#"{"a":3,"b":2}"#),
        (r#"{"counts":{"c":3}}"#, r#"{"a":1,"b":2}"#, r#"{"a":1,"b":2,"c":3}"#),
        (r#"{"shelves":{"7":{"depth":1}}}"#, r#"{"marks":[1,2]}"#, r#"{"depth":1}"#),
        (r#"{"extra":{"a":1}}"#, r#"{"b":[1,null]}"#, "1"),
        (r#"{"essay":{"depth":1}}"#, r#""essay":{}"#, r#""essay":{"depth":1}"#),
    ] {
        let wire = [&before[..], &part(piece)].concat();
        let found: serde_json::Value = serde_json::from_str(&json(&wire)).unwrap();
        assert!(whole.contains(from), "{whole}");
        let expected: serde_json::Value =
            serde_json::from_str(&whole.replacen(from, to, 1)).unwrap();
        assert_eq!(found, expected, "{piece}");
    }
    // The value of an Any in an earlier piece, of the type that a later one names.
    let any = |content: &[u8]| [&[0xa2, 0x01, content.len() as u8][..], content].concat();
    let url = |name: &str| [&[0x0a, name.len() as u8][..], name.as_bytes()].concat();
    let first = [&url("x/test.Spot")[..], &[0x12, 4, 0x08, 1, 0x08, 2]].concat();
    let wire = [any(&first), any(&url("x/test.Book"))].concat();
    assert!(to_json(&book(), &wire).is_ok());
}

#[test]
fn one_depth_limit_takes_the_same_messages_for_json_and_for_the_canonical_form() {
    let plan = book();
    for piece in [
        r#"{"time":"1970-01-01T00:00:01Z"}"#,
        r#"{"mask":"a"}"#,
        r#"{"wrapped":"1"}"#,
        r#"{"any":{"@type":"x/test.Spot","next":{"next":{}}}}"#,
        r#"{"value":[[{"a":[1]}]]}"#,
        r#"{"values":[1,{"a":2}]}"#,
        r#"{"spot":{"next":{"next":{}}}}"#,
        r#"{"shelves":{"1":{"next":{}}}}"#,
    ] {
        let wire = part(piece);
        let depths = 1..10;
        let json = depths.clone().filter(|&depth| {
            let settings = Settings { depth, ..Settings::default() };
            to_json_with(&plan, &settings, &wire).is_ok()
        });
        let canonical = depths.clone().filter(|&depth| {
            let settings = Settings { depth, ..Settings::default() };
            wire_to_wire(&plan, &settings, usize::MAX, &wire, &mut Vec::new()).is_ok()
        });
        let (json, canonical): (Vec<_>, Vec<_>) = (json.collect(), canonical.collect());
        // The canonical form doesn't look into an Any.
        assert!(json.iter().all(|depth| canonical.contains(depth)), "{piece}");
        assert!(json == canonical || piece.contains("@type"), "{piece}: {json:?} {canonical:?}");
    }
}

#[test]
fn a_required_field_is_missing_if_it_is_null_or_dropped() {
    let pool = pool_of(
        r#"syntax = "proto2"; package t;
        enum E { A = 1; }
        message M { required int32 id = 1; required E e = 2; optional int32 n = 3; }"#,
    );
    let plan = plans_of(&pool).message_by_name("t.M").unwrap();
    assert!(to_wire(&plan, r#"{"id":1,"e":"A","n":null}"#).is_ok());
    let ignore = Settings { unknown_fields: UnknownFields::Ignore, ..Settings::default() };
    for (json, name) in [(r#"{"id":null,"e":"A"}"#, "id"), (r#"{"id":1,"e":"NOBODY"}"#, "e")] {
        let mut out = Vec::new();
        let error = json_to_wire(&plan, &ignore, usize::MAX, json.as_bytes(), &mut out);
        let expected = format!("the required field \"{name}\" of t.M is missing");
        assert_eq!(error.unwrap_err().message, expected);
    }
}

#[test]
fn status_details_are_decoded_or_base64() {
    let (_, plans) = test_plans();
    let mut out = Vec::new();
    let details: [(&str, &[u8]); 4] = [
        ("x/test.Spot", &[0x08, 3]),
        ("x/no.Such", &[1, 2, 3]),
        ("x/test.Spot", &[0x08]),
        ("x/test.Spot", &[0x08, 3, 0x08, 4]),
    ];
    status_to_json(&plans, &Settings::default(), 5, "no \"book\"", details, &mut out);
    let expected = concat!(
        r#"{"code":5,"message":"no \"book\"","details":[{"@type":"x/test.Spot","depth":3},"#,
        r#"{"@type":"x/no.Such","value":"AQID"},{"@type":"x/test.Spot","value":"CA=="},"#,
        r#"{"@type":"x/test.Spot","depth":4}]}"#
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn doubles_are_the_shortest_that_read_back() {
    let plan = book();
    let field = plan.field("price").unwrap();
    let write = |value: f64| {
        let wire = [&[0x29][..], &value.to_le_bytes()].concat();
        let mut out = Vec::new();
        wire_field_to_json(&plan, field, &Settings::default(), 100, &wire, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    for (value, expected) in [
        (12.7, "12.7"),
        (-0.05, "-0.05"),
        (0.001, "0.001"),
        (-0.0, "-0.0"),
        (1e11, "100000000000"),
        (999_999_999_999.999, "999999999999.999"),
        (0.0001, "0.0001"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e300, "1e+300"),
    ] {
        assert_eq!(write(value), expected);
    }
    let mut state = 88172645463325252u64;
    for _ in 0..50_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let value =
            (state >> 20) as f64 / [1.0, 10.0, 100.0, 1000.0, 10_000.0, 3.0][(state % 6) as usize];
        let text = write(value);
        assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits());
        assert!(text.len() <= format!("{value}").len(), "{text} {value}");
    }
}

#[test]
fn varints_of_all_lengths_are_read_wherever_they_end() {
    let plan = book();
    for shift in 0..64 {
        for value in [1u64 << shift, (1 << shift) - 1, !0 >> shift] {
            let mut wire = vec![0xa0, 0x02]; // large = 36
            prost::encoding::encode_varint(value, &mut wire);
            let expected =
                if value == 0 { "{}".to_owned() } else { format!(r#"{{"large":"{value}"}}"#) };
            assert_eq!(to_json(&plan, &wire).unwrap(), expected);
            // Longer than it needs to be, as some writers have it, and with others behind.
            if wire.len() < 12 {
                *wire.last_mut().unwrap() |= 0x80;
                wire.push(0);
            }
            wire.extend([0xfa, 0x3e, 0]);
            assert_eq!(to_json(&plan, &wire).unwrap(), expected);
        }
    }
}
