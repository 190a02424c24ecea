//! Checks that a file keeps the rules that the descriptor pool takes for granted.
//!
//! Compilers always keep them; bytes from elsewhere may not, and the pool would panic on some.

use super::descriptor::{EnumType, Field, File, MessageType, is_map_entry, join, kind, label};

/// Everything that is wrong with one file: the place (a full name) and a sentence.
pub(super) fn validate(file: &File) -> Vec<(String, String)> {
    let mut check = Check { faults: Vec::new() };
    if file.name.is_empty() {
        check.fault("", "the file has no name");
    }
    if !file.package.is_empty() && !file.package.split('.').all(is_identifier) {
        check.fault("", &format!("`{}` is no package name", file.package));
    }
    for message in &file.message_type {
        check.message(&file.package, message);
    }
    for enumeration in &file.enum_type {
        check.enumeration(&file.package, enumeration);
    }
    for extension in &file.extension {
        check.field(&file.package, extension);
    }
    for service in &file.service {
        let scope = check.name(&file.package, &service.name);
        for method in &service.method {
            check.name(&scope, &method.name);
        }
    }
    check.faults
}

struct Check {
    faults: Vec<(String, String)>,
}

impl Check {
    fn fault(&mut self, place: &str, message: &str) {
        self.faults.push((place.to_owned(), message.to_owned()));
    }

    fn name(&mut self, scope: &str, name: &str) -> String {
        let full_name = join(scope, name);
        if !is_identifier(name) {
            self.fault(&full_name, &format!("`{name}` is no name"));
        }
        full_name
    }

    fn message(&mut self, scope: &str, message: &MessageType) {
        let scope = self.name(scope, &message.name);
        for field in message.field.iter().chain(&message.extension) {
            self.field(&scope, field);
        }
        for oneof in &message.oneof_decl {
            self.name(&scope, &oneof.name);
        }
        if is_map_entry(message) && !is_sound_entry(message) {
            self.fault(&scope, "a map's entry needs exactly a `key` and a `value`");
        }
        for nested in &message.nested_type {
            self.message(&scope, nested);
        }
        for enumeration in &message.enum_type {
            self.enumeration(&scope, enumeration);
        }
    }

    fn enumeration(&mut self, scope: &str, enumeration: &EnumType) {
        self.name(scope, &enumeration.name);
        for value in &enumeration.value {
            // Values live beside their enum, not inside it.
            self.name(scope, &value.name);
        }
    }

    fn field(&mut self, scope: &str, field: &Field) {
        let full_name = self.name(scope, &field.name);
        let named = field.type_name.as_ref().is_some_and(|name| !name.is_empty());
        if !(0..=kind::LAST).contains(&field.kind) || (field.kind == 0 && !named) {
            self.fault(&full_name, &format!("field type {} is unknown", field.kind));
        }
        if named && !matches!(field.kind, 0 | kind::MESSAGE | kind::GROUP | kind::ENUM) {
            self.fault(&full_name, "a field of a scalar type names a message or enum type");
        }
        if !(0..=label::REPEATED).contains(&field.label) {
            self.fault(&full_name, &format!("field label {} is unknown", field.label));
        }
    }
}

fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_sound_entry(message: &MessageType) -> bool {
    let [key, value] = message.field.as_slice() else { return false };
    let key_kind =
        ![0, kind::DOUBLE, kind::FLOAT, kind::GROUP, kind::MESSAGE, kind::BYTES, kind::ENUM]
            .contains(&key.kind);
    let singular = |field: &Field| field.label <= label::OPTIONAL;
    key_kind
        && (key.number, value.number) == (1, 2)
        && (key.name.as_str(), value.name.as_str()) == ("key", "value")
        && singular(key)
        && singular(value)
}
