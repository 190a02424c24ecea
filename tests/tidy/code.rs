//! A source file with nothing in it but code, and the modules that its code names.
//!
//! This is no parser of Rust: it knows comments, strings and paths, which is enough to see
//! who knows whom.

use std::{fs, path::Path};

/// A file of Rust.
pub(super) struct Source {
    /// Its path below the package, `src/stage/mod.rs`.
    pub(super) path: String,
    /// As written.
    pub(super) text: String,
    /// The same without comments and with empty strings; line breaks are kept.
    pub(super) code: String,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into(), code: strip(text) }
    }

    /// All `.rs` files of a folder of the package, hidden folders left out.
    pub(super) fn tree(folder: &str) -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut found = Vec::new();
        let mut folders = vec![root.join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.file_name().is_some_and(|name| name.as_encoded_bytes()[0] == b'.') {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                    found.push(Self::new(name, &fs::read_to_string(&path).unwrap()));
                }
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found
    }

    /// Where the file stands in the tree of modules: `src/stage/timeout/mod.rs` is
    /// `["stage", "timeout"]`.
    pub(super) fn module(&self) -> Vec<&str> {
        let inside = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        inside.split('/').filter(|part| !matches!(*part, "mod" | "lib")).collect()
    }

    /// Every path into this package that the code names, from the package's root, with its line:
    /// `use crate::{error::Error, stage}` gives `error::Error` and `stage`.
    pub(super) fn paths(&self) -> Vec<(usize, Vec<String>)> {
        let module: Vec<String> = self.module().into_iter().map(str::to_owned).collect();
        let mut found = Vec::new();
        for start in ["crate::", "super::"] {
            for (at, _) in self.code.match_indices(start) {
                let before = &self.code[..at];
                let joined = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
                if before.ends_with(joined) || before.ends_with("super::") {
                    continue;
                }
                let mut rest = &self.code[at..];
                let mut base = module.clone();
                while let Some(after) = rest.strip_prefix("super::") {
                    base.pop();
                    rest = after;
                }
                if let Some(after) = rest.strip_prefix("crate::") {
                    base.clear();
                    rest = after;
                }
                let line = before.lines().count().max(1);
                let mut leaves = Vec::new();
                expand(&mut rest, &base, &mut leaves);
                found.extend(leaves.into_iter().map(|leaf| (line, leaf)));
            }
        }
        found
    }

    /// Whether the code names another package at the start of a path, `hyper::…`.
    pub(super) fn names_package(&self, package: &str) -> Option<usize> {
        let joined = |c: char| c.is_alphanumeric() || c == '_';
        self.code.match_indices(&format!("{package}::")).map(|(at, _)| &self.code[..at]).find_map(
            |before| {
                let from_root = before.strip_suffix("::").unwrap_or(before);
                (!from_root.ends_with(joined)).then(|| before.lines().count().max(1))
            },
        )
    }
}

/// Reads a use tree: `a::b`, `a::{b, c::d}`, `*`, `a as b`.
fn expand(rest: &mut &str, base: &[String], leaves: &mut Vec<Vec<String>>) {
    let mut path = base.to_vec();
    loop {
        *rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('{') {
            *rest = after;
            while !rest.is_empty() && !rest.starts_with('}') {
                expand(rest, &path, leaves);
                *rest = rest.trim_start();
                match rest.find([',', '}']) {
                    Some(end) if rest[end..].starts_with(',') => {
                        *rest = rest[end + 1..].trim_start()
                    }
                    Some(end) => *rest = &rest[end..],
                    None => *rest = "",
                }
            }
            *rest = rest.strip_prefix('}').unwrap_or(rest);
            return;
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if end > 0 && &rest[..end] != "self" {
            path.push(rest[..end].to_owned());
        }
        *rest = &rest[end..];
        match rest.strip_prefix("::") {
            Some(after) if end > 0 => *rest = after,
            _ => break,
        }
    }
    leaves.push(path);
}

/// The text without comments and with empty strings.
pub(super) fn strip(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (skipped, kept) = skip(rest);
        if skipped == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        code.push_str(kept);
        code.extend(rest[..skipped].chars().filter(|c| *c == '\n'));
        rest = &rest[skipped..];
    }
    code
}

/// How many bytes at the start are a comment or a literal, and what stands in their stead.
fn skip(rest: &str) -> (usize, &'static str) {
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), "");
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), "");
    }
    if rest.starts_with('"') {
        return (quoted(rest, '"'), "\"\"");
    }
    if rest.starts_with("r\"") || rest.starts_with("r#") {
        let hashes = rest[1..].chars().take_while(|c| *c == '#').count();
        if rest[1 + hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let start = 2 + hashes;
            let length = rest[start..].find(&end).map_or(rest.len(), |at| start + at + end.len());
            return (length, "\"\"");
        }
    }
    if let Some(following) = rest.strip_prefix('\'') {
        // A lifetime has no closing quote.
        if following.starts_with('\\') || following.chars().nth(1) == Some('\'') {
            return (quoted(rest, '\''), "' '");
        }
    }
    (0, "")
}

/// The length of a block comment; they nest.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The length of a literal with escapes.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}
