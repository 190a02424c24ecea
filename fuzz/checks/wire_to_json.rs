//! Wire bytes to JSON: what is written is JSON and is read back to the same message, a single field
//! is written as within the whole, and no bound is passed.
//!
//! The input's content is a message; see [`super::schema`] for its head.

use transom::transcode::{Settings, status_to_json, wire_field_to_json, wire_to_json};

use super::schema::{self, Choice, is_json, is_same};

/// Fields that are written alone too, by their proto and JSON names.
const FIELDS: [(&str, &str); 8] = [
    ("int64", "int64"),
    ("string", "string"),
    ("bytes", "bytes"),
    ("int32s", "int32s"),
    ("string_value", "stringValue"),
    ("self", "self"),
    ("timestamp", "timestamp"),
    ("closeds", "closeds"),
];

/// Checks one input.
pub fn check(input: &[u8]) {
    let Some((choice, wire)) = Choice::read(input) else { return };
    check_status(&choice, wire);
    let mut out = b"before".to_vec();
    if let Err(error) = wire_to_json(&choice.plan, &choice.settings, usize::MAX, wire, &mut out) {
        assert_eq!(out, b"before", "an error leaves the output alone");
        assert!(error.offset <= wire.len(), "byte {} of {}", error.offset, wire.len());
        assert!(!error.too_large, "without a limit nothing is too large");
        return;
    }
    assert!(out.starts_with(b"before"));
    let json = String::from_utf8(out.split_off(b"before".len())).expect("JSON is UTF-8");
    assert!(is_json(json.as_bytes()), "{json}");
    check_limits(&choice, wire, &json);
    check_canonical(&choice, wire, &json);
    check_return(&choice, &json);
    check_fields(&choice, wire, &json);
}

/// The limit is kept to the byte, but for messages that no serialiser writes: what a later piece
/// replaces may need more for a while.
fn check_limits(choice: &Choice, wire: &[u8], json: &str) {
    let length = json.len();
    let mut out = Vec::new();
    match wire_to_json(&choice.plan, &choice.settings, length, wire, &mut out) {
        Ok(()) => assert_eq!(out, json.as_bytes()),
        Err(error) => {
            assert!(error.too_large && out.is_empty());
            assert_ne!(choice.read_json(json.as_bytes()).as_deref(), Ok(wire));
        }
    }
    let mut out = Vec::new();
    let error = wire_to_json(&choice.plan, &choice.settings, length - 1, wire, &mut out);
    assert!(error.is_err_and(|error| error.too_large), "{} bytes are not enough", length - 1);
    assert!(out.is_empty());
}

/// A message in order says what it said in any order.
fn check_canonical(choice: &Choice, wire: &[u8], json: &str) {
    let canonical = choice.canonical(wire).unwrap_or_else(|error| panic!("{json}: {error}"));
    assert_eq!(choice.canonical(&canonical).as_ref(), Ok(&canonical));
    assert_json(choice, &canonical, json);
}

fn assert_json(choice: &Choice, wire: &[u8], json: &str) {
    let found = choice.write_json(wire);
    assert!(is_same(&found, &Ok(json.to_owned())), "{json} became {found:?}");
}

/// What was written is read, and comes out again.
fn check_return(choice: &Choice, json: &str) {
    let wire = match choice.read_json(json.as_bytes()) {
        Ok(wire) => wire,
        // A list is a level of its document, but none of its message.
        Err(error) => return assert!(error.contains("deeper"), "{json}: {error}"),
    };
    // Every number of NullValue is written as null, and the default of the enum is then left out.
    if !json.contains("null") {
        return assert_json(choice, &wire, json);
    }
    let again = choice.write_json(&wire).unwrap_or_else(|error| panic!("{json}: {error}"));
    let wire = choice.read_json(again.as_bytes()).unwrap_or_else(|e| panic!("{again}: {e}"));
    assert_json(choice, &wire, &again);
}

/// A field alone is what it is within the whole.
fn check_fields(choice: &Choice, wire: &[u8], json: &str) {
    let Choice { plan, settings } = choice;
    let whole: Option<serde_json::Value> = serde_json::from_str(json).ok();
    for (proto_name, json_name) in FIELDS {
        let Some(field) = plan.field(proto_name) else { continue };
        let mut alone = Vec::new();
        let name = if settings.proto_names { proto_name } else { json_name };
        let member = whole.as_ref().and_then(|whole| whole.get(name));
        if let Err(error) = wire_field_to_json(plan, field, settings, usize::MAX, wire, &mut alone)
        {
            // An empty message may lack what is required of it.
            assert!(member.is_none() && error.message.contains("required"), "{json}: {error}");
            continue;
        }
        assert!(is_json(&alone));
        if let (Some(member), Ok(alone)) =
            (member, serde_json::from_slice::<serde_json::Value>(&alone))
        {
            assert_eq!(alone, *member, "{proto_name} of {json}");
        }
    }
}

/// An error's details are JSON whatever they hold.
fn check_status(choice: &Choice, wire: &[u8]) {
    let url = format!("type.googleapis.com/{}", choice.plan.name());
    let details = [(url.as_str(), wire), ("type.googleapis.com/not.Known", wire)];
    let mut json = Vec::new();
    status_to_json(schema::plans(), &Settings::default(), 3, "wrong", details, &mut json);
    assert!(is_json(&json), "{}", String::from_utf8_lossy(&json));
}
