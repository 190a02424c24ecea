//! Problems as people read them: a line each, coloured where a terminal shows it.
//!
//! ```text
//! transom.yaml:3: listen[0].adress: unknown key `adress`; did you mean `address`?
//! transom.yaml:9: admin: warning: the operator's port is not served yet
//! 1 error, 1 warning
//! ```

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use crate::problem::Problem;

const PLACE: Style = Style::new().bold();
const ERROR: Style = AnsiColor::Red.on_default();
const WARNING: Style = AnsiColor::Yellow.on_default();
const MEND: Style = AnsiColor::Green.on_default();

/// A line for each problem.
pub(super) fn problems(problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        line(&mut text, problem);
    }
    text
}

/// The problems and how many there are.
pub(super) fn failure(found: &[Problem]) -> String {
    let errors = found.iter().filter(|problem| problem.is_error()).count();
    let mut text = problems(found) + &count(errors, "error");
    if errors < found.len() {
        text += &format!(", {}", count(found.len() - errors, "warning"));
    }
    text + "\n"
}

/// `1 route`, `2 routes`.
pub(super) fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

fn line(text: &mut String, problem: &Problem) {
    let place = problem.place.to_string();
    let separator = if place.is_empty() { "" } else { ": " };
    let (style, severity) = if problem.is_error() { (ERROR, "") } else { (WARNING, "warning: ") };
    let message = &problem.message;
    // Writing to a string can't fail.
    let _ = write!(text, "{PLACE}{place}{PLACE:#}{separator}{style}{severity}{message}{style:#}");
    if !problem.mend.is_empty() {
        let _ = write!(text, "; {MEND}{}{MEND:#}", problem.mend);
    }
    text.push('\n');
}
