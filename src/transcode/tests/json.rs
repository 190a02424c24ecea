//! JSON to wire: what is taken, what is refused, and what the refusal says.

use super::*;

/// The JSON that comes back.
fn through(json: &str) -> String {
    let plan = book();
    to_json(&plan, &to_wire(&plan, json).unwrap()).unwrap()
}

fn refusal(json: &str) -> (String, String) {
    let error = to_wire(&book(), json).unwrap_err();
    (error.path, error.message.into_owned())
}

#[test]
fn json_round_trips_as_written() {
    for json in [
        r#"{}"#,
        r#"{"title":"Dune","pages":412,"copies":"-9223372036854775808","spot":{"depth":3}}"#,
        r#"{"price":1.5,"weight":0.1,"sold":true,"cover":"+/8=","color":"BLUE"}"#,
        r#"{"price":-0.0}"#,
        r#"{"price":"NaN","weight":"-Infinity"}"#,
        r#"{"tags":["a","","\"\\\n\u0001é😀"],"numbers":[1,-1,2147483647],"spots":[{},{"next":{"next":{}}}]}"#,
        r#"{"counts":{"a":1,"":0},"shelves":{"-5":{"depth":1}},"colors":{"true":"GREEN","false":"RED"}}"#,
        r#"{"novel":""}"#,
        r#"{"any":{"@type":"type.googleapis.com/test.Spot","depth":7}}"#,
        r#"{"any":{"@type":"x/google.protobuf.Any","value":{"@type":"x/google.protobuf.Duration","value":"1.500s"}}}"#,
        r#"{"any":{"@type":"x/google.protobuf.Empty"}}"#,
        r#"{"time":"2024-02-29T01:02:03.000000004Z","span":"-0.500s","mask":"a,bC.dE"}"#,
        r#"{"extra":{"a":{"b":[1,null,"x",true,{}]}},"value":null,"list":[[],{},1e+300],"wrapped":"0","text":""}"#,
        r#"{"values":[null,1,[null]],"zigzag":"-1","doubles":[1,0.1,1e-7,-0.0]}"#,
    ] {
        assert_eq!(through(json), json);
    }
}

#[test]
fn numbers_in_any_spelling_are_exact_or_refused() {
    for (json, expected) in [
        (r#"{"pages":1e2}"#, r#"{"pages":100}"#),
        (r#"{"pages":1.0}"#, r#"{"pages":1}"#),
        (r#"{"pages":"-0"}"#, r#"{}"#),
        (r#"{"copies":9007199254740993.0}"#, r#"{"copies":"9007199254740993"}"#),
        (r#"{"copies":"1e3"}"#, r#"{"copies":"1000"}"#),
        (r#"{"price":"1.25"}"#, r#"{"price":1.25}"#),
        (r#"{"weight":16777217.0000001}"#, r#"{"weight":16777218}"#),
        (r#"{"large":18446744073709551615}"#, r#"{"large":"18446744073709551615"}"#),
    ] {
        assert_eq!(through(json), expected, "{json}");
    }
    for json in [
        r#"{"pages":1.5}"#,
        r#"{"pages":2147483648}"#,
        r#"{"pages":"1 "}"#,
        r#"{"pages":""}"#,
        r#"{"pages":"0x1"}"#,
        r#"{"pages":01}"#,
        r#"{"pages":true}"#,
        r#"{"small":-1}"#,
        r#"{"copies":9223372036854775808}"#,
        r#"{"copies":1e400}"#,
        r#"{"price":1e400}"#,
        r#"{"price":NaN}"#,
        r#"{"price":"inf"}"#,
        r#"{"weight":3.5e38}"#,
        r#"{"sold":"true"}"#,
        r#"{"value":1e999}"#,
    ] {
        assert!(to_wire(&book(), json).is_err(), "{json}");
    }
}

#[test]
fn nothing_counts_twice() {
    for (json, path, message) in [
        (r#"{"pages":1,"pages":1}"#, "$.pages", "the field \"pages\" occurs twice"),
        (
            r#"{"snakeCaseName":"","snake_case_name":""}"#,
            "$.snake_case_name",
            "the field \"snake_case_name\" occurs twice",
        ),
        (r#"{"pages":null,"pages":1}"#, "$.pages", "the field \"pages\" occurs twice"),
        (r#"{"novel":"","poem":0}"#, "$.poem", "\"poem\" is a second member of the oneof \"kind\""),
        (r#"{"counts":{"a":1,"\u0061":1}}"#, "$.counts[\"\\u0061\"]", "the map has this key twice"),
        (r#"{"shelves":{"1":{},"1.0":{}}}"#, "$.shelves[\"1.0\"]", "the map has this key twice"),
        (r#"{"extra":{"a":1,"b":2,"a":3}}"#, "$.extra.a", "the object has this key twice"),
    ] {
        assert_eq!(refusal(json), (path.to_owned(), message.to_owned()), "{json}");
    }
    let many: Vec<String> = (0..1000).map(|n| format!("\"k{n}\":1")).collect();
    let json = format!("{{\"counts\":{{{},\"k500\":2}}}}", many.join(","));
    assert_eq!(refusal(&json).1, "the map has this key twice");
    assert_eq!(through(r#"{"novel":null,"poem":1}"#), r#"{"poem":1}"#);
}

#[test]
fn null_is_absence_but_for_values() {
    let json = r#"{"title":null,"spot":null,"tags":null,"counts":null,"any":null,"time":null,"wrapped":null}"#;
    assert_eq!(through(json), "{}");
    for json in [r#"{"tags":[null]}"#, r#"{"counts":{"a":null}}"#, r#"{"spots":[null]}"#, "null"] {
        assert!(to_wire(&book(), json).is_err(), "{json}");
    }
    assert_eq!(through(r#"{"value":null}"#), r#"{"value":null}"#);
}

#[test]
fn strings_are_whole_characters() {
    assert_eq!(through(r#"{"title":"\ud83d\ude00\/\b\f"}"#), "{\"title\":\"😀/\\b\\f\"}");
    for text in [r"\ud83d", r"\ude00", r"\ud83dx", r"\ud83d\u0041", r"\x", r"\u12", "\n", "\u{1}"] {
        let json = format!("{{\"title\":\"{text}\"}}");
        assert!(to_wire(&book(), &json).is_err(), "{json:?}");
        let json = format!("{{\"title\":\"{}{text}\"}}", "long ".repeat(40));
        assert!(to_wire(&book(), &json).is_err(), "{json:?}");
        let json = format!("{{\"{text}\":1}}");
        assert!(to_wire(&book(), &json).is_err(), "{json:?}");
    }
    let mut out = Vec::new();
    for bytes in [
        &b"{\"title\":\"a\xff\"}"[..],
        b"{\"title\":\"\xc3\"}",
        b"{\"counts\":{\"\xed\xa0\x80\":1}}",
    ] {
        let error = json_to_wire(&book(), &Settings::default(), 100, bytes, &mut out).unwrap_err();
        assert_eq!(error.message, "the string is not UTF-8");
    }
    assert!(out.is_empty());
}

#[test]
fn long_strings_and_lists_have_their_lengths() {
    let plan = book();
    for length in
        [0, 1, 111, 112, 113, 126, 127, 128, 129, 5000, 16_383, 16_384, 16_385, 20_000, 2_200_000]
    {
        for unit in ["x", "é", "\\n", "\\u00e9"] {
            if length > 20_000 && unit != "x" {
                continue;
            }
            let text = unit.repeat(length);
            let json =
                format!("{{\"title\":\"{text}\",\"spot\":{{\"name\":\"{text}\"}},\"pages\":1}}");
            let wire = to_wire(&plan, &json).unwrap();
            let back: serde_json::Value =
                serde_json::from_str(&to_json(&plan, &wire).unwrap()).unwrap();
            let mut expected: serde_json::Value = serde_json::from_str(&json).unwrap();
            if length == 0 {
                expected["title"].take();
                expected = serde_json::json!({"spot": {}, "pages": 1});
            }
            assert_eq!(back, expected);
        }
        let numbers = vec![1.5; length.min(20_000)];
        let json = serde_json::json!({"doubles": numbers, "numbers": vec![7; length.min(20_000)]})
            .to_string();
        let wire = to_wire(&plan, &json).unwrap();
        if length > 0 {
            let back: serde_json::Value =
                serde_json::from_str(&to_json(&plan, &wire).unwrap()).unwrap();
            assert_eq!(back, serde_json::from_str::<serde_json::Value>(&json).unwrap());
        }
    }
}

#[test]
fn errors_say_line_column_and_path() {
    let error = to_wire(&book(), "{\n  \"spot\": {\"depth\": \"deep\"}\n}").unwrap_err();
    assert_eq!((error.line, error.column, error.path.as_str()), (2, 21, "$.spot.depth"));
    assert_eq!(error.to_string(), "$.spot.depth: \"deep\" is not an integer (line 2, column 21)");
    for (json, path, message) in [
        (r#"{"spots":[{},{"deep":1}]}"#, "$.spots[1].deep", "test.Spot has no field \"deep\""),
        (r#"{"color":"PINK"}"#, "$.color", "test.Color has no value \"PINK\""),
        (r#"{"pages":1"#, "$.pages", "expected ',' or '}' after a field, the document ends"),
        (r#"{"pages":1} x"#, "$", "unexpected data after the end of the document"),
        (r#"[1]"#, "$", "expected an object, found an array"),
        (r#""#, "$", "expected an object, the document ends"),
        (r#"{"title":5}"#, "$.title", "expected a string, found a number"),
        (r#"{"sold":tru}"#, "$.sold", "expected a JSON value, found tru"),
        (r#"{pages:1}"#, "$", "expected a field name in double quotes, found pages"),
        (r#"{"pages":1,}"#, "$", "expected a field name in double quotes, found '}'"),
        (r#"{"tags":["a",]}"#, "$.tags[1]", "expected a string, found ']'"),
        (r#"{"any":{"depth":1}}"#, "$.any", "an Any needs \"@type\", the URL of its message type"),
        (
            r#"{"any":{"@type":"x/no.Type"}}"#,
            "$.any[\"@type\"]",
            "\"@type\" names no message type that is known here: \"x/no.Type\"",
        ),
    ] {
        assert_eq!(refusal(json), (path.to_owned(), message.to_owned()), "{json}");
    }
}

#[test]
fn the_type_of_an_any_may_come_last_and_inside_another() {
    let json = r#"{"any":{"value":{"next":{"depth":1},"@type":"x/test.Spot","depth":2},"@type":"x/google.protobuf.Any"}}"#;
    let expected = r#"{"any":{"@type":"x/google.protobuf.Any","value":{"@type":"x/test.Spot","next":{"depth":1},"depth":2}}}"#;
    assert_eq!(through(json), expected);
    for json in [
        r#"{"any":{"@type":"x/test.Spot","@type":"x/test.Spot"}}"#,
        r#"{"any":{"@type":"x/google.protobuf.Duration","value":"1s","value":"1s"}}"#,
        r#"{"any":{"@type":"x/google.protobuf.Duration"}}"#,
        r#"{"any":{"@type":"test.Spot"}}"#,
        r#"{"any":{"@type":5}}"#,
        r#"{"any":{"@type":"x/google.protobuf.Duration","value":"1s","more":1}}"#,
    ] {
        assert!(to_wire(&book(), json).is_err(), "{json}");
    }
    let both = r#"{"any":{"@type":"x/google.protobuf.Empty","value":{}}}"#;
    assert_eq!(through(both), r#"{"any":{"@type":"x/google.protobuf.Empty"}}"#);
}

#[test]
fn unknown_fields_and_enum_names_pass_if_the_settings_say_so() {
    let settings = Settings { unknown_fields: UnknownFields::Ignore, ..Settings::default() };
    let json = r#"{"x":{"y":[1,"\u0041",{}]},"pages":1,"color":"PINK","shades":["PINK","RED"],
        "colors":{"true":"PINK"},"any":{"@type":"x/test.Spot","q":1},"z":null}"#;
    let mut out = Vec::new();
    json_to_wire(&book(), &settings, 1000, json.as_bytes(), &mut out).unwrap();
    let expected = r#"{"pages":1,"shades":["RED"],"any":{"@type":"x/test.Spot"}}"#;
    assert_eq!(to_json(&book(), &out).unwrap(), expected);
    for json in
        [r#"{"x":tru}"#, r#"{"x":[1,]}"#, r#"{"x":01}"#, r#"{"x":"\ud800"}"#, r#"{"x":{"y"}}"#]
    {
        assert!(
            json_to_wire(&book(), &settings, 1000, json.as_bytes(), &mut out).is_err(),
            "{json}"
        );
    }
}

#[test]
fn one_field_is_read_alone() {
    let plan = book();
    for (name, json, whole) in [
        ("spot", r#" {"depth":1} "#, r#"{"spot":{"depth":1}}"#),
        ("numbers", "[1,2]", r#"{"numbers":[1,2]}"#),
        ("counts", r#"{"a":1}"#, r#"{"counts":{"a":1}}"#),
        ("pages", "5", r#"{"pages":5}"#),
        ("snake_case_name", "\"x\"", r#"{"snakeCaseName":"x"}"#),
        ("spot", "null", "{}"),
        ("value", "null", r#"{"value":null}"#),
        ("time", "\"1970-01-01T00:00:00Z\"", r#"{"time":"1970-01-01T00:00:00Z"}"#),
    ] {
        let mut out = vec![];
        let field = plan.field(name).unwrap();
        json_field_to_wire(&plan, field, &Settings::default(), 100, json.as_bytes(), &mut out)
            .unwrap();
        assert_eq!(to_json(&plan, &out).unwrap(), whole);
    }
    let mut out = vec![1, 2];
    let field = plan.field("pages").unwrap();
    assert!(json_field_to_wire(&plan, field, &Settings::default(), 100, b"5 6", &mut out).is_err());
    assert_eq!(out, [1, 2]);
}

#[test]
fn key_twice_in_a_huge_map_is_found_and_named() {
    let plan = book();
    let entries =
        |count: usize, member: &dyn Fn(usize) -> String| (0..count).map(member).collect::<Vec<_>>();
    type Member = fn(usize) -> String;
    let shapes: [(&str, Member); 4] = [
        ("counts", |n| format!("\"k{n}\":{n}")),
        ("labels", |n| format!("\"{}\":\"{}\"", "k".repeat(n % 300) + &n.to_string(), n)),
        ("shelves", |n| format!("\"{n}\":{{\"name\":\"{}\"}}", "x".repeat(n % 200))),
        ("extra", |n| format!("\"k{n}\":{{\"a\":[{n},null],\"b\":\"{n}\"}}")),
    ];
    for (field, member) in shapes {
        for count in [4_000, 4_095, 4_096, 4_097, 30_000] {
            let all = entries(count, &member);
            let json = format!("{{\"{field}\":{{{}}}}}", all.join(","));
            assert!(to_wire(&plan, &json).is_ok(), "{field} {count}");
            for first in [0, 4_000 - 1, count - 1] {
                let mut all = all.clone();
                all.push(all[first].clone());
                let head = format!("{{\"{field}\":{{{}", all[..count].join(","));
                let json = format!("{head},{}}}}}", all[count]);
                let error = to_wire(&plan, &json).unwrap_err();
                assert_eq!(error.offset, head.len() + 1, "{field} {count} {first}: {error}");
                assert!(error.to_string().contains("this key twice"), "{error}");
            }
        }
    }
}

#[test]
fn entries_that_are_dropped_are_no_keys_of_a_huge_map() {
    let plan = pool_plan("map<string, Color> colors = 1;");
    let settings = Settings { unknown_fields: UnknownFields::Ignore, ..Settings::default() };
    let entries: Vec<_> = (0..20_000)
        .map(|n| format!("\"k{n}\":\"{}\"", if n % 3 == 0 { "PINK" } else { "GREEN" }))
        .collect();
    let json = format!("{{\"colors\":{{{},\"last\":\"PINK\"}}}}", entries.join(","));
    let mut out = Vec::new();
    json_to_wire(&plan, &settings, usize::MAX, json.as_bytes(), &mut out).unwrap();
    let twice = json.replace("\"last\":\"PINK\"", "\"k1\":\"GREEN\"");
    assert!(json_to_wire(&plan, &settings, usize::MAX, twice.as_bytes(), &mut out).is_err());
}

/// The plan of a message with these fields.
fn pool_plan(fields: &str) -> Plan {
    let source = format!(
        "syntax = \"proto3\"; package test; enum Color {{ RED = 0; GREEN = 1; }} message M {{ {fields} }}"
    );
    plans_of(&pool_of(&source)).message_by_name("test.M").unwrap()
}
