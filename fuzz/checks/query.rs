//! Queries: pairs come back as they are encoded again, and what parameters write is a message that
//! says the same as the JSON with these values.
//!
//! ```text
//!     input = head [ bound ] query
//! ```
//!
//! The head is that of [`super::schema`]; the byte behind it chooses which fields are bound.

use std::borrow::Cow;

use transom::{
    route::pairs,
    transcode::{EmitDefaults, Fault, Given, Parameters, Slot, UnknownFields},
};

use super::schema::{Choice, is_json, is_same};

/// Fields that the path or the body may bind.
const BOUND: [&str; 4] = ["self.string", "string", "value", "choice_all"];

/// Checks one input.
pub fn check(input: &[u8]) {
    let Some((mut choice, [bound, query @ ..])) = Choice::read(input) else { return };
    let Ok(query) = str::from_utf8(query) else { return };
    // Unlike what is absent, what was written with its default is seen.
    choice.settings.emit_defaults = EmitDefaults::All;
    choice.settings.unknown_fields = UnknownFields::Reject;
    let given = check_pairs(query);
    let names = BOUND.iter().enumerate().filter(|(index, _)| bound >> index & 1 == 1);
    let bound: Vec<Slot> =
        names.filter_map(|(_, name)| Slot::to_field(&choice.plan, name).ok()).collect();
    let forward = check_parameters(&choice, &bound, given.iter());
    let backward = check_parameters(&choice, &bound, given.iter().rev());
    assert_eq!(forward, backward, "the order of parameters is no matter");
    for (name, value) in &given {
        check_slot(&choice, name, value);
    }
}

type Pair<'q> = (Cow<'q, str>, Cow<'q, str>);

fn check_pairs(query: &str) -> Vec<Pair<'_>> {
    let mut given = Vec::new();
    for pair in pairs(query) {
        match pair {
            Ok(pair) => given.push(pair),
            Err(error) => assert!(error.to_string().contains(error.parameter())),
        }
    }
    let again: Vec<String> =
        given.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    let again = again.join("&");
    let again: Result<Vec<_>, _> = pairs(&again).collect();
    assert_eq!(again.as_ref(), Ok(&given));
    given
}

fn encode(text: &str) -> String {
    let one = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02x}"),
    };
    text.bytes().map(one).collect()
}

/// Sets parameters until one is refused; whether none was.
fn check_parameters<'q>(
    choice: &Choice,
    bound: &[Slot],
    given: impl Iterator<Item = &'q Pair<'q>>,
) -> bool {
    let mut parameters = Parameters::new(&choice.plan, bound);
    let mut out = Vec::new();
    let mut all = true;
    for (name, value) in given {
        let before = out.clone();
        match parameters.set(name, value, &mut out) {
            Ok(Given::Written) => {
                assert!(out.len() > before.len() && out.starts_with(&before));
                check_message(choice, &out[before.len()..]);
            }
            Ok(Given::Bound(index)) => {
                assert!(index < bound.len());
                assert_eq!(out, before);
            }
            Err(error) => {
                assert_eq!(error.name, *name);
                assert_eq!(out, before);
                all = false;
            }
        }
    }
    check_message(choice, &out);
    all
}

/// What was written is a message, though fields that it must have may be missing, and if not always
/// one that JSON can express.
fn check_message(choice: &Choice, wire: &[u8]) {
    if let Err(error) = choice.canonical(wire) {
        assert!(error.contains("required"), "{error}");
    }
    if let Ok(json) = choice.write_json(wire) {
        assert!(is_json(json.as_bytes()));
    }
}

/// A path variable takes the texts that a parameter takes, and JSON's string of such a text is the
/// same value.
fn check_slot(choice: &Choice, name: &str, value: &str) {
    let mut by_parameter = Vec::new();
    let set = Parameters::new(&choice.plan, &[]).set(name, value, &mut by_parameter);
    let Ok(slot) = Slot::compile(&choice.plan, name) else { return };
    let mut by_slot = Vec::new();
    let written = slot.write(value, &mut by_slot);
    assert_eq!(written.is_ok(), set.is_ok());
    assert_eq!(by_slot, by_parameter);
    assert_eq!(slot.is_same(value, value), set.is_ok());
    if let Err(error) = written {
        assert_eq!(error.fault, Fault::Value);
    }
    check_json(choice, name, value, &by_slot);
}

fn check_json(choice: &Choice, name: &str, value: &str, wire: &[u8]) {
    // In JSON, what is inside a Value is no field of it.
    let inside_value = |name: &str| matches!(name, "value" | "choice_value" | "choiceValue");
    let mut names = name.split('.').rev();
    let mut json = string(value);
    json = format!("{{{}:{json}}}", names.next().map(string).unwrap_or_default());
    for name in names {
        if inside_value(name) {
            return;
        }
        json = format!("{{{}:{json}}}", string(name));
    }
    if choice.plan.name() == "google.protobuf.Value" {
        return;
    }
    if let Ok(by_json) = choice.read_json(json.as_bytes()) {
        let [by_json, by_slot] = [&by_json, wire].map(|wire| choice.write_json(wire));
        assert!(is_same(&by_json, &by_slot), "{name}={value}: {by_json:?} and {by_slot:?}");
    }
}

fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
