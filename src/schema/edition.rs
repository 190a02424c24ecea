//! Turns a file of any edition into one that a pool of proto2 and proto3 takes.
//!
//! ```text
//! edition = "2023";                              syntax = "proto3";
//! int32 a = 1;                                   optional int32 a = 1;
//! int32 b = 2 [features.field_presence =         int32 b = 2;
//!              IMPLICIT];
//! M c = 3 [features.message_encoding =           group c = 3;
//!          DELIMITED];
//! ```
//!
//! What the rewritten file can't say (closed enums, UTF-8 checks) is kept in [`Features`]. Features
//! are inherited from the edition's defaults through file, message and oneof to the field
//! (<https://protobuf.dev/editions/implementation/>).

use std::collections::HashSet;

use prost::Message;

use super::{
    descriptor::{
        EnumType, Field, File, MessageType, append_varint, is_map_entry, join, kind, label,
        packed_option, records,
    },
    features::{Features, FieldFeatures, Presence},
};

/// `google.protobuf.FeatureSet`; zero is "not set here".
#[derive(Clone, Copy, PartialEq, Message)]
struct FeatureSet {
    #[prost(int32, tag = "1")]
    field_presence: i32,
    #[prost(int32, tag = "2")]
    enum_type: i32,
    #[prost(int32, tag = "3")]
    repeated_field_encoding: i32,
    #[prost(int32, tag = "4")]
    utf8_validation: i32,
    #[prost(int32, tag = "5")]
    message_encoding: i32,
    #[prost(int32, tag = "6")]
    json_format: i32,
}

/// The numbers of FeatureSet's enums.
const IMPLICIT: i32 = 2;
const LEGACY_REQUIRED: i32 = 3;
const CLOSED: i32 = 2;
const PACKED: i32 = 1;
const VERIFY: i32 = 2;
const DELIMITED: i32 = 2;
const LEGACY_BEST_EFFORT: i32 = 2;

const PROTO2: FeatureSet = FeatureSet {
    field_presence: 1,
    enum_type: CLOSED,
    repeated_field_encoding: 2,
    utf8_validation: 3,
    message_encoding: 1,
    json_format: LEGACY_BEST_EFFORT,
};
const PROTO3: FeatureSet = FeatureSet {
    field_presence: IMPLICIT,
    enum_type: 1,
    repeated_field_encoding: PACKED,
    utf8_validation: VERIFY,
    message_encoding: 1,
    json_format: 1,
};
/// Edition 2024 differs from 2023 in nothing that shows on the wire.
const EDITION_2023: FeatureSet = FeatureSet { field_presence: 1, ..PROTO3 };

/// Where `features` stands in each kind of options message.
mod features_in {
    pub(super) const FILE: u32 = 50;
    pub(super) const MESSAGE: u32 = 12;
    pub(super) const FIELD: u32 = 21;
    pub(super) const ONEOF: u32 = 1;
    pub(super) const ENUM: u32 = 7;
}

impl FeatureSet {
    /// These features with those on top that the options set; bytes that can't be read set none.
    fn overlaid(mut self, options: Option<&Vec<u8>>, number: u32) -> Self {
        let here = records(options.map_or(&[], Vec::as_slice)).filter(|r| r.number == number);
        for record in here {
            let Ok(set) = FeatureSet::decode(record.contents()) else { continue };
            let pairs = [
                (&mut self.field_presence, set.field_presence),
                (&mut self.enum_type, set.enum_type),
                (&mut self.repeated_field_encoding, set.repeated_field_encoding),
                (&mut self.utf8_validation, set.utf8_validation),
                (&mut self.message_encoding, set.message_encoding),
                (&mut self.json_format, set.json_format),
            ];
            pairs.into_iter().filter(|(_, set)| *set != 0).for_each(|(into, set)| *into = set);
        }
        self
    }
}

/// Rewrites the file in place and records what the rewritten one no longer says.
///
/// # Errors
///
/// The file's edition or syntax is not one of proto2, proto3, 2023 and 2024.
pub(super) fn normalise(file: &mut File, features: &mut Features) -> Result<(), String> {
    let (defaults, is_edition) = match (file.syntax.as_str(), file.edition) {
        ("" | "editions", 1000 | 1001) => (EDITION_2023, true),
        ("" | "proto2", 0 | 998) | ("editions", 998) => (PROTO2, false),
        ("proto3", 0 | 999) | ("editions", 999) => (PROTO3, false),
        ("editions" | "", edition) => return Err(format!("edition number {edition} is unknown")),
        (syntax, _) => return Err(format!("syntax `{syntax}` is unknown")),
    };
    let fits_proto3 = fits_proto3(file);
    let defaults = defaults.overlaid(file.options.as_ref(), features_in::FILE);
    let syntax = match defaults.field_presence {
        _ if is_edition && fits_proto3 => "proto3",
        _ if is_edition => "proto2",
        // A proto3 file may hold names that the pool wrongly takes for a conflict.
        IMPLICIT if has_similar_names(file) => "proto2",
        IMPLICIT => "proto3",
        _ => "proto2",
    };
    let rewrite = is_edition || (defaults.field_presence == IMPLICIT && syntax == "proto2");
    let mut walk = Walk { features, rewrite, proto3: syntax == "proto3" };
    walk.file(file, defaults);
    file.syntax = syntax.to_owned();
    file.edition = 0;
    Ok(())
}

/// One walk over a file.
struct Walk<'a> {
    features: &'a mut Features,
    /// Whether the file changes its language, so that each element must say what it meant.
    rewrite: bool,
    proto3: bool,
}

/// Where a field stands.
#[derive(Clone, Copy)]
enum Home<'a> {
    Message { is_map_entry: bool, map_entries: &'a HashSet<String> },
    Extension,
}

impl Walk<'_> {
    fn file(&mut self, file: &mut File, features: FeatureSet) {
        let package = file.package.clone();
        for message in &mut file.message_type {
            self.message(&package, message, features);
        }
        for enumeration in &file.enum_type {
            self.enumeration(&package, enumeration, features);
        }
        for extension in &mut file.extension {
            self.field(&package, extension, features, Home::Extension);
        }
    }

    fn message(&mut self, scope: &str, message: &mut MessageType, parent: FeatureSet) {
        let scope = join(scope, &message.name);
        let features = parent.overlaid(message.options.as_ref(), features_in::MESSAGE);
        let entries = message.nested_type.iter().filter(|nested| is_map_entry(nested));
        let map_entries = entries.map(|entry| format!(".{}", join(&scope, &entry.name))).collect();
        let home = Home::Message { is_map_entry: is_map_entry(message), map_entries: &map_entries };
        for field in &mut message.field {
            let oneof = field.oneof_index.and_then(|index| usize::try_from(index).ok());
            let oneof = oneof.and_then(|index| message.oneof_decl.get(index));
            let options = oneof.and_then(|oneof| oneof.options.as_ref());
            self.field(&scope, field, features.overlaid(options, features_in::ONEOF), home);
        }
        if features.json_format == LEGACY_BEST_EFFORT || allows_json_conflicts(message) {
            part_json_names(message);
        }
        for nested in &mut message.nested_type {
            self.message(&scope, nested, features);
        }
        for enumeration in &message.enum_type {
            self.enumeration(&scope, enumeration, features);
        }
        for extension in &mut message.extension {
            self.field(&scope, extension, features, Home::Extension);
        }
    }

    fn field(&mut self, scope: &str, field: &mut Field, parent: FeatureSet, home: Home<'_>) {
        if !self.rewrite {
            return;
        }
        let features = parent.overlaid(field.options.as_ref(), features_in::FIELD);
        let resolved = resolve(field, features, home);
        let is_message = matches!(field.kind, kind::MESSAGE | kind::GROUP);
        if resolved.delimited {
            field.kind = kind::GROUP;
        }
        if resolved.presence == Presence::Required {
            field.label = label::REQUIRED;
        }
        if field.is_packable() {
            append_varint(&mut field.options, 2, u64::from(resolved.packed));
        }
        field.proto3_optional = self.proto3
            && resolved.presence == Presence::Explicit
            && !is_message
            && field.oneof_index.is_none()
            && matches!(home, Home::Message { is_map_entry: false, .. });
        self.features.record_field(join(scope, &field.name), resolved);
    }

    fn enumeration(&mut self, scope: &str, enumeration: &EnumType, parent: FeatureSet) {
        if self.rewrite {
            let features = parent.overlaid(enumeration.options.as_ref(), features_in::ENUM);
            let closed = features.enum_type == CLOSED;
            self.features.record_enum(join(scope, &enumeration.name), closed);
        }
    }
}

fn resolve(field: &Field, features: FeatureSet, home: Home<'_>) -> FieldFeatures {
    let is_extension = matches!(home, Home::Extension);
    let repeated = field.label == label::REPEATED;
    let is_message = matches!(field.kind, kind::MESSAGE | kind::GROUP);
    let is_free = !is_extension && field.oneof_index.is_none();
    let required = field.label == label::REQUIRED
        || (!repeated && is_free && features.field_presence == LEGACY_REQUIRED);
    let explicit =
        is_message || !is_free || field.proto3_optional || features.field_presence != IMPLICIT;
    // Neither a map nor the value of one is ever a group.
    let may_delimit = match home {
        Home::Extension => true,
        Home::Message { is_map_entry: true, .. } => false,
        Home::Message { map_entries, .. } => {
            !field.type_name.as_ref().is_some_and(|name| map_entries.contains(name))
        }
    };
    let packed = packed_option(field).unwrap_or(features.repeated_field_encoding == PACKED);
    FieldFeatures {
        presence: match () {
            () if required => Presence::Required,
            () if explicit && !repeated => Presence::Explicit,
            () => Presence::Implicit,
        },
        packed: packed && field.is_packable(),
        delimited: field.kind == kind::GROUP
            || (field.kind == kind::MESSAGE
                && may_delimit
                && features.message_encoding == DELIMITED),
        validates_utf8: field.kind == kind::STRING && features.utf8_validation == VERIFY,
    }
}

/// Whether the pool would take the file as proto3: there enums begin at zero.
fn fits_proto3(file: &File) -> bool {
    fn begins_at_zero(enumeration: &EnumType) -> bool {
        enumeration.value.first().is_none_or(|value| value.number.unwrap_or(0) == 0)
    }
    fn all_begin_at_zero(message: &MessageType) -> bool {
        message.enum_type.iter().all(begins_at_zero)
            && message.nested_type.iter().all(all_begin_at_zero)
    }
    file.enum_type.iter().all(begins_at_zero)
        && file.message_type.iter().all(all_begin_at_zero)
        && !has_similar_names(file)
}

/// Whether fields of one message differ in nothing but case and underscores.
fn has_similar_names(file: &File) -> bool {
    fn in_message(message: &MessageType) -> bool {
        let mut seen = HashSet::new();
        let squeeze = |field: &Field| field.name.replace('_', "").to_ascii_lowercase();
        message.field.iter().any(|field| !seen.insert(squeeze(field)))
            || message.nested_type.iter().any(in_message)
    }
    file.message_type.iter().any(in_message)
}

/// `MessageOptions.deprecated_legacy_json_field_conflicts`.
fn allows_json_conflicts(message: &MessageType) -> bool {
    let options = message.options.as_deref().unwrap_or_default();
    let allowed = records(options).filter(|record| record.number == 11).last();
    allowed.and_then(|record| record.varint()).is_some_and(|value| value != 0)
}

/// Where fields share a JSON name, which proto2 allows, those that aren't written so in the file
/// go by their own names.
fn part_json_names(message: &mut MessageType) {
    let json_names: Vec<String> = message.field.iter().map(json_name_of).collect();
    for (field, json_name) in message.field.iter_mut().zip(&json_names) {
        let shared = json_names.iter().filter(|other| *other == json_name).count() > 1;
        if shared && !json_names.contains(&field.name) {
            field.json_name = Some(field.name.clone());
        }
    }
}

/// The name in JSON, as given or as made from the field's name.
fn json_name_of(field: &Field) -> String {
    field.json_name.clone().unwrap_or_else(|| json_name(&field.name))
}

/// The JSON name that a field has by default.
fn json_name(name: &str) -> String {
    let mut json_name = String::with_capacity(name.len());
    let mut raise = false;
    for character in name.chars() {
        match character {
            '_' => raise = true,
            other if raise => {
                json_name.push(other.to_ascii_uppercase());
                raise = false;
            }
            other => json_name.push(other),
        }
    }
    json_name
}
