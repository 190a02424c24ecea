//! A finding about configuration or descriptors, told so that it can be mended.
//!
//! Nothing that is wrong with a file stops the search for what else is wrong: whoever reads
//! configuration gathers problems and reports them together.

use std::{fmt, path::PathBuf};

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; the program serves all the same.
    Warning,
    /// The program can't serve like this.
    Error,
}

/// Where a problem stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, if there is one (a command-line flag has none).
    pub file: Option<PathBuf>,
    /// The line in the file, from 1.
    pub line: Option<usize>,
    /// The path inside: `services."a.b.*".timeout`, a method's full name, a flag.
    pub path: String,
}

/// One finding: what is wrong, where, and what would mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Where it is.
    pub place: Place,
    /// What is wrong, a sentence without a full stop.
    pub message: String,
    /// What would mend it, a sentence without a full stop; empty if the message says it.
    pub mend: String,
}

impl Problem {
    /// An error at a path; file and line are filled in by whoever knows them.
    pub fn error(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            place: Place { path: path.into(), ..Place::default() },
            message: message.into(),
            mend: String::new(),
        }
    }

    /// A warning at a path.
    pub fn warning(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(path, message) }
    }

    /// Says what would mend it.
    pub fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = mend.into();
        self
    }

    /// Says in which file it stands.
    pub fn in_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.place.file = Some(file.into());
        self
    }

    /// Says on which line (from 1) it stands.
    pub fn at_line(mut self, line: usize) -> Self {
        self.place.line = Some(line);
        self
    }

    /// Whether the program can't serve with it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(file) = &self.file {
            write!(f, "{}", file.display())?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
            separator = ": ";
        }
        if !self.path.is_empty() {
            write!(f, "{separator}{}", self.path)?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place.to_string();
        if !place.is_empty() {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)?;
        if !self.mend.is_empty() {
            write!(f, "; {}", self.mend)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_file_line_path_sentence_mend() {
        let problem = Problem::error("listen[0].address", "no port in `localhost`")
            .mend("write `localhost:8080`")
            .in_file("transom.yaml")
            .at_line(3);
        assert_eq!(
            problem.to_string(),
            "transom.yaml:3: listen[0].address: no port in `localhost`; write `localhost:8080`"
        );
    }
}
