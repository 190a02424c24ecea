//! Where the parts of a configuration stand, so that each problem can say it.
//!
//! A path is written like `services."bookshelf.v1.*".headers.request.remove[0]`.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::problem::{Place, Problem};

/// The places of one configuration.
#[derive(Clone, Debug, Default)]
pub struct Places {
    file: Option<PathBuf>,
    lines: HashMap<String, usize>,
    secrets: Vec<Secret>,
    /// Paths that have been reported as unreadable.
    broken: HashSet<String>,
    /// For each list, the places of the elements that could not be read, ascending.
    left_out: HashMap<String, Vec<usize>>,
}

/// A value that came from the environment or a file and must not be shown.
#[derive(Clone)]
pub(super) struct Secret {
    /// The path of the scalar that holds it.
    pub(super) path: String,
    /// The reference that stands for it, `${NAME}`.
    pub(super) reference: String,
    /// What must not be shown.
    pub(super) value: String,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.reference)
    }
}

impl Places {
    /// The places of this file, none known yet.
    pub(super) fn in_file(file: &Path) -> Self {
        Self { file: Some(file.to_owned()), ..Self::default() }
    }

    /// The places of command-line arguments, where each part was given by a flag.
    pub fn in_arguments() -> Self {
        Self::default()
    }

    /// Where relative paths start.
    pub(super) fn folder(&self) -> &Path {
        self.file.as_deref().and_then(Path::parent).unwrap_or(Path::new(""))
    }

    /// The files that the configuration's text came from: its own, and those that it refers to for
    /// secrets.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let Some(file) = &self.file else { return Vec::new() };
        let folder = file.parent().unwrap_or(Path::new(""));
        let secrets = self.secrets.iter().filter_map(|secret| {
            let path = secret.reference.strip_prefix("${file:")?.strip_suffix('}')?;
            Some(folder.join(path))
        });
        [file.clone()].into_iter().chain(secrets).collect()
    }

    /// Where relative paths start, for people.
    pub(super) fn path_mend(&self) -> &'static str {
        match self.file {
            Some(_) => "relative paths start at the folder of the configuration file",
            None => "name one that exists",
        }
    }

    /// Says on which line (from 1) a path stands.
    pub(super) fn set_line(&mut self, path: &str, line: usize) {
        self.lines.insert(path.to_owned(), line);
    }

    /// Says that a scalar holds what must not be shown.
    pub(super) fn add_secret(&mut self, secret: Secret) {
        self.secrets.push(secret);
    }

    /// Whether the scalar at the path came from the environment or a file.
    pub(super) fn is_secret(&self, path: &str) -> bool {
        self.secrets.iter().any(|secret| secret.path == path)
    }

    /// Says that what stands at the path has been reported, and is `null` now.
    pub(super) fn set_broken(&mut self, path: &str) {
        self.broken.insert(path.to_owned());
    }

    /// Whether what stood at the path has been reported already.
    pub(super) fn is_broken(&self, path: &str) -> bool {
        self.broken.contains(path)
    }

    /// Says that the element of a list that is at `index` now is taken out of it; `list` is the
    /// list's original path.
    pub(super) fn leave_out(&mut self, list: &str, index: usize) {
        let left_out = self.left_out.entry(list.to_owned()).or_default();
        left_out.push(original_index(left_out, index));
        left_out.sort_unstable();
    }

    /// The path of what has this path now, before elements of lists were left out.
    pub(super) fn original(&self, path: &str) -> String {
        let mut original = String::with_capacity(path.len());
        let mut rest = path;
        while let Some(at) = find_index(rest) {
            original.push_str(&rest[..at]);
            let end = rest[at..].find(']').map_or(rest.len(), |end| at + end + 1);
            match rest[at..end].trim_matches(['[', ']']).parse::<usize>() {
                Ok(index) => {
                    let left_out = self.left_out.get(&original).map(Vec::as_slice);
                    let index = original_index(left_out.unwrap_or_default(), index);
                    original = join_index(&original, index);
                }
                Err(_) => original.push_str(&rest[at..end]),
            }
            rest = &rest[end..];
        }
        original + rest
    }

    /// Whether this path was written.
    pub(super) fn knows(&self, path: &str) -> bool {
        self.lines.contains_key(path)
    }

    /// Whether anything below this path was written.
    pub(super) fn knows_below(&self, path: &str) -> bool {
        let below = format!("{path}.");
        self.lines.keys().any(|known| known.starts_with(&below))
    }

    /// The names of what was written right below a path, in no order.
    pub(super) fn children(&self, path: &str) -> impl Iterator<Item = String> {
        let below = self.lines.keys().filter_map(move |known| known.strip_prefix(path));
        below
            .filter_map(|rest| {
                let rest = rest.strip_prefix('.')?;
                let quoted = rest.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
                let is_name = |name: &str| !name.contains(if quoted.is_some() { '"' } else { '.' });
                Some(quoted.unwrap_or(rest)).filter(|name| is_name(name) && !name.contains('['))
            })
            .map(str::to_owned)
    }

    /// Gives a problem its file and line, and takes secrets out of what it says.
    pub fn settle(&self, mut problem: Problem) -> Problem {
        if problem.place.file.is_none() {
            problem.place = self.find(&problem.place.path);
        }
        for secret in &self.secrets {
            // Shorter ones would tear words apart, and are none.
            if secret.value.len() >= 4 {
                problem.message = problem.message.replace(&secret.value, &secret.reference);
                problem.mend = problem.mend.replace(&secret.value, &secret.reference);
            }
        }
        problem
    }

    /// The place of a path: its own line, or that of the nearest path around it.
    fn find(&self, path: &str) -> Place {
        let Some(file) = &self.file else {
            return Place { path: flag(path).to_owned(), ..Place::default() };
        };
        let mut around = Some(path);
        let mut line = None;
        while let (Some(part), None) = (around, line) {
            line = self.lines.get(part).copied();
            around = parent(part);
        }
        Place { file: Some(file.clone()), line, path: path.to_owned() }
    }
}

/// The flag that gives a part of the configuration.
fn flag(path: &str) -> &str {
    let part = path.split(['.', '[']).next().unwrap_or(path);
    let key = path.rsplit('.').next().unwrap_or(path);
    match (part, key) {
        ("listen", _) => "--listen",
        ("upstreams", _) => "--upstream",
        ("workers", _) => "--workers",
        (_, "descriptor_set") => "--descriptor-set",
        (_, "protos") => "--proto",
        (_, "rules") => "--rules",
        ("schema", _) => "",
        _ => path,
    }
}

/// The path around a path.
fn parent(path: &str) -> Option<&str> {
    let mut quoted = false;
    let mut cut = None;
    for (at, byte) in path.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'.' | b'[' if !quoted => cut = Some(at),
            _ => {}
        }
    }
    match cut {
        Some(at) => Some(&path[..at]),
        None if path.is_empty() => None,
        None => Some(""),
    }
}

/// The path of a key in the mapping at `base`.
pub(super) fn join_key(base: &str, key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let separator = if base.is_empty() { "" } else { "." };
    if !key.is_empty() && key.bytes().all(plain) {
        format!("{base}{separator}{key}")
    } else {
        format!("{base}{separator}\"{key}\"")
    }
}

/// The path of an element in the list at `base`.
pub(super) fn join_index(base: &str, index: usize) -> String {
    format!("{base}[{index}]")
}

/// Where the first `[` outside of quotes stands.
fn find_index(path: &str) -> Option<usize> {
    let mut quoted = false;
    path.bytes().position(|byte| {
        quoted ^= byte == b'"';
        byte == b'[' && !quoted
    })
}

/// The place that an element had before those in `left_out` (ascending) were.
fn original_index(left_out: &[usize], index: usize) -> usize {
    left_out.iter().fold(index, |index, left_out| index + usize::from(*left_out <= index))
}

/// One step into a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// The path that the steps lead to from `base`.
pub(super) fn join(base: &str, steps: &[Step]) -> String {
    steps.iter().fold(base.to_owned(), |path, step| match step {
        Step::Key(key) => join_key(&path, key),
        Step::Index(index) => join_index(&path, *index),
    })
}

/// The value that the steps lead to.
pub(super) fn descend<'v>(value: &'v mut Value, steps: &[Step]) -> Option<&'v mut Value> {
    steps.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(index),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_stands_on_the_line_of_the_nearest_known_path() {
        let mut places = Places::in_file(Path::new("a.yaml"));
        places.set_line("", 1);
        places.set_line("services.\"a.*\"", 3);
        places.set_line("listen[0]", 2);
        let line = |path: &str| places.settle(Problem::error(path, "x")).place.line;
        assert_eq!(line("services.\"a.*\".headers.request"), Some(3));
        assert_eq!(line("services.\"a.b\""), Some(1));
        assert_eq!(line("listen[0].address"), Some(2));
    }

    #[test]
    fn elements_keep_their_places_when_others_are_left_out() {
        let mut places = Places::default();
        places.leave_out("a[1].b", 2);
        places.leave_out("a", 0);
        places.leave_out("a", 1);
        assert_eq!(places.original("a[0].b[1]"), "a[1].b[1]");
        assert_eq!(places.original("a[0].b[2]"), "a[1].b[3]");
        assert_eq!(places.original("a[1].\"[0]\""), "a[3].\"[0]\"");
    }

    #[test]
    fn a_problem_never_shows_a_secret() {
        let mut places = Places::in_file(Path::new("a.yaml"));
        let (path, reference, value) = ("x".into(), "${KEY}".into(), "hunter2".into());
        places.add_secret(Secret { path, reference, value });
        let problem = places.settle(Problem::error("x", "`hunter2` is no url").mend("not hunter2"));
        assert_eq!(problem.message, "`${KEY}` is no url");
        assert_eq!(problem.mend, "not ${KEY}");
        assert!(!format!("{places:?}").contains("hunter2"));
    }
}
