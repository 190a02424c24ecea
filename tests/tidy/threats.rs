//! The tables of threats are true: each test that they name is there.

use std::collections::BTreeSet;

use super::{assert_tidy, code::Source, findings};

/// How a table of threats begins.
const HEAD: &str = "//! | threat ";

/// What stands in a row for a defence that no test can show.
const BY_CONSTRUCTION: &str = "by construction";

/// The names of all functions.
fn functions(sources: &[Source]) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for source in sources {
        for rest in source.code.split("fn ").skip(1) {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            names.insert(&rest[..end]);
        }
    }
    names
}

/// Whether a function has this name, of which `…` leaves out the end.
fn is_there(name: &str, functions: &BTreeSet<&str>) -> bool {
    match name.strip_suffix('…') {
        Some(start) => functions.iter().any(|function| function.starts_with(start)),
        None => functions.contains(name),
    }
}

/// The names in backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The rows of the tables of threats: place, and the last cell.
fn rows(source: &Source) -> Vec<(usize, &str)> {
    let mut rows = Vec::new();
    let mut inside = false;
    for (line, text) in source.text.lines().enumerate() {
        inside = text.starts_with(HEAD) || inside && text.starts_with("//! |");
        let is_row = inside && !text.starts_with(HEAD) && !text.starts_with("//! |-");
        let cell = text.trim_end().trim_end_matches('|').rsplit(" | ").next();
        rows.extend(cell.filter(|_| is_row).map(|cell| (line + 1, cell)));
    }
    rows
}

fn untested(sources: &[Source]) -> Vec<String> {
    let functions = functions(sources);
    let mut found = Vec::new();
    for source in sources {
        for (line, cell) in rows(source) {
            if cell.contains(BY_CONSTRUCTION) {
                continue;
            }
            if quoted(cell).next().is_none() {
                found.push(format!("{}:{line}: no test is named", source.path));
            }
            let missing = quoted(cell).filter(|name| !is_there(name, &functions));
            found.extend(missing.map(|name| format!("{}:{line}: no test `{name}`", source.path)));
        }
    }
    found
}

#[test]
fn threats_are_held_off_by_tests_that_are_there() {
    let mut sources = Source::tree("src");
    sources.extend(Source::tree("tests"));
    let tables = ["src/stage/mod.rs", "src/stage/auth/mod.rs", "src/stage/rate_limit/mod.rs"];
    for table in tables {
        let source = sources.iter().find(|source| source.path == table).expect(table);
        assert!(rows(source).len() >= 10, "{table} has no table of threats");
    }
    assert_tidy(untested(&sources));
}

#[test]
fn a_threat_without_its_test_is_found() {
    let table = |cell: &str| format!("//! | threat | test |\n//! |--|--|\n//! | a | {cell} |\n");
    for cell in ["`no_such_test`", "`no_such_…`", "some test", "`here`, `not_here`"] {
        let text = table(cell) + "fn here() {}";
        assert_eq!(findings(untested, "src/a.rs", &text).len(), 1, "{cell}");
    }
    for cell in ["`here`", "`he…`", "by construction: `a::b`"] {
        let text = table(cell) + "fn here() {}";
        assert_eq!(findings(untested, "src/a.rs", &text), [""; 0], "{cell}");
    }
}
