//! A rule that a message breaks: where, which, and why, as a caller is told.

use std::fmt::Write as _;

use prost_reflect::{FieldDescriptor, MapKey};

use crate::error::{Detail, Error, FieldViolation};

/// As many are told: what a message breaks is as long as the message, and an answer must not be.
pub(super) const MOST: usize = 20;

/// The longest key of a map that is shown, in characters.
const LONGEST_KEY: usize = 64;

/// One broken rule.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The way to the value, outermost first.
    pub path: Vec<Step>,
    /// The rule's id, `string.min_len` for example.
    pub rule: String,
    /// What would be right.
    pub message: String,
    /// The way to the rule in `buf.validate.FieldRules`; empty for rules of messages.
    pub rule_path: Vec<Step>,
    /// Whether it is about a map's key and not its value.
    pub for_key: bool,
}

/// One step on the way to a value.
#[derive(Clone, Debug)]
pub struct Step {
    /// What is gone through.
    pub name: Name,
    /// Where in it.
    pub place: Option<Place>,
}

/// What a step goes through.
#[derive(Clone, Debug)]
pub enum Name {
    /// A field.
    Field(FieldDescriptor),
    /// An extension's full name, its number, and the number of its type.
    Extension(String, u32, i32),
    /// A oneof.
    Oneof(String),
}

/// Where in a list or map.
#[derive(Clone, Debug)]
pub enum Place {
    /// An element.
    Index(usize),
    /// An entry.
    Key(MapKey),
}

impl Step {
    /// A step through a field.
    pub fn field(field: &FieldDescriptor) -> Self {
        Self { name: Name::Field(field.clone()), place: None }
    }

    /// The same at a place in it.
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }
}

impl Violation {
    /// The JSON path of the value: `book.pages[3].title`, `labels["env"]`.
    pub fn json_path(&self) -> String {
        let mut path = String::new();
        for Step { name, place } in &self.path {
            if !path.is_empty() {
                path.push('.');
            }
            match name {
                Name::Field(field) => path.push_str(field.json_name()),
                Name::Extension(name, ..) => {
                    let _ = write!(path, "[{name}]");
                }
                Name::Oneof(name) => path.push_str(name),
            }
            let _ = match place {
                None => Ok(()),
                Some(Place::Index(index)) => write!(path, "[{index}]"),
                Some(Place::Key(MapKey::String(key))) => {
                    let key: String = key.chars().take(LONGEST_KEY).collect();
                    write!(path, "[{}]", serde_json::Value::from(key))
                }
                Some(Place::Key(MapKey::Bool(key))) => write!(path, "[{key}]"),
                Some(Place::Key(MapKey::I32(key))) => write!(path, "[{key}]"),
                Some(Place::Key(MapKey::I64(key))) => write!(path, "[{key}]"),
                Some(Place::Key(MapKey::U32(key))) => write!(path, "[{key}]"),
                Some(Place::Key(MapKey::U64(key))) => write!(path, "[{key}]"),
            };
        }
        path
    }

    fn description(&self) -> String {
        match self.message.is_empty() {
            true => format!("breaks the rule `{}`", self.rule),
            false => self.message.clone(),
        }
    }
}

/// INVALID_ARGUMENT that names each of them, in words the first.
pub(super) fn refusal(violations: &[Violation]) -> Error {
    let told = violations.iter().take(MOST).map(|violation| FieldViolation {
        field: violation.json_path(),
        description: violation.description(),
        reason: violation.rule.clone(),
    });
    let field_violations: Vec<_> = told.collect();
    let first = field_violations.first().cloned().unwrap_or_default();
    let mut message = match first.field.is_empty() {
        true => format!("the request is not valid: {}", first.description),
        false => format!("field `{}`: {}", first.field, first.description),
    };
    if let more @ 1.. = field_violations.len().saturating_sub(1) {
        let _ = write!(message, " (and {more} more)");
    }
    Error::invalid("validation", message).with_detail(Detail::bad_request(field_violations))
}
