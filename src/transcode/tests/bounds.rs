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

/// The least CPU time of a few runs, in nanoseconds: what other threads do does not count.
fn cost(mut run: impl FnMut()) -> f64 {
    let now = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
    };
    (0..7)
        .map(|_| {
            let start = now();
            run();
            now() - start
        })
        .fold(f64::INFINITY, f64::min)
}

/// Sixteen times the input must cost less than a hundred times: quadratic would be 256, and caches
/// that are too small for the larger input a few times 16.
fn assert_linear(what: &str, make: impl Fn(usize) -> Vec<u8>, run: impl Fn(&[u8])) {
    let (small, large) = (make(1_000), make(16_000));
    let ratio = cost(|| run(&large)) / cost(|| run(&small));
    assert!(ratio < 100.0, "{what}: {ratio:.0} times the cost for 16 times the input");
}

#[test]
fn no_shape_of_json_costs_more_than_linear_time() {
    let plan = book();
    let settings = Settings { unknown_fields: UnknownFields::Ignore, ..Settings::default() };
    type Make = fn(usize) -> String;
    let shapes: [(&str, Make); 9] = [
        ("spots", |n| format!("{{\"spots\":[{}{{}}]}}", "{\"name\":\"x\"},".repeat(n))),
        ("map keys", |n| {
            let entries: Vec<_> = (0..n).map(|n| format!("\"{n}\":1")).collect();
            format!("{{\"counts\":{{{}}}}}", entries.join(","))
        }),
        ("maps after a large one", |n| {
            let entries: Vec<_> = (0..n).map(|n| format!("\"{n}\":1")).collect();
            let small =
                ",{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1}"
                    .repeat(n);
            format!("{{\"values\":[{{{}}}{small}]}}", entries.join(","))
        }),
        ("wide unknown", |n| format!("{{\"q\":{{{}\"z\":1}}}}", "\"a\":[1,2],".repeat(n))),
        ("escapes", |n| format!("{{\"title\":\"{}\"}}", "\\u00e9\\n".repeat(n))),
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
                "x".repeat(n * 10)
            )
        }),
    ];
    for (what, make) in shapes {
        assert_linear(
            what,
            |n| make(n).into_bytes(),
            |json| {
                let mut out = Vec::new();
                json_to_wire(&plan, &settings, usize::MAX, json, &mut out).unwrap();
            },
        );
    }
}

#[test]
fn no_shape_of_wire_bytes_costs_more_than_linear_time() {
    let plan = book();
    let piece = |json: &str| to_wire(&plan, json).unwrap();
    let alternate = |a: &str, b: &str, n: usize| [piece(a), piece(b)].concat().repeat(n);
    type Make<'a> = Box<dyn Fn(usize) -> Vec<u8> + 'a>;
    let shapes: [(&str, Make); 6] = [
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
        (
            "nested groups",
            Box::new(|n| {
                let body = [0x08, 1].repeat(n * 10);
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
                let mut wire = [0x08, 1].repeat(n * 10);
                for _ in 0..90 {
                    let mut outer = vec![0x1a];
                    prost::encoding::encode_varint(wire.len() as u64, &mut outer);
                    outer.extend(&wire);
                    wire = [&[0x08, 1, 0x08, 1][..], &outer].concat();
                }
                let mut message = vec![0x52];
                prost::encoding::encode_varint(wire.len() as u64, &mut message);
                [message, wire].concat()
            }),
        ),
    ];
    for (what, make) in shapes {
        assert_linear(what, make, |wire| {
            to_json(&plan, wire).unwrap();
            let mut out = Vec::new();
            wire_to_wire(&plan, &Settings::default(), usize::MAX, wire, &mut out).unwrap();
        });
    }
}
