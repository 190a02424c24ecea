//! The next snapshot, built aside by one blocking task.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    config::{File, Inputs, Loaded, OnBreaking, Places, Runtime, prepare_again},
    lasting::Lasting,
    problem::Problem,
    schema::{Schema, breaking_changes},
};

/// How often files that change under our hands are read again.
const ATTEMPTS: usize = 5;

/// A configuration as it was read, with what it was read from.
pub struct Reading {
    /// The configuration.
    pub loaded: Loaded,
    /// The files that it depends on.
    pub inputs: Inputs,
    /// Of the files' text.
    pub digest: u64,
}

/// Reads the configuration. What it depends on is known only by then, so it is read until it was the
/// same before and after; files that never rest are read as they are.
pub fn read(load: &dyn Fn() -> Loaded) -> Reading {
    let mut inputs = Inputs::of(&load());
    let mut attempts = ATTEMPTS;
    loop {
        let digest = inputs.digest();
        let loaded = load();
        let now = Inputs::of(&loaded);
        attempts -= 1;
        if (now == inputs && now.digest() == digest) || attempts == 0 {
            return Reading { loaded, inputs: now, digest };
        }
        inputs = now;
    }
}

/// A snapshot that is ready to be taken.
pub(super) struct Ready {
    pub(super) runtime: Arc<Runtime>,
    pub(super) file: Arc<File>,
    pub(super) shown: Arc<Value>,
    pub(super) places: Places,
    /// What is worth knowing, changes that break callers among it.
    pub(super) warnings: Vec<Problem>,
}

/// Why there is none.
pub(super) enum Hindrance {
    /// Something is wrong.
    Problems {
        problems: Vec<Problem>,
        /// Only upstreams that could not be asked for their schema.
        only_unreachable: bool,
    },
    /// It would break callers.
    Breaking(Vec<Problem>),
}

impl From<Vec<Problem>> for Hindrance {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Problems { problems, only_unreachable: false }
    }
}

/// Builds a snapshot. `before` is the schema and the configuration in force.
pub(super) fn build(
    loaded: Loaded,
    before: (&Schema, &File),
    workers: usize,
    lasting: &Lasting,
) -> Result<Ready, Hindrance> {
    let (shown, places) = (Arc::new(loaded.shown.clone()), loaded.places.clone());
    let prepared = prepare_again(loaded, lasting).map_err(|failure| Hindrance::Problems {
        problems: failure.problems,
        only_unreachable: failure.only_unreachable,
    })?;
    let (old_schema, old_file) = before;
    let breaking = breaking_changes(old_schema, &prepared.schema);
    if !breaking.is_empty() && prepared.file.reload.on_breaking == OnBreaking::Refuse {
        return Err(Hindrance::Breaking(breaking.into_iter().map(refused).collect()));
    }
    let mut warnings = prepared.warnings.clone();
    warnings.extend(breaking);
    let settled = unchangeable(old_file, &prepared.file);
    warnings.extend(settled.into_iter().map(|problem| places.settle(problem)));
    let file = Arc::new(prepared.file.clone());
    let runtime = Arc::new(Runtime::build(prepared, workers, lasting)?);
    Ok(Ready { runtime, file, shown, places, warnings })
}

/// A change that is not taken.
fn refused(mut change: Problem) -> Problem {
    change.severity = crate::problem::Severity::Error;
    change.mend("keep it as it was, or write `reload: { on_breaking: warn }` to take it")
}

/// What takes a restart.
fn unchangeable(old: &File, new: &File) -> Vec<Problem> {
    let changed = [
        ("workers", old.worker_count() != new.worker_count()),
        ("log", old.log != new.log),
        ("log_format", old.log_format != new.log_format),
        ("access_log", old.access_log != new.access_log),
        ("admin", old.admin != new.admin),
    ];
    let changed = changed.into_iter().filter(|(_, changed)| *changed);
    let told = changed.map(|(key, _)| {
        Problem::warning(key, "this changes with a restart alone").mend("restart the program")
    });
    told.collect()
}
