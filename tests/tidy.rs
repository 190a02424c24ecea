//! The house rules that a machine can keep: who may know whom, and how files look.
//!
//! Each rule is a function from sources to findings; the tests below run it on the real tree and,
//! to show that it can fail, on sources that break it.

mod code;
mod layers;
mod looks;
mod threats;

use code::Source;

/// Fails with every finding at once.
fn assert_tidy(findings: Vec<String>) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

/// The findings of a rule for one made-up file.
fn findings(rule: impl Fn(&[Source]) -> Vec<String>, path: &str, text: &str) -> Vec<String> {
    rule(&[Source::new(path, text)])
}

#[test]
fn code_without_comments_and_strings_keeps_its_lines() {
    let text = "a // crate::x\n/* b\n/* c */ */ d \"crate::\\\"e\n\" 'f' '\"' r#\"g\"h\"# <'i>";
    assert_eq!(code::strip(text), "a \n\n d \"\"\n ' ' ' ' \"\" <'i>");
}

#[test]
fn paths_of_a_use_tree_are_all_found() {
    let text = "use crate::{error::{self, Error}, exchange as e, stage::timeout::*};\n\
                fn f() { super::super::route::find(); my_crate::x(); }";
    let source = Source::new("src/stage/timeout/mod.rs", text);
    let paths: Vec<_> =
        source.paths().into_iter().map(|(line, path)| (line, path.join("::"))).collect();
    let want = [
        (1, "error"),
        (1, "error::Error"),
        (1, "exchange"),
        (1, "stage::timeout"),
        (2, "route::find"),
    ];
    assert_eq!(paths, want.map(|(line, path)| (line, path.to_owned())));
}
