//! JSON to wire bytes: what is accepted is JSON and comes back, what is refused is refused at a
//! place of the document, and no bound is passed.
//!
//! The input's content is a document; see [`super::schema`] for its head.

use transom::transcode::{UnknownFields, json_field_to_wire, json_to_wire, wire_field_to_json};

use super::schema::{Choice, is_json};

/// Fields that the document is read as, besides as the message.
const FIELDS: [&str; 6] = ["selves", "value", "int64_all", "string", "colors", "any"];

/// Checks one input.
pub fn check(input: &[u8]) {
    let Some((choice, json)) = Choice::read(input) else { return };
    check_message(&choice, json);
    for name in FIELDS {
        check_field(&choice, name, json);
    }
}

fn check_message(choice: &Choice, json: &[u8]) {
    let Choice { plan, settings } = choice;
    let mut out = b"before".to_vec();
    if let Err(error) = json_to_wire(plan, settings, usize::MAX, json, &mut out) {
        assert_eq!(out, b"before", "an error leaves the output alone");
        check_place(json, error.offset, error.line, error.column);
        assert!(error.path.starts_with('$'), "{error}");
        assert!(!error.too_large, "without a limit nothing is too large");
        return;
    }
    assert!(out.starts_with(b"before"));
    let wire = out.split_off(b"before".len());
    assert!(is_json(json), "only JSON is accepted");
    check_limits(choice, json, wire.len());
    check_return(choice, &wire);
}

/// The place of an error, told again from its offset.
fn check_place(json: &[u8], offset: usize, line: usize, column: usize) {
    assert!(offset <= json.len(), "byte {offset} of {}", json.len());
    let before = &json[..offset];
    assert_eq!(line, 1 + before.iter().filter(|byte| **byte == b'\n').count());
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if let Ok(text) = str::from_utf8(&before[start..]) {
        assert_eq!(column, 1 + text.chars().count());
    }
}

/// The limit is kept to the byte.
fn check_limits(choice: &Choice, json: &[u8], length: usize) {
    // What is ignored may need a few bytes more for a while.
    if choice.settings.unknown_fields == UnknownFields::Reject {
        let mut out = Vec::new();
        let enough = json_to_wire(&choice.plan, &choice.settings, length, json, &mut out);
        assert_eq!(enough.map(|()| out.len()), Ok(length));
    }
    let Some(limit) = length.checked_sub(1) else { return };
    let mut out = Vec::new();
    let error = json_to_wire(&choice.plan, &choice.settings, limit, json, &mut out);
    assert!(error.is_err_and(|error| error.too_large), "{limit} bytes are not enough");
    assert!(out.is_empty());
}

/// JSON -> wire -> JSON -> wire is stable.
fn check_return(choice: &Choice, wire: &[u8]) {
    let canonical = match choice.canonical(wire) {
        Ok(canonical) => canonical,
        // A document nests less than its message: a Value in a Value is one level of the one and
        // two of the other.
        Err(error) => return assert!(error.contains("deeper"), "{error}"),
    };
    assert_eq!(choice.canonical(&canonical).as_ref(), Ok(&canonical));
    let json = match choice.write_json(wire) {
        Ok(json) => json,
        Err(error) => return assert!(error.contains("deeper"), "{error}"),
    };
    assert!(is_json(json.as_bytes()), "{json}");
    let again = choice.read_json(json.as_bytes()).unwrap_or_else(|error| panic!("{json}: {error}"));
    // Every number of NullValue is written as null, and the default of the enum is then left out.
    if !json.contains("null") {
        assert_eq!(choice.canonical(&again), Ok(canonical), "{json}");
        assert_eq!(choice.write_json(&again).as_ref(), Ok(&json));
    }
}

/// One field's value, as a request's body may be.
fn check_field(choice: &Choice, name: &str, json: &[u8]) {
    let Choice { plan, settings } = choice;
    let Some(field) = plan.field(name) else { return };
    let mut wire = Vec::new();
    if json_field_to_wire(plan, field, settings, usize::MAX, json, &mut wire).is_err() {
        return assert!(wire.is_empty());
    }
    assert!(is_json(json), "only JSON is accepted");
    let mut written = Vec::new();
    match wire_field_to_json(plan, field, settings, usize::MAX, &wire, &mut written) {
        Ok(()) => assert!(is_json(&written)),
        Err(error) => return assert!(error.message.contains("deeper"), "{error}"),
    }
    let mut again = Vec::new();
    json_field_to_wire(plan, field, settings, usize::MAX, &written, &mut again)
        .unwrap_or_else(|error| panic!("{}: {error}", String::from_utf8_lossy(&written)));
    let mut rewritten = Vec::new();
    wire_field_to_json(plan, field, settings, usize::MAX, &again, &mut rewritten)
        .unwrap_or_else(|error| panic!("{}: {error}", String::from_utf8_lossy(&written)));
    assert_eq!(rewritten, written);
}
