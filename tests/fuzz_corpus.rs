//! The checks of the fuzz targets over their committed corpora: what fuzzing found stays found.

use std::{
    fs, panic,
    path::{Path, PathBuf},
};

#[allow(unreachable_pub, reason = "in the fuzzer's package it is a library")]
#[path = "../fuzz/checks/mod.rs"]
mod checks;

use checks::{CHECKS, Check};

fn inputs(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Runs a check over its corpus; fails with the names of all inputs that fail it.
///
/// Each input is checked twice, since what one leaves behind may hurt the next.
fn run(name: &str, check: Check) {
    let paths = inputs(name);
    assert!(paths.len() >= 10, "{name} has only {} inputs", paths.len());
    let fails = |path: &&PathBuf| {
        let input = fs::read(path).unwrap();
        panic::catch_unwind(|| (0..2).for_each(|_| check(&input))).is_err()
    };
    let failed: Vec<&PathBuf> = paths.iter().filter(fails).collect();
    assert!(failed.is_empty(), "{name} fails on {failed:#?}");
}

/// A test a target, and a list of them to compare with what there is.
macro_rules! corpora {
    ($($name:ident)*) => {
        const TESTED: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                run(stringify!($name), checks::$name::check);
            }
        )*
    };
}

corpora! { descriptors elements grpc_frames http2_frames json_to_wire query template wire_to_json }

#[test]
fn every_target_is_tested_and_has_a_corpus() {
    let names: Vec<&str> = CHECKS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, TESTED);
    for folder in ["corpus", "targets"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder);
        let mut found: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        found.sort();
        assert_eq!(found, names);
    }
}
