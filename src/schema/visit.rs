//! Walks over a file's elements, for whoever wants all of one kind wherever they are nested.

use super::descriptor::{EnumType, Field, File, MessageType, join};

/// Calls `with` for every field and extension.
pub(super) fn fields_mut(file: &mut File, with: &mut dyn FnMut(&mut Field)) {
    fn in_message(message: &mut MessageType, with: &mut dyn FnMut(&mut Field)) {
        message.field.iter_mut().chain(&mut message.extension).for_each(&mut *with);
        message.nested_type.iter_mut().for_each(|nested| in_message(nested, with));
    }
    file.extension.iter_mut().for_each(&mut *with);
    file.message_type.iter_mut().for_each(|message| in_message(message, with));
}

/// Calls `with` for every `options` of the file, absent ones too.
pub(super) fn options_mut(file: &mut File, with: &mut dyn FnMut(&mut Option<Vec<u8>>)) {
    type With<'a> = &'a mut dyn FnMut(&mut Option<Vec<u8>>);
    fn in_enum(enumeration: &mut EnumType, with: With<'_>) {
        with(&mut enumeration.options);
        enumeration.value.iter_mut().for_each(|value| with(&mut value.options));
    }
    fn in_message(message: &mut MessageType, with: With<'_>) {
        with(&mut message.options);
        message.oneof_decl.iter_mut().for_each(|oneof| with(&mut oneof.options));
        message.extension_range.iter_mut().for_each(|range| with(&mut range.options));
        message.enum_type.iter_mut().for_each(|enumeration| in_enum(enumeration, with));
        message.nested_type.iter_mut().for_each(|nested| in_message(nested, with));
    }
    with(&mut file.options);
    file.enum_type.iter_mut().for_each(|enumeration| in_enum(enumeration, with));
    file.message_type.iter_mut().for_each(|message| in_message(message, with));
    for service in &mut file.service {
        with(&mut service.options);
        service.method.iter_mut().for_each(|method| with(&mut method.options));
    }
    fields_mut(file, &mut |field| with(&mut field.options));
}

/// Calls `with` for the full name of everything that the file declares, but for methods: their names
/// can clash within a service alone, and there may be tens of thousands.
pub(super) fn names(file: &File, with: &mut dyn FnMut(String)) {
    fn in_enum(scope: &str, enumeration: &EnumType, with: &mut dyn FnMut(String)) {
        with(join(scope, &enumeration.name));
        enumeration.value.iter().for_each(|value| with(join(scope, &value.name)));
    }
    fn in_message(scope: &str, message: &MessageType, with: &mut dyn FnMut(String)) {
        let scope = join(scope, &message.name);
        with(scope.clone());
        message.field.iter().for_each(|field| with(join(&scope, &field.name)));
        message.oneof_decl.iter().for_each(|oneof| with(join(&scope, &oneof.name)));
        message.extension.iter().for_each(|field| with(join(&scope, &field.name)));
        message.enum_type.iter().for_each(|enumeration| in_enum(&scope, enumeration, with));
        message.nested_type.iter().for_each(|nested| in_message(&scope, nested, with));
    }
    let scope = &file.package;
    file.message_type.iter().for_each(|message| in_message(scope, message, with));
    file.enum_type.iter().for_each(|enumeration| in_enum(scope, enumeration, with));
    file.extension.iter().for_each(|field| with(join(scope, &field.name)));
    file.service.iter().for_each(|service| with(join(scope, &service.name)));
}

/// Calls `with` for every type that the file refers to, as written: `.a.b.C`.
pub(super) fn references<'a>(file: &'a File, with: &mut dyn FnMut(&'a str)) {
    fn in_field<'a>(field: &'a Field, with: &mut dyn FnMut(&'a str)) {
        field.type_name.iter().chain(&field.extendee).for_each(|name| with(name));
    }
    fn in_message<'a>(message: &'a MessageType, with: &mut dyn FnMut(&'a str)) {
        message.field.iter().chain(&message.extension).for_each(|field| in_field(field, with));
        message.nested_type.iter().for_each(|nested| in_message(nested, with));
    }
    file.message_type.iter().for_each(|message| in_message(message, with));
    file.extension.iter().for_each(|field| in_field(field, with));
    for method in file.service.iter().flat_map(|service| &service.method) {
        with(&method.input_type);
        with(&method.output_type);
    }
}

/// Calls `with` for every message and its full name.
pub(super) fn messages<'a>(file: &'a File, with: &mut dyn FnMut(&str, &'a MessageType)) {
    fn in_message<'a>(
        scope: &str,
        message: &'a MessageType,
        with: &mut dyn FnMut(&str, &'a MessageType),
    ) {
        let scope = join(scope, &message.name);
        with(&scope, message);
        message.nested_type.iter().for_each(|nested| in_message(&scope, nested, with));
    }
    file.message_type.iter().for_each(|message| in_message(&file.package, message, with));
}
