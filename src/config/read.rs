//! A value to a typed one, with every problem in one go.
//!
//! serde stops at the first fault. So the fault is reported and its part taken out of the value,
//! and all of it is read again, until it reads. Each round takes a part away, so it ends.

use std::collections::{HashMap, HashSet};

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

use super::{
    document,
    places::{Places, Step, descend, join},
    wording,
};
use crate::problem::Problem;

/// Reads what can be read; `base` is the path of the value in its file. What can't be is reported
/// and no longer part of the value.
pub(super) fn read<T: DeserializeOwned + Default>(
    value: &mut Value,
    base: &str,
    places: &Places,
    problems: &mut Vec<Problem>,
) -> T {
    let mut pruning = Pruning::default();
    loop {
        let error = match serde_path_to_error::deserialize(&*value) {
            Ok(read) => return read,
            Err(error) => error,
        };
        let message = error.inner().to_string();
        let mut steps = steps_of(error.path());
        if let Some(key) = wording::unknown_key(&message) {
            let step = Step::Key(key.to_owned());
            if steps.last() != Some(&step) {
                steps.push(step);
            }
        }
        let missing = wording::missing_key(&message);
        let is_known = missing.is_some_and(|key| pruning.took_key(&steps, key));
        let path = join(base, &pruning.original(&steps));
        if places.is_secret(&path) && reread(value, &steps) {
            continue;
        }
        if !is_known {
            problems.push(places.settle(wording::problem(&path, &message)));
        }
        if steps.is_empty() || !pruning.prune(value, &steps) {
            return T::default();
        }
    }
}

/// Tries a text that came from the environment as a number or a flag.
fn reread(value: &mut Value, steps: &[Step]) -> bool {
    let Some(value) = descend(value, steps) else { return false };
    let Value::String(text) = &*value else { return false };
    let other = document::as_if_written(text);
    let changed = !other.is_string();
    *value = other;
    changed
}

fn steps_of(path: &serde_path_to_error::Path) -> Vec<Step> {
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Enum { variant } => Some(Step::Key(variant.clone())),
            Segment::Unknown => None,
        })
        .collect()
}

/// What has been taken out of a value so far.
#[derive(Default)]
struct Pruning {
    keys: HashSet<(Vec<Step>, String)>,
    /// The original places of the elements taken out of each list, ascending.
    elements: HashMap<Vec<Step>, Vec<usize>>,
}

impl Pruning {
    fn took_key(&self, steps: &[Step], key: &str) -> bool {
        self.keys.contains(&(steps.to_vec(), key.to_owned()))
    }

    /// The steps as they were before anything was taken out.
    fn original(&self, steps: &[Step]) -> Vec<Step> {
        let mut original = Vec::with_capacity(steps.len());
        for (depth, step) in steps.iter().enumerate() {
            original.push(match step {
                Step::Index(index) => Step::Index(self.original_index(&steps[..depth], *index)),
                step => step.clone(),
            });
        }
        original
    }

    fn original_index(&self, list: &[Step], index: usize) -> usize {
        let taken = self.elements.get(list).map(Vec::as_slice).unwrap_or_default();
        taken.iter().fold(index, |index, taken| if *taken <= index { index + 1 } else { index })
    }

    fn prune(&mut self, value: &mut Value, steps: &[Step]) -> bool {
        let Some((last, list)) = steps.split_last() else { return false };
        match (descend(value, list), last) {
            (Some(Value::Object(object)), Step::Key(key)) => {
                self.keys.insert((list.to_vec(), key.clone()));
                object.remove(key).is_some()
            }
            (Some(Value::Array(elements)), Step::Index(index)) if *index < elements.len() => {
                let original = self.original_index(list, *index);
                elements.remove(*index);
                let taken = self.elements.entry(list.to_vec()).or_default();
                taken.push(original);
                taken.sort_unstable();
                true
            }
            _ => false,
        }
    }
}
