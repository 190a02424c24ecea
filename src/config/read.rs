//! A value to a typed one, with every problem in one go.
//!
//! serde stops at the first fault. So the fault is reported and its part taken out of the value,
//! and all of it is read again, until it reads. Each round takes a part away, so it ends.

use std::collections::HashSet;

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
    places: &mut Places,
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
        let path = places.original(&join(base, &steps));
        if places.is_secret(&path) && reread(value, &steps) {
            continue;
        }
        if !is_known && !places.is_broken(&path) {
            problems.push(places.settle(wording::problem(&path, &message)));
        }
        if steps.is_empty() || !pruning.prune(value, base, &steps, places) {
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

/// What has been taken out of a value so far; elements of lists are kept by [`Places`].
#[derive(Default)]
struct Pruning(HashSet<(Vec<Step>, String)>);

impl Pruning {
    fn took_key(&self, steps: &[Step], key: &str) -> bool {
        self.0.contains(&(steps.to_vec(), key.to_owned()))
    }

    fn prune(
        &mut self,
        value: &mut Value,
        base: &str,
        steps: &[Step],
        places: &mut Places,
    ) -> bool {
        let Some((last, around)) = steps.split_last() else { return false };
        match (descend(value, around), last) {
            (Some(Value::Object(object)), Step::Key(key)) => {
                self.0.insert((around.to_vec(), key.clone()));
                object.remove(key).is_some()
            }
            (Some(Value::Array(elements)), Step::Index(index)) if *index < elements.len() => {
                elements.remove(*index);
                let list = places.original(&join(base, around));
                places.leave_out(&list, *index);
                true
            }
            _ => false,
        }
    }
}
