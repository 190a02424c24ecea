//! Puts files into the descriptor pool, one by one, so that each bad file is reported for itself.

use std::{
    collections::{HashMap, HashSet},
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

use prost::Message;
use prost_reflect::DescriptorPool;

use super::{
    descriptor::{File, ServiceType},
    edition,
    features::Features,
    source::Loaded,
    validate::validate,
    visit,
};
use crate::problem::Problem;

/// Builds the pool of files that come after what they import.
///
/// Files that import a bad file are left out without a further word.
pub(super) fn build(files: Vec<Loaded>, problems: &mut Vec<Problem>) -> Built {
    let mut services = HashMap::new();
    let mut pool = DescriptorPool::new();
    let mut features = Features::default();
    let mut bad: HashSet<String> = HashSet::new();
    for Loaded { mut file, origin } in files {
        if file.dependency.iter().any(|name| bad.contains(name)) {
            bad.insert(file.name);
            continue;
        }
        let mut faults = validate(&file);
        if faults.is_empty() {
            let own = if is_detachable(&file, &pool) {
                mem::take(&mut file.service)
            } else {
                file.service.clone()
            };
            services.insert(file.name.clone(), Declared { package: file.package.clone(), own });
            let outcome = edition::normalise(&mut file, &mut features);
            let outcome = outcome.and_then(|()| add(&mut pool, &file.encode_to_vec()));
            faults.extend(outcome.err().map(|message| (String::new(), message)));
        }
        if !faults.is_empty() {
            bad.insert(file.name.clone());
        }
        let mend = "compile the file anew; protoc, buf and the gateway keep these rules";
        problems.extend(faults.into_iter().map(|(place, message)| {
            let path = if place.is_empty() { file.name.clone() } else { place };
            let message =
                if path == file.name { message } else { format!("{message}, in `{}`", file.name) };
            origin.error(&path, message).mend(mend)
        }));
    }
    Built { pool, features, services }
}

/// What became of the files.
pub(super) struct Built {
    /// Every type.
    pub(super) pool: DescriptorPool,
    /// What the pool can't say.
    pub(super) features: Features,
    /// What each file declares of services, by the file's name.
    pub(super) services: HashMap<String, Declared>,
}

/// The services of one file.
pub(super) struct Declared {
    /// Their scope.
    pub(super) package: String,
    /// As they stand there.
    pub(super) own: Vec<ServiceType>,
}

/// Whether the pool has nothing to say about the services of a file: every type that they name is
/// there, imported, and named from the root, and no name stands twice. Such services stay out of
/// the pool, which would keep each method three times over.
fn is_detachable(file: &File, pool: &DescriptorPool) -> bool {
    let mut names = HashSet::new();
    let mut is_unique = true;
    visit::names(file, &mut |name| is_unique &= names.insert(name));
    let mut own = HashSet::new();
    visit::messages(file, &mut |name, _| {
        own.insert(name.to_owned());
    });
    let is_known = |name: &str| {
        name.strip_prefix('.').is_some_and(|name| {
            let imported = || pool.get_message_by_name(name).map(|message| message.parent_file());
            own.contains(name)
                || imported().is_some_and(|from| {
                    file.dependency.iter().any(|dependency| dependency == from.name())
                })
        })
    };
    for service in &file.service {
        let mut methods = HashSet::new();
        is_unique &= service.method.iter().all(|method| methods.insert(&*method.name));
    }
    let mut methods = file.service.iter().flat_map(|service| &service.method);
    is_unique && methods.all(|method| is_known(&method.input_type) && is_known(&method.output_type))
}

/// Adds one file; the library's panics, if any are left, become messages too.
fn add(pool: &mut DescriptorPool, bytes: &[u8]) -> Result<(), String> {
    match catch_unwind(AssertUnwindSafe(|| pool.decode_file_descriptor_proto(bytes))) {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(_) => {
            // Half built, it may panic anywhere; nobody gets to see a pool that goes with errors.
            *pool = DescriptorPool::new();
            Err("the descriptor library can't take this file".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::descriptor::MessageType, *};

    #[test]
    fn a_panic_of_the_library_becomes_a_message() {
        // It takes its file list and its name list apart over a syntax that it doesn't know.
        let message = || MessageType { name: "M".into(), ..Default::default() };
        let file = File {
            name: "a.proto".into(),
            syntax: "editions".into(),
            message_type: vec![message()],
            ..File::default()
        };
        let mut pool = DescriptorPool::new();
        assert!(add(&mut pool, &file.encode_to_vec()).is_err());
        assert_eq!(pool.files().len(), 0);
    }
}
