//! Path variables and query parameters onto the wire.

use super::*;

fn slot(path: &str) -> Slot {
    Slot::compile(&book(), path).unwrap()
}

/// The message that slots set, one after the other.
fn set(values: &[(&str, &str)]) -> String {
    let mut out = Vec::new();
    for (path, value) in values {
        slot(path).write(value, &mut out).unwrap();
    }
    to_json(&book(), &out).unwrap()
}

#[test]
fn slots_set_every_kind_by_its_text() {
    for (path, value, expected) in [
        ("title", "a/b\"", r#"{"title":"a/b\""}"#),
        ("pages", "-5", r#"{"pages":-5}"#),
        ("copies", "12", r#"{"copies":"12"}"#),
        ("zigzag", "-3", r#"{"zigzag":"-3"}"#),
        ("large", "18446744073709551615", r#"{"large":"18446744073709551615"}"#),
        ("fixed", "7", r#"{"fixed":"7"}"#),
        ("price", "-0.0", r#"{"price":-0.0}"#),
        ("price", "NaN", r#"{"price":"NaN"}"#),
        ("weight", "1e2", r#"{"weight":100}"#),
        ("sold", "true", r#"{"sold":true}"#),
        ("cover", "-_8", r#"{"cover":"+/8="}"#),
        ("color", "BLUE", r#"{"color":"BLUE"}"#),
        ("color", "5", r#"{"color":"BLUE"}"#),
        ("color", "77", r#"{"color":77}"#),
        ("spot.next.depth", "3", r#"{"spot":{"next":{"depth":3}}}"#),
        ("snakeCaseName", "x", r#"{"snakeCaseName":"x"}"#),
        ("time", "1970-01-01T00:00:00.5Z", r#"{"time":"1970-01-01T00:00:00.500Z"}"#),
        ("span", "1.5s", r#"{"span":"1.500s"}"#),
        ("mask", "aB,c", r#"{"mask":"aB,c"}"#),
        ("wrapped", "5", r#"{"wrapped":"5"}"#),
        ("text", "", r#"{"text":""}"#),
    ] {
        assert_eq!(set(&[(path, value)]), expected);
    }
    let long = "x".repeat(300);
    assert_eq!(
        set(&[("spot.next.name", &long)]),
        format!(r#"{{"spot":{{"next":{{"name":"{long}"}}}}}}"#)
    );
}

#[test]
fn slots_win_over_what_stands_before_them_even_with_defaults() {
    let plan = book();
    let body = r#"{"pages":9,"spot":{"depth":5,"name":"n"},"time":"1970-01-01T00:00:05.5Z","wrapped":"8","novel":"x","span":"3s"}"#;
    let mut wire = to_wire(&plan, body).unwrap();
    for (path, value) in [
        ("pages", "0"),
        ("spot.depth", "0"),
        ("time", "1970-01-01T00:00:00Z"),
        ("wrapped", "0"),
        ("poem", "0"),
        ("span", "0s"),
    ] {
        slot(path).write(value, &mut wire).unwrap();
    }
    let expected =
        r#"{"spot":{"name":"n"},"poem":0,"time":"1970-01-01T00:00:00Z","span":"0s","wrapped":"0"}"#;
    let (left, right): (serde_json::Value, serde_json::Value) = (
        serde_json::from_str(&to_json(&plan, &wire).unwrap()).unwrap(),
        serde_json::from_str(expected).unwrap(),
    );
    assert_eq!(left, right);
}

#[test]
fn slots_that_can_not_be_are_refused() {
    for (path, offset) in [
        ("none", 0),
        ("spot.none", 5),
        ("spot", 0),
        ("tags", 0),
        ("tags.x", 5),
        ("counts", 0),
        ("title.x", 6),
        ("any", 0),
        ("", 0),
        ("spot..depth", 5),
    ] {
        let error = Slot::compile(&book(), path).unwrap_err();
        assert_eq!(error.offset, offset, "{path}: {error}");
    }
    for (path, value) in [
        ("pages", "x"),
        ("pages", "2147483648"),
        ("pages", ""),
        ("pages", "1.5"),
        ("small", "-1"),
        ("sold", "1"),
        ("cover", "?"),
        ("color", "PINK"),
        ("time", "now"),
        ("span", "1"),
        ("mask", "a_b"),
        ("price", "inf"),
        ("price", " 1"),
    ] {
        let mut out = vec![7];
        let error = slot(path).write(value, &mut out).unwrap_err();
        assert_eq!((error.fault, error.name.as_str()), (Fault::Value, path));
        assert_eq!(out, [7], "{path}");
    }
}

#[test]
fn slots_compare_texts_by_value() {
    assert!(slot("pages").is_same("1", "1.0"));
    assert!(slot("cover").is_same("AA", "AA=="));
    assert!(slot("color").is_same("BLUE", "5"));
    assert!(!slot("pages").is_same("1", "2"));
    assert!(!slot("pages").is_same("x", "x"));
}

/// What a query makes of the message, or the first fault.
fn query(bound: &[&str], pairs: &[(&str, &str)]) -> Result<String, ParameterError> {
    let plan = book();
    let bound: Vec<Slot> = bound.iter().map(|path| Slot::to_field(&plan, path).unwrap()).collect();
    let mut parameters = Parameters::new(&plan, &bound);
    let mut out = Vec::new();
    for (name, value) in pairs {
        parameters.set(name, value, &mut out)?;
    }
    Ok(to_json(&plan, &out).unwrap())
}

#[test]
fn parameters_set_fields_lists_and_maps() {
    let pairs = [
        ("title", "x"),
        ("tags", "a"),
        ("numbers", "1"),
        ("tags", "b"),
        ("numbers", "2"),
        ("spot.depth", "3"),
        ("spot.name", "n"),
        ("counts[a]", "1"),
        ("counts[b.c]", "2"),
        ("labels[]", "empty"),
        ("colors[true]", "BLUE"),
        ("snake_case_name", "s"),
        ("times", "1970-01-01T00:00:01Z"),
        ("spot.marks", "4"),
        ("spot.marks", "5"),
        ("shades", "5"),
        ("poem", "1"),
    ];
    let expected = concat!(
        r#"{"title":"x","spot":{"depth":3,"name":"n","marks":[4,5]},"tags":["a","b"],"numbers":[1,2],"#,
        r#""counts":{"a":1,"b.c":2},"colors":{"true":"BLUE"},"poem":1,"times":["1970-01-01T00:00:01Z"],"#,
        r#""shades":["BLUE"],"snakeCaseName":"s","labels":{"":"empty"}}"#
    );
    assert_eq!(query(&[], &pairs).unwrap(), expected);
}

#[test]
fn parameters_of_each_fault_are_refused_by_name() {
    for (pairs, fault) in [
        (&[("none", "1")][..], Fault::Unknown),
        (&[("spot.none", "1")], Fault::Unknown),
        (&[("spot", "1")], Fault::Unknown),
        (&[("spots.depth", "1")], Fault::Unknown),
        (&[("counts", "1")], Fault::Unknown),
        (&[("pages[1]", "1")], Fault::Unknown),
        (&[("", "1")], Fault::Unknown),
        (&[("[x]", "1")], Fault::Unknown),
        (&[("pages", "x")], Fault::Value),
        (&[("counts[a]", "x")], Fault::Value),
        (&[("shelves[1]", "x")], Fault::Value),
        (&[("colors[yes]", "RED")], Fault::Value),
        (&[("pages", "1"), ("pages", "1")], Fault::Twice),
        (&[("spot.depth", "1"), ("spot.depth", "2")], Fault::Twice),
        (&[("snakeCaseName", "1"), ("snake_case_name", "2")], Fault::Twice),
        (&[("counts[a]", "1"), ("counts[a]", "2")], Fault::Twice),
        (&[("novel", "1"), ("poem", "2")], Fault::Oneof),
        (&[("essay.depth", "1"), ("poem", "2")], Fault::Oneof),
    ] {
        let error = query(&[], pairs).unwrap_err();
        assert_eq!(
            (error.fault, error.name.as_str()),
            (fault, pairs[pairs.len() - 1].0),
            "{error}"
        );
    }
    assert!(query(&[], &[("essay.depth", "1"), ("essay.name", "2")]).is_ok());
    assert_eq!(query(&["novel"], &[("poem", "2")]).unwrap_err().fault, Fault::Oneof);
}

#[test]
fn parameters_that_path_or_body_bind_are_not_written() {
    let pairs = [("spot.depth", "9"), ("spot.name", "x"), ("essay.depth", "1"), ("pages", "3")];
    assert_eq!(
        query(&["spot.depth", "essay"], &pairs).unwrap(),
        r#"{"spot":{"name":"x"},"pages":3}"#
    );
}
