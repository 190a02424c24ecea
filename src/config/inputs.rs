//! The files that a configuration was read from, and whether they are still the same.
//!
//! They are looked at, not watched through the kernel: a mounted Kubernetes volume changes by a
//! symbolic link far from the file, editors put a new file in the place of the old, and network file
//! systems tell nobody. A look costs a `stat` a file; only what looks different is read, and what
//! counts then is its text.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::{Loaded, Source};
use crate::schema::proto_files;

/// A file that changed less than this long ago may change again without looking different: clocks
/// of file systems tick a few hundred times a second, those of network file systems more slowly.
const SETTLING: Duration = Duration::from_secs(2);

/// The files of one configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    files: Vec<PathBuf>,
    /// Folders of `.proto` sources.
    folders: Vec<PathBuf>,
}

/// How files look from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    digest: u64,
    /// One has just changed, so the next change may not show.
    unsettled: bool,
}

impl Glance {
    /// Whether the text of the files may differ from what it was at an earlier glance.
    pub fn may_differ(&self, earlier: &Self) -> bool {
        self.digest != earlier.digest || earlier.unsettled || self.unsettled
    }
}

impl Inputs {
    /// What a configuration was read from. Certificates of listeners are not among it: they are
    /// looked after where they are shown.
    pub fn of(loaded: &Loaded) -> Self {
        let mut inputs = Self::default();
        inputs.files.extend(loaded.places.files());
        for source in &loaded.file.schema {
            match source {
                Source::DescriptorSet(file) | Source::Rules(file) => {
                    inputs.files.push(file.clone());
                }
                Source::Protos(folder) => inputs.folders.push(folder.clone()),
                Source::Reflection { .. } => {}
            }
        }
        let tls = loaded.file.upstreams.values().filter_map(|upstream| upstream.tls.as_ref());
        inputs.files.extend(
            tls.flat_map(|tls| {
                [&tls.ca, &tls.certificate, &tls.key].into_iter().flatten().cloned()
            }),
        );
        inputs.files.sort();
        inputs.files.dedup();
        inputs
    }

    /// Looks at every file from outside.
    pub fn glance(&self) -> Glance {
        let mut hasher = DefaultHasher::new();
        let mut unsettled = false;
        let now = SystemTime::now();
        self.each(&mut |path| {
            path.hash(&mut hasher);
            // Through links, wherever they lead by now.
            let Ok(found) = fs::metadata(path) else { return false.hash(&mut hasher) };
            let times = (found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec());
            (found.dev(), found.ino(), found.len(), times).hash(&mut hasher);
            let changed = u64::try_from(found.ctime().max(found.mtime())).unwrap_or_default();
            let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(changed);
            // A time that lies ahead says nothing.
            unsettled |= now.duration_since(changed).map_or(true, |age| age < SETTLING);
        });
        Glance { digest: hasher.finish(), unsettled }
    }

    /// The text of all files in one number; one that can't be read says nothing.
    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.each(&mut |path| {
            path.hash(&mut hasher);
            hash_text(path, &mut hasher).ok().hash(&mut hasher);
        });
        hasher.finish()
    }

    fn each(&self, see: &mut dyn FnMut(&Path)) {
        self.files.iter().for_each(|file| see(file));
        for folder in &self.folders {
            proto_files(folder).iter().for_each(|name| see(&folder.join(name)));
        }
    }
}

/// Feeds a file's text to the hasher in pieces, and tells how long it was: a descriptor set may be
/// large, and would stand in memory for as long as the process is young.
fn hash_text(path: &Path, hasher: &mut DefaultHasher) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let mut piece = [0; 16 << 10];
    let mut length = 0;
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(length),
            Ok(read) => {
                hasher.write(&piece[..read]);
                length += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn inputs(files: &[&Path], folders: &[&Path]) -> Inputs {
        let owned = |paths: &[&Path]| paths.iter().map(|path| (*path).to_owned()).collect();
        Inputs { files: owned(files), folders: owned(folders) }
    }

    #[test]
    fn any_way_to_change_a_file_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("protos/deep")).unwrap();
        fs::write(path("a"), "1").unwrap();
        fs::write(path("protos/deep/a.proto"), "1").unwrap();
        let inputs = inputs(&[&path("a")], &[&path("protos")]);
        let changes: [&dyn Fn(); 6] = [
            &|| fs::write(path("a"), "2").unwrap(),
            &|| {
                fs::write(path("new"), "3").unwrap();
                fs::rename(path("new"), path("a")).unwrap();
            },
            &|| fs::remove_file(path("a")).unwrap(),
            &|| fs::write(path("protos/deep/a.proto"), "2").unwrap(),
            &|| fs::write(path("protos/b.proto"), "1").unwrap(),
            &|| fs::remove_file(path("protos/b.proto")).unwrap(),
        ];
        for (at, change) in changes.iter().enumerate() {
            let (glance, digest) = (inputs.glance(), inputs.digest());
            change();
            assert!(inputs.glance().may_differ(&glance), "{at}");
            assert_ne!(inputs.digest(), digest, "{at}");
            assert_eq!(inputs.digest(), inputs.digest());
        }
    }

    #[test]
    fn a_mounted_volume_is_swapped_by_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (version, text) in [("..1", "one"), ("..2", "two")] {
            fs::create_dir(path(version)).unwrap();
            fs::write(path(version).join("a.proto"), text).unwrap();
        }
        symlink("..1", path("..data")).unwrap();
        symlink("..data/a.proto", path("a.proto")).unwrap();
        let all = inputs(&[&path("a.proto")], &[folder.path()]);
        let (glance, digest) = (all.glance(), all.digest());
        symlink("..2", path("..data_tmp")).unwrap();
        fs::rename(path("..data_tmp"), path("..data")).unwrap();
        assert!(all.glance().may_differ(&glance));
        assert_ne!(all.digest(), digest);
        assert_eq!(proto_files(folder.path()), ["a.proto"], "not those behind the links as well");
    }

    #[test]
    fn files_that_have_settled_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        fs::write(&file, "1").unwrap();
        let inputs = inputs(&[&file], &[]);
        assert!(inputs.glance().unsettled);
        let settled = Glance { unsettled: false, ..inputs.glance() };
        assert!(!settled.may_differ(&settled));
    }
}
