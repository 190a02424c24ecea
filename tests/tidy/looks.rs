//! How files look: an opening that says what they are, a length that one can read, nothing
//! unfinished, no names that say nothing.

use std::{fs, path::Path, process::Command};

use super::{assert_tidy, code::Source, findings};

/// The longest that a file of Rust may be, in lines.
const CEILING: usize = 600;

/// Macros that a finished program has not.
const UNFINISHED: [&str; 3] = ["todo!", "unimplemented!", "dbg!"];

/// Endings of type names that say nothing.
const EMPTY_NAMES: [&str; 4] = ["Manager", "Helper", "Util", "Utils"];

/// What no file may hold. In two parts each, so that this file may hold them.
const FORBIDDEN: [&str; 7] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("<<<<", "<<< "),
];

fn without_opening(sources: &[Source]) -> Vec<String> {
    let bare = sources.iter().filter(|source| !source.text.starts_with("//! "));
    bare.map(|source| format!("{}: does not open with `//! `", source.path)).collect()
}

fn too_long(sources: &[Source]) -> Vec<String> {
    let lines = |source: &Source| source.text.lines().count();
    let long = sources.iter().filter(|source| lines(source) > CEILING);
    long.map(|source| format!("{}: {} lines, more than {CEILING}", source.path, lines(source)))
        .collect()
}

fn unfinished(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        for word in UNFINISHED.iter().filter(|word| source.code.contains(**word)) {
            found.push(format!("{}: holds `{word}`", source.path));
        }
    }
    found
}

fn empty_names(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        let words: Vec<&str> = source
            .code
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|w| !w.is_empty())
            .collect();
        for pair in words.windows(2) {
            let empty = match pair[0] {
                // The bookshelf's methods are named in its .proto, a value's type by a trait of cel's.
                "fn" => {
                    pair[1].starts_with("get_")
                        && !source.path.starts_with("src/cli/demo")
                        && (pair[1], source.path.as_str())
                            != ("get_type", "src/stage/validate/values.rs")
                }
                "struct" | "enum" | "trait" | "type" => {
                    EMPTY_NAMES.iter().any(|ending| pair[1].ends_with(ending))
                }
                _ => false,
            };
            if empty {
                found.push(format!("{}: `{}` says nothing", source.path, pair[1]));
            }
        }
    }
    found
}

fn forbidden(path: &str, text: &str) -> Vec<String> {
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(number, line)| {
            let word = FORBIDDEN.iter().find(|word| line.contains(**word))?;
            Some(format!("{path}:{}: holds `{word}`", number + 1))
        })
        .collect()
}

/// Every text of the tree: what git would commit, or without git what the usual folders hold.
fn texts() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root)
        .output();
    let names: Vec<String> = match listed {
        Ok(output) if output.status.success() => {
            let names = String::from_utf8(output.stdout).unwrap();
            names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect()
        }
        _ => every_rust_file().into_iter().map(|source| source.path).collect(),
    };
    names
        .into_iter()
        .filter_map(|name| Some((fs::read_to_string(root.join(&name)).ok()?, name)))
        .map(|(text, name)| (name, text))
        .collect()
}

fn every_rust_file() -> Vec<Source> {
    let mut sources = Source::tree("src");
    sources.extend(Source::tree("tests"));
    sources
}

#[test]
fn files_open_with_what_they_are() {
    assert_tidy(without_opening(&every_rust_file()));
}

#[test]
fn files_are_not_too_long_to_read() {
    assert_tidy(too_long(&every_rust_file()));
}

#[test]
fn nothing_is_unfinished() {
    assert_tidy(unfinished(&every_rust_file()));
}

#[test]
fn names_say_something() {
    assert_tidy(empty_names(&Source::tree("src")));
}

#[test]
fn texts_hold_no_forbidden_word() {
    let texts = texts();
    assert!(texts.len() > 20, "only {} files were read", texts.len());
    assert_tidy(texts.iter().flat_map(|(path, text)| forbidden(path, text)).collect());
}

#[test]
fn what_looks_wrong_is_found() {
    assert_eq!(findings(without_opening, "src/a.rs", "use b;").len(), 1);
    assert_eq!(findings(without_opening, "src/a.rs", "//! A file.").len(), 0);
    assert_eq!(findings(too_long, "src/a.rs", &"\n".repeat(CEILING + 1)).len(), 1);
    assert_eq!(findings(too_long, "src/a.rs", &"\n".repeat(CEILING)).len(), 0);
    assert_eq!(findings(unfinished, "src/a.rs", concat!("fn f() { to", "do!() }")).len(), 1);
    assert_eq!(findings(unfinished, "src/a.rs", concat!("// to", "do!()")).len(), 0);
    assert_eq!(findings(empty_names, "src/a.rs", "fn get_it() {}").len(), 1);
    assert_eq!(findings(empty_names, "src/a.rs", "pub struct PoolManager;").len(), 1);
    assert_eq!(findings(empty_names, "src/a.rs", "fn get() {} struct Utility;").len(), 0);
    assert_eq!(
        forbidden("a.md", concat!("fine\nTO", "DO later")),
        [concat!("a.md:2: holds `TO", "DO`")]
    );
}
