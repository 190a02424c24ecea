//! Where descriptors come from, and how their bytes become files.

use std::fmt;

use bytes::Bytes;
use prost::Message;
use protox::file::{FileResolver, GoogleFileResolver};

use super::descriptor::{File, FileSet, join};
use crate::problem::Problem;

/// Who brought a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The program itself.
    Bundled,
    /// The program itself, for services that it answers.
    Own,
    /// A descriptor set or buf image, by the name that the configuration gives it.
    Set(String),
    /// A folder of `.proto` sources.
    Protos(String),
    /// A server that was asked by reflection.
    Reflection(String),
}

impl Origin {
    /// An error in what this origin brought; `path` is the place inside.
    pub(super) fn error(&self, path: &str, message: impl Into<String>) -> Problem {
        match self {
            Origin::Set(name) | Origin::Protos(name) => Problem::error(path, message).in_file(name),
            Origin::Bundled | Origin::Own => Problem::error(path, message),
            Origin::Reflection(_) if path.is_empty() => Problem::error(self.to_string(), message),
            Origin::Reflection(_) => Problem::error(format!("{self}: {path}"), message),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Bundled => f.write_str("the bundled files"),
            Origin::Own => f.write_str("the gateway itself"),
            Origin::Set(name) | Origin::Protos(name) => f.write_str(name),
            Origin::Reflection(name) => write!(f, "reflection of {name}"),
        }
    }
}

/// A file and who brought it.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    pub(super) file: File,
    pub(super) origin: Origin,
}

/// The full names of the services that a file declares.
pub(super) fn services(file: &File) -> Vec<String> {
    file.service.iter().map(|service| join(&file.package, &service.name)).collect()
}

/// Decodes a descriptor set; what can't be read is a problem.
pub(super) fn read_set(origin: &Origin, bytes: Bytes, problems: &mut Vec<Problem>) -> Vec<Loaded> {
    const MEND: &str = "write one with `protoc --include_imports --descriptor_set_out=api.binpb` \
                        or `buf build -o api.binpb`";
    if bytes.is_empty() {
        problems.push(origin.error("", "the descriptor set is empty").mend(MEND));
        return Vec::new();
    }
    // The files are parts of the same memory.
    match FileSet::decode(bytes.clone()) {
        Ok(set) if set.file.is_empty() => {
            problems.push(origin.error("", "the descriptor set holds no file").mend(MEND));
            Vec::new()
        }
        Ok(set) => read_files(origin, &set.file, problems),
        Err(error) => {
            let message = format!("not a descriptor set: {error}{}", guess(&bytes));
            problems.push(origin.error("", message).mend(MEND));
            Vec::new()
        }
    }
}

/// Decodes files one by one.
pub(super) fn read_files(
    origin: &Origin,
    files: &[impl AsRef<[u8]>],
    problems: &mut Vec<Problem>,
) -> Vec<Loaded> {
    let mut loaded = Vec::with_capacity(files.len());
    for (index, bytes) in files.iter().enumerate() {
        match File::decode(bytes.as_ref()) {
            Ok(file) => loaded.push(Loaded { file, origin: origin.clone() }),
            Err(error) => {
                let message = format!("not a file descriptor: {error}");
                let mend = "the bytes are damaged or not a descriptor at all; write them anew";
                problems.push(origin.error(&format!("file[{index}]"), message).mend(mend));
            }
        }
    }
    loaded
}

/// What the bytes look like instead.
fn guess(bytes: &[u8]) -> &'static str {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(512)]);
    match start.trim_start().chars().next() {
        Some('{' | '[') => " (it looks like JSON)",
        _ if ["syntax", "edition", "package", "import"].iter().any(|word| start.contains(word))
            && start.contains(';') =>
        {
            " (it looks like a .proto source, which `protos` takes)"
        }
        _ if bytes.starts_with(&[0x1f, 0x8b]) => " (it looks compressed)",
        _ => "",
    }
}

/// The descriptors of google/api, google/rpc, buf/validate and what they import.
const COMMON: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/common.binpb"));

const WELL_KNOWN: [&str; 12] = [
    "google/protobuf/any.proto",
    "google/protobuf/api.proto",
    "google/protobuf/compiler/plugin.proto",
    "google/protobuf/descriptor.proto",
    "google/protobuf/duration.proto",
    "google/protobuf/empty.proto",
    "google/protobuf/field_mask.proto",
    "google/protobuf/source_context.proto",
    "google/protobuf/struct.proto",
    "google/protobuf/timestamp.proto",
    "google/protobuf/type.proto",
    "google/protobuf/wrappers.proto",
];

/// Those that only schemas hold which import them. They are large, and whoever sends their types
/// imports them.
pub(super) const ON_IMPORT: [&str; 2] =
    ["buf/validate/validate.proto", "google/protobuf/compiler/plugin.proto"];

/// What schemas hold besides their sources: google/api, google/rpc, the well-known types, rules of
/// validation.
pub(super) fn bundled() -> Vec<Loaded> {
    let mut never = Vec::new();
    let mut files = read_set(&Origin::Bundled, Bytes::from_static(COMMON), &mut never);
    let google = GoogleFileResolver::new();
    for name in WELL_KNOWN {
        let Ok(opened) = google.open_file(name) else { continue };
        let bytes = opened.file_descriptor_proto().encode_to_vec();
        let known = |loaded: &Loaded| loaded.file.name == name;
        if !files.iter().any(known) {
            files.extend(read_files(&Origin::Bundled, &[bytes], &mut never));
        }
    }
    debug_assert!(never.is_empty(), "the bundled files can be read");
    files
}
