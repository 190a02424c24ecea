//! Depth, size and cost are bounded whatever the input.

use super::*;

#[test]
fn nesting_past_the_limit_is_refused_and_never_overflows() {
    let plan = book();
    let settings =
        |depth| Settings { depth, unknown_fields: UnknownFields::Ignore, ..Settings::default() };
    let deep = |open: &str, close: &str, n: usize| format!("{}{}", open.repeat(n), close.repeat(n));
    for (open, close, inside) in [
        ("{\"spot\":", "}", "{\"next\":"),
        ("{\"value\":", "}", "["),
        ("{\"value\":", "}", "{\"a\":"),
        ("{\"unknown\":", "}", "["),
        ("{\"any\":", "}", "{\"@type\":\"x/google.protobuf.Any\",\"value\":"),
        ("{\"any\":", "}", "{\"value\":"),
    ] {
        let end = if inside == "[" { "]" } else { "}" };
        for depth in [1, 100, 500, 100_000] {
            let json = format!("{open}{}{close}", deep(inside, end, 200_000));
            let mut out = Vec::new();
            let error = json_to_wire(&plan, &settings(depth), 1 << 30, json.as_bytes(), &mut out);
            assert!(error.unwrap_err().message.contains("nested deeper"), "{inside}");
        }
    }
    let nested = |n| format!("{{\"value\":{}}}", deep("[", "]", n));
    let mut out = Vec::new();
    json_to_wire(&plan, &settings(100), 1 << 20, nested(99).as_bytes(), &mut out).unwrap();
    assert_eq!(to_json(&plan, &out).unwrap(), nested(99));
    assert!(
        json_to_wire(&plan, &settings(100), 1 << 20, nested(100).as_bytes(), &mut out).is_err()
    );
}

#[test]
fn wire_nesting_past_the_limit_is_refused_and_never_overflows() {
    let plan = book();
    // spot = 10, next = 3; groups of unknown numbers.
    let mut wire = Vec::new();
    while wire.len() < 2000 {
        let mut outer = vec![0x1a];
        prost::encoding::encode_varint(wire.len() as u64, &mut outer);
        outer.extend(&wire);
        wire = outer;
    }
    let mut message = vec![0x52];
    prost::encoding::encode_varint(wire.len() as u64, &mut message);
    message.extend(&wire);
    let groups = [0xa3, 0x06].repeat(100_000);
    for depth in [1, 100, 500, 100_000] {
        let settings = Settings { depth, ..Settings::default() };
        for wire in [&message, &groups] {
            let error = to_json_with(&plan, &settings, wire).unwrap_err();
            assert!(error.message.contains("nested deeper"), "{error}");
        }
    }
}

#[test]
fn output_is_bounded_both_ways() {
    let plan = book();
    let wire = to_wire(&plan, &format!("{{\"title\":\"{}\"}}", "\\u0001".repeat(10_000))).unwrap();
    let mut out = vec![1];
    let error = wire_to_json(&plan, &Settings::default(), 30_000, &wire, &mut out).unwrap_err();
    assert!(error.too_large);
    assert_eq!(out, [1]);
    let json = format!("{{\"spots\":[{}{{}}]}}", "{},".repeat(10_000));
    let error =
        json_to_wire(&plan, &Settings::default(), 10_000, json.as_bytes(), &mut out).unwrap_err();
    assert!(error.too_large);
    assert_eq!(out, [1]);
    json_to_wire(&plan, &Settings::default(), 20_002, json.as_bytes(), &mut out).unwrap();
    assert_eq!(out.len(), 1 + 20_002);
}

#[test]
fn groups_of_an_earlier_message_are_forgotten() {
    let plan = book();
    // The same start tag at the same place; the second group doesn't end where the first did.
    let earlier = [&[0xa3, 0x06][..], &[0x08, 1].repeat(3), &[0xa4, 0x06]].concat();
    let twice = [&earlier[..], &to_wire(&plan, "{\"pages\":1}").unwrap().repeat(2)].concat();
    assert_eq!(to_json(&plan, &twice).unwrap(), "{\"pages\":1}");
    let later = [&[0xa3, 0x06][..], &[0x08, 1].repeat(9), &[0xa4, 0x06, 0x10, 7]].concat();
    assert_eq!(to_json(&plan, &later).unwrap(), "{\"pages\":7}");
    assert!(to_json(&plan, &earlier[..6]).is_err());
}

#[test]
fn a_thread_keeps_little_memory_after_huge_documents() {
    let plan = book();
    let retained = || {
        let (reader, writer) = (READER.take(), WRITER.take());
        let bytes = reader.as_ref().map(|scratch| scratch.retained());
        let more = writer.as_ref().map(|scratch| scratch.retained());
        READER.set(reader);
        WRITER.set(writer);
        (bytes.unwrap_or(0), more.unwrap_or(0))
    };
    let usual = format!("{{\"counts\":{{{}}}}}", members(100));
    let keys = format!("{{\"counts\":{{{}}}}}", members(50_000));
    let spot = format!("{{\"name\":\"{}\"}},", "x".repeat(200));
    let lengths = format!("{{\"spots\":[{}{{}}]}}", spot.repeat(50_000));
    let types = "{\"depth\":1,\"@type\":\"x/test.Spot\"},".repeat(20_000);
    let types = format!("{{\"anys\":[{types}{{}}]}}");
    for huge in [keys, lengths, types] {
        let wire = to_wire(&plan, &usual).unwrap();
        to_json(&plan, &wire).unwrap();
        let (reader, writer) = retained();
        assert!(reader > 1_000 && writer > 1_000, "{reader} and {writer} bytes are used again");
        let wire = to_wire(&plan, &huge).unwrap();
        // The title twice brings the second try, with its index.
        let twice = [&to_wire(&plan, "{\"title\":\"x\"}").unwrap().repeat(2)[..], &wire].concat();
        to_json(&plan, &twice).unwrap();
        wire_to_wire(&plan, &Settings::default(), usize::MAX, &twice, &mut Vec::new()).unwrap();
        let (reader, writer) = retained();
        assert!(reader <= RETAINED && writer <= RETAINED, "{reader} and {writer} bytes are kept");
    }
}

/// Twice the input may cost hardly more than twice the steps, over four doublings.
fn assert_linear(what: &str, make: impl Fn(usize) -> Vec<u8>, run: impl Fn(&[u8])) {
    let steps: Vec<usize> = [1_000, 2_000, 4_000, 8_000, 16_000]
        .map(|size| {
            let input = make(size);
            // What a thread keeps of earlier documents must not count.
            run(&input);
            steps_of(|| run(&input))
        })
        .to_vec();
    assert!(steps[0] >= 1_000, "{what}: {steps:?} steps count nothing");
    for pair in steps.windows(2) {
        let ratio = pair[1] as f64 / pair[0] as f64;
        assert!(ratio <= 2.3, "{what}: {steps:?} steps for each twice the input");
    }
}

/// Distinct keys of one length, as members of a JSON object.
fn members(n: usize) -> String {
    (10_000_000..10_000_000 + n).map(|n| format!("\"{n}\":1")).collect::<Vec<_>>().join(",")
}

#[test]
fn no_shape_of_json_costs_more_than_linear_time() {
    let plan = book();
    let settings = Settings { unknown_fields: UnknownFields::Ignore, ..Settings::default() };
    type Make = fn(usize) -> String;
    let shapes: [(&str, Make); 22] = [
        ("spots", |n| format!("{{\"spots\":[{}{{}}]}}", "{\"name\":\"x\"},".repeat(n))),
        ("large spots", |n| {
            let spot = format!("{{\"name\":\"{}\"}}", "x".repeat(200));
            format!("{{\"spots\":[{}{{}}]}}", format!("{spot},").repeat(n))
        }),
        ("deep spots", |n| {
            let deep = format!("{}\"name\":\"x\"{}", "\"next\":{".repeat(90), "}".repeat(90));
            format!("{{\"spots\":[{}{{}}]}}", format!("{{{deep}}},").repeat(n / 50))
        }),
        ("map keys", |n| format!("{{\"counts\":{{{}}}}}", members(n))),
        ("number keys", |n| {
            let entries: Vec<_> =
                (10_000_000..10_000_000 + n).map(|n| format!("\"{n}\":{{}}")).collect();
            format!("{{\"shelves\":{{{}}}}}", entries.join(","))
        }),
        ("struct keys", |n| format!("{{\"extra\":{{{}}}}}", members(n))),
        ("maps after a large one", |n| {
            let small =
                ",{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1}"
                    .repeat(n);
            format!("{{\"values\":[{{{}}}{small}]}}", members(n))
        }),
        ("wide unknown", |n| format!("{{\"q\":{{{}\"z\":1}}}}", "\"a\":[1,2],".repeat(n))),
        ("many unknown", |n| format!("{{{}\"pages\":1}}", "\"q\":{},".repeat(n))),
        ("white space", |n| format!("{{{0}\"pages\"{0}:{0}1{0}}}", " \t\r\n".repeat(n))),
        ("escapes", |n| format!("{{\"title\":\"{}\"}}", "\\u00e9\\n".repeat(n))),
        ("other letters", |n| format!("{{\"title\":\"{}\"}}", "äöü".repeat(n))),
        ("base64", |n| format!("{{\"cover\":\"{}\"}}", "-_-_".repeat(n))),
        ("field mask", |n| format!("{{\"mask\":\"a{}\"}}", ",aB".repeat(n))),
        ("wide objects in no order", |n| {
            let spot = r#"{"name":"x","marks":[1],"depth":1,"next":{"name":"y","depth":2}},"#;
            format!("{{\"spots\":[{}{{}}]}}", spot.repeat(n))
        }),
        ("huge quoted number", |n| format!("{{\"copies\":\"1{}e-{}\"}}", "0".repeat(n), n)),
        ("huge exponent", |n| format!("{{\"price\":0e{}}}", "9".repeat(n))),
        ("huge float", |n| format!("{{\"weight\":1.{}}}", "1234567890".repeat(n))),
        ("huge number", |n| format!("{{\"copies\":1{}e-{}}}", "0".repeat(n), n)),
        ("huge double", |n| format!("{{\"price\":1.{}}}", "1234567890".repeat(n))),
        ("anys with types last", |n| {
            format!("{{\"anys\":[{}{{}}]}}", "{\"depth\":1,\"@type\":\"x/test.Spot\"},".repeat(n))
        }),
        ("nested anys with types last", |n| {
            let open = "{\"value\":".repeat(90);
            let close = ",\"@type\":\"x/google.protobuf.Any\"}".repeat(90);
            format!(
                "{{\"any\":{open}{{\"name\":\"{}\",\"@type\":\"x/test.Spot\"}}{close}}}",
                "x".repeat(n * 2)
            )
        }),
    ];
    for (what, make) in shapes {
        let read = |json: &[u8]| {
            let mut out = Vec::new();
            json_to_wire(&plan, &settings, usize::MAX, json, &mut out)
        };
        assert_linear(what, |n| make(n).into_bytes(), |json| read(json).unwrap());
        // The same, wrong at its very end.
        let broken = |n| [make(n).as_bytes(), b"}"].concat();
        assert_linear(what, broken, |json| drop(read(json).unwrap_err()));
    }
}

#[test]
fn no_shape_of_wire_bytes_costs_more_than_linear_time() {
    let plan = book();
    let piece = |json: &str| to_wire(&plan, json).unwrap();
    let alternate = |a: &str, b: &str, n: usize| [piece(a), piece(b)].concat().repeat(n);
    type Make<'a> = Box<dyn Fn(usize) -> Vec<u8> + 'a>;
    let shapes: [(&str, Make); 18] = [
        ("oneof switches", Box::new(|n| alternate(r#"{"essay":{"depth":1}}"#, r#"{"poem":1}"#, n))),
        ("split lists", Box::new(|n| alternate(r#"{"tags":["a"]}"#, r#"{"numbers":[1]}"#, n))),
        (
            "split messages",
            Box::new(|n| alternate(r#"{"spot":{"next":{"next":{}}}}"#, r#"{"pages":1}"#, n)),
        ),
        (
            "duplicate keys",
            Box::new(|n| alternate(r#"{"counts":{"a":1}}"#, r#"{"counts":{"b":1}}"#, n)),
        ),
        ("packed and not", Box::new(|n| [0x62, 2, 1, 2, 0x60, 3].repeat(n))),
        (
            "a repeat behind deep messages",
            Box::new(|n| {
                let spot = format!("{}{}", "{\"next\":".repeat(40) + "{}", "}".repeat(40));
                let spots =
                    piece(&format!("{{\"spots\":[{}{{}}]}}", format!("{spot},").repeat(n / 40)));
                [&spots[..], &piece("{\"pages\":1}").repeat(2)].concat()
            }),
        ),
        ("a repeat in each of many messages", Box::new(|n| [0x6a, 4, 0x08, 1, 0x08, 2].repeat(n))),
        (
            "deep maps with duplicate keys",
            Box::new(|n| {
                let deep = format!("{}1{}", "{\"a\":".repeat(40), "}".repeat(40));
                alternate(&format!("{{\"extra\":{deep}}}"), r#"{"extra":{"b":1}}"#, n / 20)
            }),
        ),
        ("map keys", Box::new(|n| piece(&format!("{{\"counts\":{{{}}}}}", members(n))))),
        (
            "split maps",
            Box::new(|n| {
                let entry = |n| piece(&format!("{{\"counts\":{{\"{n}\":1}}}}"));
                (10_000_000..10_000_000 + n)
                    .flat_map(|n| [entry(n), piece("{\"pages\":1}")].concat())
                    .collect()
            }),
        ),
        ("struct keys", Box::new(|n| piece(&format!("{{\"extra\":{{{}}}}}", members(n))))),
        ("values", Box::new(|n| piece(&format!("{{\"values\":[{}1]}}", "[1],".repeat(n))))),
        ("split values", Box::new(|n| alternate(r#"{"value":[1]}"#, r#"{"value":{"a":1}}"#, n))),
        ("unknown fields", Box::new(|n| [0xa0, 0x06, 1, 0xaa, 0x06, 1, 0].repeat(n))),
        ("escapes", Box::new(|n| [b"\x0a", &length(2 * n)[..], &b"\n\""[..].repeat(n)].concat())),
        ("letters", Box::new(|n| [b"\x0a", &length(2 * n)[..], "ä".repeat(n).as_bytes()].concat())),
        (
            "nested groups",
            Box::new(|n| {
                let body = [0x08, 1].repeat(n * 2);
                [
                    &[0xa3, 0x06].repeat(90)[..],
                    &body,
                    &[0xa4, 0x06].repeat(90),
                    &piece("{\"pages\":1}").repeat(2),
                ]
                .concat()
            }),
        ),
        (
            "nested split messages",
            Box::new(|n| {
                let mut wire = [0x08, 1].repeat(n * 2);
                for _ in 0..90 {
                    wire = [&[0x08, 1, 0x08, 1, 0x1a][..], &length(wire.len()), &wire].concat();
                }
                [&[0x52][..], &length(wire.len()), &wire].concat()
            }),
        ),
    ];
    for (what, make) in shapes {
        for emit_defaults in [EmitDefaults::None, EmitDefaults::All] {
            let settings = Settings { emit_defaults, ..Settings::default() };
            assert_linear(what, &make, |wire| drop(to_json_with(&plan, &settings, wire).unwrap()));
        }
        assert_linear(what, &make, |wire| {
            let mut out = Vec::new();
            wire_to_wire(&plan, &Settings::default(), usize::MAX, wire, &mut out).unwrap();
        });
    }
}

/// A length as it stands on the wire.
fn length(bytes: usize) -> Vec<u8> {
    let mut out = Vec::new();
    prost::encoding::encode_varint(bytes as u64, &mut out);
    out
}

#[test]
fn streams_and_parameters_cost_no_more_than_linear_time() {
    // Chunks of one byte, so that an element that was begun is not read again.
    let split = |json: &[u8]| {
        let mut elements = Elements::new(Framing::Detect, usize::MAX);
        json.chunks(1).for_each(|chunk| {
            elements.push(bytes::Bytes::copy_from_slice(chunk));
            elements.next_element().unwrap();
        });
    };
    assert_linear("a large element", |n| format!("[\"{}\"]", "x".repeat(n)).into(), split);
    assert_linear("small elements", |n| format!("[{}1]", "[1],".repeat(n)).into(), split);
    assert_linear("lines", |n| "{}\n".repeat(n).into(), split);

    let plan = book();
    let give = |query: &[u8]| {
        let mut parameters = Parameters::new(&plan, &[]);
        let mut out = Vec::new();
        for line in std::str::from_utf8(query).unwrap().lines() {
            parameters.set(line, "1", &mut out).unwrap();
        }
    };
    assert_linear("list values", |n| "tags\n".repeat(n).into(), give);
    let keys = |n| (0..n).map(|n| format!("counts[{n}]\n")).collect::<String>().into();
    assert_linear("map entries", keys, give);
}
