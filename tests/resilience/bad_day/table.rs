//! The table of all faults, which grows with each case that has run.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
};

use super::load::Figures;

/// The lines so far, by fault.
static LINES: Mutex<BTreeMap<&'static str, String>> = Mutex::new(BTreeMap::new());

const HEAD: &str = "| fault | calls | failed | p50 ms | p99 ms |\n|---|---:|---:|---:|---:|\n";

/// Adds a fault's line: prints it, and writes the table anew.
pub(crate) fn note(fault: &'static str, figures: &Figures) {
    let milliseconds = |percent| figures.percentile(percent).as_secs_f64() * 1e3;
    let line = format!(
        "| {fault} | {} | {} | {:.1} | {:.1} |",
        figures.calls(),
        figures.failed(),
        milliseconds(50),
        milliseconds(99),
    );
    println!("{line}");
    // A case that failed leaves nothing half done.
    let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    lines.insert(fault, line);
    let text: String = lines.values().map(|line| format!("{line}\n")).collect();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bad-day.md");
    fs::write(file, format!("{HEAD}{text}")).unwrap();
}
