//! Makes one of several copies of a file, or says why they are not the same file.
//!
//! Copies of one file differ in harmless ways: one compiler fills in `json_name` and one doesn't,
//! one server sends comments, one strips custom options, the order of options is free. Whatever
//! else differs is a conflict, for then two sources disagree about what is on the wire.

use std::collections::{HashMap, hash_map::Entry};

use super::{
    descriptor::{Field, File, records},
    source::{Loaded, Origin},
    visit,
};
use crate::problem::Problem;

/// The number from which on fields of options are extensions, that is custom options.
const FIRST_CUSTOM: u32 = 1000;

/// Reduces the files to one copy a name, in the order in which the names came first.
pub(super) fn merge(loaded: Vec<Loaded>, problems: &mut Vec<Problem>) -> Vec<Loaded> {
    let mut merged: Vec<Loaded> = Vec::with_capacity(loaded.len());
    let mut places: HashMap<String, usize> = HashMap::with_capacity(loaded.len());
    for next in loaded {
        match places.entry(next.file.name.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(merged.len());
                merged.push(next);
            }
            Entry::Occupied(entry) => join_copies(&mut merged[*entry.get()], next, problems),
        }
    }
    merged
}

fn join_copies(kept: &mut Loaded, next: Loaded, problems: &mut Vec<Problem>) {
    match unite(&kept.file, &next.file) {
        Ok(file) => {
            kept.file = file;
            // Services that anything but reflection names are the user's own wish.
            if matches!(kept.origin, Origin::Reflection(_)) {
                kept.origin = next.origin;
            }
        }
        Err(_) if are_versions(&kept.file, &next.file) => {
            if shapes(&next.file).len() > shapes(&kept.file).len() {
                *kept = next;
            }
        }
        Err(difference) => {
            let message = format!(
                "the file differs between {} and {}: {difference}",
                kept.origin, next.origin
            );
            let mend = "bring both to the same version, or leave one of them out";
            problems.push(next.origin.error(&next.file.name, message).mend(mend));
        }
    }
}

/// One file that says what both copies say.
fn unite(first: &File, second: &File) -> Result<File, String> {
    let (mut ours, mut theirs) = (bare(first, true), bare(second, true));
    if ours != theirs && has_custom_options(first) != has_custom_options(second) {
        (ours, theirs) = (bare(first, false), bare(second, false));
    }
    if ours != theirs {
        return Err(first_difference(&ours, &theirs));
    }
    let second_is_richer = has_custom_options(second) && !has_custom_options(first);
    let (richer, poorer) = if second_is_richer { (second, first) } else { (first, second) };
    let mut united = richer.clone();
    if united.source_code_info.is_none() {
        united.source_code_info.clone_from(&poorer.source_code_info);
    }
    adopt_json_names(&mut united, poorer)?;
    Ok(united)
}

/// Takes the JSON names that the other copy has and this one lacks.
fn adopt_json_names(file: &mut File, other: &File) -> Result<(), String> {
    let mut names = Vec::new();
    let mut other = other.clone();
    visit::fields_mut(&mut other, &mut |field: &mut Field| names.push(field.json_name.take()));
    let mut names = names.into_iter();
    let mut conflict = None;
    visit::fields_mut(file, &mut |field: &mut Field| match (&field.json_name, names.next()) {
        (None, Some(name)) => field.json_name = name,
        (Some(ours), Some(Some(theirs))) if *ours != theirs => {
            conflict = Some(format!(
                "the JSON name of field `{}` is `{ours}` in one and `{theirs}` in the other",
                field.name
            ));
        }
        _ => {}
    });
    conflict.map_or(Ok(()), Err)
}

/// The file without what may differ between copies.
fn bare(file: &File, with_custom_options: bool) -> File {
    let mut file = file.clone();
    file.source_code_info = None;
    if file.syntax == "proto2" {
        file.syntax.clear();
    }
    visit::fields_mut(&mut file, &mut |field| field.json_name = None);
    visit::options_mut(&mut file, &mut |options| {
        let Some(bytes) = options.take() else { return };
        let mut records: Vec<_> = records(&bytes).collect();
        records.retain(|record| with_custom_options || record.number < FIRST_CUSTOM);
        records.sort_by_key(|record| record.number);
        let sorted: Vec<u8> = records.iter().flat_map(|record| record.bytes).copied().collect();
        *options = (!sorted.is_empty()).then_some(sorted);
    });
    file
}

fn has_custom_options(file: &File) -> bool {
    let mut found = false;
    visit::options_mut(&mut file.clone(), &mut |options| {
        let bytes = options.as_deref().unwrap_or_default();
        found |= records(bytes).any(|record| record.number >= FIRST_CUSTOM);
    });
    found
}

/// Whether both are versions of one of Google's own files, which every compiler and every server
/// brings in its own version: what both declare is the same on the wire.
fn are_versions(first: &File, second: &File) -> bool {
    let (ours, theirs) = (shapes(first), shapes(second));
    first.name.starts_with("google/")
        && first.package.starts_with("google.")
        && first.package == second.package
        && ours.iter().all(|(name, shape)| theirs.get(name).is_none_or(|other| other == shape))
}

/// Each declared thing by a name that is unique in the file, and what it is on the wire.
fn shapes(file: &File) -> HashMap<String, (i32, i32, i32, String)> {
    let mut shapes = HashMap::new();
    visit::names(file, &mut |name| {
        shapes.insert(name, (0, 0, 0, String::new()));
    });
    visit::messages(file, &mut |scope, message| {
        for field in message.field.iter().chain(&message.extension) {
            let type_name = field.type_name.clone().unwrap_or_default();
            let shape = (field.number, field.label, field.kind, type_name);
            shapes.insert(format!("{scope}.{}", field.name), shape);
        }
    });
    shapes
}

/// Names the first thing that is not the same in two files that differ.
fn first_difference(ours: &File, theirs: &File) -> String {
    fn named<'a, T: PartialEq>(
        what: &str,
        (ours, theirs): (&'a [T], &'a [T]),
        name: fn(&T) -> &str,
    ) -> Option<String> {
        let changed = ours.iter().find(|element| !theirs.contains(element));
        let changed = changed.or_else(|| theirs.iter().find(|element| !ours.contains(element)));
        Some(format!("{what} `{}` is not the same", name(changed?)))
    }
    let messages = (ours.message_type.as_slice(), theirs.message_type.as_slice());
    let enums = (ours.enum_type.as_slice(), theirs.enum_type.as_slice());
    let services = (ours.service.as_slice(), theirs.service.as_slice());
    let extensions = (ours.extension.as_slice(), theirs.extension.as_slice());
    let dependencies = (ours.dependency.as_slice(), theirs.dependency.as_slice());
    None.or_else(|| named("message", messages, |message| &message.name))
        .or_else(|| named("enum", enums, |enumeration| &enumeration.name))
        .or_else(|| named("service", services, |service| &service.name))
        .or_else(|| named("extension", extensions, |extension| &extension.name))
        .or_else(|| named("import", dependencies, |dependency| dependency))
        .unwrap_or_else(|| match () {
            () if ours.package != theirs.package => "the package is not the same".into(),
            () if ours.syntax != theirs.syntax || ours.edition != theirs.edition => {
                "the syntax is not the same".into()
            }
            () if ours.options != theirs.options => "the file's options are not the same".into(),
            () => "the declarations stand in another order".into(),
        })
}
