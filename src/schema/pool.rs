//! Puts files into the descriptor pool, one by one, so that each bad file is reported for itself.

use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
};

use prost::Message;
use prost_reflect::DescriptorPool;

use super::{edition, features::Features, source::Loaded, validate::validate};
use crate::problem::Problem;

/// Builds the pool of files that come after what they import.
///
/// Files that import a bad file are left out without a further word.
pub(super) fn build(files: Vec<Loaded>, problems: &mut Vec<Problem>) -> (DescriptorPool, Features) {
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
    (pool, features)
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
    use super::*;
    use crate::schema::descriptor::File;

    #[test]
    fn a_panic_of_the_library_becomes_a_message() {
        // It takes its file list and its name list apart over a syntax that it doesn't know.
        let message =
            || crate::schema::descriptor::MessageType { name: "M".into(), ..Default::default() };
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
