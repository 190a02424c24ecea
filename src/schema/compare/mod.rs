//! What a schema takes away from callers of the one before it.
//!
//! ```text
//! old Schema ─┐
//!             ├─ services ─► methods, routes ─► messages that they reach ─► fields, enums ─► problems
//! new Schema ─┘
//! ```
//!
//! Callers hold on to paths, to numbers (gRPC) and to names (JSON), so all three are compared. What
//! no method reaches concerns nobody. What is new breaks nobody, but for a field that must be there.
//!
//! Every type is looked at once, so the work is linear in the size of the schemas.

mod methods;
#[cfg(test)]
mod tests;
mod types;

use super::Schema;
use crate::problem::Problem;

/// Every change from `old` to `new` that breaks callers, in the order of the old schema, as
/// warnings; the path of each is the full name of what has changed.
pub fn breaking_changes(old: &Schema, new: &Schema) -> Vec<Problem> {
    let mut problems = Vec::new();
    let reached = methods::compare(old, new, &mut problems);
    types::compare(reached, &mut problems);
    problems
}

/// Notes a change.
fn note(problems: &mut Vec<Problem>, place: &str, message: String) {
    problems.push(Problem::warning(place, message));
}
