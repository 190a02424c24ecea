//! How files hang together: what imports what, what is missing, who declares a name twice.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::{
    source::{Loaded, ON_IMPORT, Origin},
    visit,
};
use crate::problem::Problem;

/// Adds those bundled files that the sources don't bring themselves, under this or another name.
pub(super) fn add_bundled(files: &mut Vec<Loaded>, bundled: Vec<Loaded>) {
    let own: HashSet<String> = files.iter().map(|loaded| loaded.file.name.clone()).collect();
    let declared = declared(files);
    let mut bundled: Vec<Loaded> =
        bundled.into_iter().filter(|loaded| !own.contains(&loaded.file.name)).collect();
    let wanted = wanted(files, &bundled);
    // A file that depends on one that was dropped has to go too.
    loop {
        let names: HashSet<&str> = bundled.iter().map(|loaded| &*loaded.file.name).collect();
        let stays = |loaded: &Loaded| {
            let mut taken = false;
            visit::names(&loaded.file, &mut |name| taken |= declared.contains(&name));
            let whole = loaded.file.dependency.iter();
            let whole = whole.clone().all(|name| names.contains(&**name) || own.contains(name));
            let is_asked_for = ON_IMPORT.contains(&&*loaded.file.name);
            wanted.contains(&loaded.file.name) || (!is_asked_for && !taken && whole)
        };
        let staying: Vec<bool> = bundled.iter().map(stays).collect();
        if staying.iter().all(|stays| *stays) {
            break;
        }
        let mut staying = staying.into_iter();
        bundled.retain(|_| staying.next().unwrap_or(true));
    }
    files.append(&mut bundled);
}

/// The full names of all that the files declare.
fn declared(files: &[Loaded]) -> HashSet<String> {
    let mut declared = HashSet::new();
    for loaded in files {
        visit::names(&loaded.file, &mut |name| {
            declared.insert(name);
        });
    }
    declared
}

/// The bundled files that the sources import, and what those import.
fn wanted(files: &[Loaded], bundled: &[Loaded]) -> HashSet<String> {
    let by_name: HashMap<&str, &Loaded> =
        bundled.iter().map(|loaded| (&*loaded.file.name, loaded)).collect();
    let mut wanted = HashSet::new();
    let mut queue: VecDeque<&str> =
        files.iter().flat_map(|loaded| &loaded.file.dependency).map(String::as_str).collect();
    while let Some(name) = queue.pop_front() {
        if let Some(loaded) = by_name.get(name)
            && wanted.insert(name.to_owned())
        {
            queue.extend(loaded.file.dependency.iter().map(String::as_str));
        }
    }
    wanted
}

/// Reports names that two files declare.
pub(super) fn check_duplicates(files: &[Loaded], problems: &mut Vec<Problem>) {
    let mut declared: HashMap<String, usize> = HashMap::new();
    let mut clashes: BTreeMap<(usize, usize), (String, usize)> = BTreeMap::new();
    for (index, loaded) in files.iter().enumerate() {
        visit::names(&loaded.file, &mut |name| match declared.get(&name) {
            Some(&first) if first != index => {
                clashes.entry((first, index)).or_insert_with(|| (name, 0)).1 += 1;
            }
            Some(_) => {}
            None => drop(declared.insert(name, index)),
        });
    }
    for ((first, second), (name, count)) in clashes {
        let (first, second) = (&files[first], &files[second]);
        let more = if count > 1 { format!(" and {} more names", count - 1) } else { String::new() };
        let message =
            format!("`{name}`{more} declared by `{}` (from {}) too", first.file.name, first.origin);
        // The file that a user can do something about.
        let at = if second.origin == Origin::Bundled { first } else { second };
        let mend = "load the declarations once, under the name that other files import";
        problems.push(at.origin.error(&second.file.name, message).mend(mend));
    }
}

/// Reports imports that no source brings: errors where a type is missing for it, else warnings.
pub(super) fn check_missing(files: &[Loaded], problems: &mut Vec<Problem>) {
    let present: HashSet<&str> = files.iter().map(|loaded| &*loaded.file.name).collect();
    let types = declared(files);
    for loaded in files {
        let imports = loaded.file.dependency.iter();
        let missing: Vec<&String> = imports.filter(|name| !present.contains(&***name)).collect();
        if missing.is_empty() {
            continue;
        }
        let mut unknown = None;
        visit::references(&loaded.file, &mut |reference| {
            let known = reference.strip_prefix('.').is_some_and(|name| types.contains(name));
            if !known && !reference.is_empty() {
                unknown.get_or_insert(reference);
            }
        });
        for name in missing {
            problems.push(missing_import(loaded, name, unknown));
        }
    }
}

fn missing_import(loaded: &Loaded, name: &str, unknown: Option<&str>) -> Problem {
    let file = &loaded.file.name;
    let mend = match loaded.origin {
        Origin::Set(_) => "write the set with its imports (`protoc --include_imports`)",
        Origin::Protos(_) => "name the folder that holds it as a source too",
        _ => "add a descriptor set or a folder that holds it",
    };
    match unknown {
        Some(reference) => {
            let type_name = reference.trim_start_matches('.');
            let message =
                format!("import `{name}` is in no source, and `{type_name}` is needed from it");
            loaded.origin.error(file, message).mend(mend)
        }
        None => {
            let message = format!("import `{name}` is in no source; no type of it is used");
            let severity = crate::problem::Severity::Warning;
            Problem { severity, ..loaded.origin.error(file, message) }.mend(mend)
        }
    }
}

/// The files in an order in which each comes after what it imports; cycles are problems.
pub(super) fn order(files: Vec<Loaded>, problems: &mut Vec<Problem>) -> Vec<Loaded> {
    let places: HashMap<&str, usize> =
        files.iter().enumerate().map(|(index, loaded)| (&*loaded.file.name, index)).collect();
    let mut waits_for = vec![0_usize; files.len()];
    let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); files.len()];
    for (index, loaded) in files.iter().enumerate() {
        let unique: HashSet<&String> = loaded.file.dependency.iter().collect();
        for place in unique.into_iter().filter_map(|name| places.get(&**name)) {
            waits_for[index] += 1;
            waiting[*place].push(index);
        }
    }
    let mut ready: VecDeque<usize> = (0..files.len()).filter(|at| waits_for[*at] == 0).collect();
    let mut ordered = Vec::with_capacity(files.len());
    while let Some(index) = ready.pop_front() {
        ordered.push(index);
        for &dependent in &waiting[index] {
            waits_for[dependent] -= 1;
            if waits_for[dependent] == 0 {
                ready.push_back(dependent);
            }
        }
    }
    if ordered.len() < files.len() {
        let stuck: Vec<&Loaded> = files
            .iter()
            .zip(&waits_for)
            .filter(|(_, waits)| **waits > 0)
            .map(|(at, _)| at)
            .collect();
        let names: Vec<String> =
            stuck.iter().map(|loaded| format!("`{}`", loaded.file.name)).collect();
        let message = format!("these files import each other in a circle: {}", names.join(", "));
        let mend = "no compiler writes such files; write the descriptors anew";
        problems.extend(
            stuck.first().map(|loaded| loaded.origin.error(&loaded.file.name, message).mend(mend)),
        );
    }
    let mut files: Vec<Option<Loaded>> = files.into_iter().map(Some).collect();
    ordered.into_iter().filter_map(|index| files[index].take()).collect()
}

/// Gives each file all it may see as direct imports: what it imports, and what that publishes.
///
/// The pool follows public imports one step only, and trips over imports that are not there.
pub(super) fn flatten(files: &mut [Loaded]) {
    let published: HashMap<String, Vec<String>> = files
        .iter()
        .map(|loaded| {
            let file = &loaded.file;
            let public = file
                .public_dependency
                .iter()
                .filter_map(|index| file.dependency.get(usize::try_from(*index).ok()?).cloned());
            (file.name.clone(), public.collect())
        })
        .collect();
    for loaded in files {
        let file = &mut loaded.file;
        let mut seen: HashSet<String> = HashSet::from([file.name.clone()]);
        let mut queue: VecDeque<String> = file.dependency.drain(..).collect();
        while let Some(name) = queue.pop_front() {
            if let Some(public) = published.get(&name)
                && seen.insert(name.clone())
            {
                queue.extend(public.iter().cloned());
                file.dependency.push(name);
            }
        }
        file.public_dependency.clear();
        file.weak_dependency.clear();
        file.option_dependency.clear();
    }
}
