//! A path template as a value: what `google.api.http` binds a method to.
//!
//! A template is flat: a list of segments, and variables that are spans over that list. So matching
//! never asks where a variable begins, and captures are cut out afterwards by counting segments.
//!
//! ```text
//! /v1/{name=shelves/*/books/*}:move
//!     segments   v1  shelves  *  books  *
//!     variables      └─────── name ─────┘
//!     verb       move
//! ```

use std::{borrow::Cow, error, fmt, ops::Range};

use super::{parser::TemplateParser, percent};

/// One step of a path template.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// This text, as written; it may hold percent-encoded bytes, which are valid and UTF-8.
    Literal(String),
    /// `*`: one segment that is not empty.
    Any,
    /// `**`: all segments that are left, none included; always the last.
    Rest,
}

/// A variable: a field of the request and the segments that give its value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Variable {
    pub(super) field_path: Vec<String>,
    pub(super) segments: Range<usize>,
    pub(super) multiple: bool,
}

impl Variable {
    /// The names on the way to the field, `["book", "name"]` for `{book.name}`; never empty.
    pub fn field_path(&self) -> &[String] {
        &self.field_path
    }

    /// Which of the template's segments it spans, never none.
    pub fn segments(&self) -> Range<usize> {
        self.segments.clone()
    }

    /// Whether its value may hold more than one path segment (`{name=shelves/*}`, `{name=**}`),
    /// which decides how it is decoded.
    pub fn is_multiple(&self) -> bool {
        self.multiple
    }
}

/// A parsed path template (`google/api/http.proto`, "Path template syntax").
///
/// `Display` prints it back so that parsing gives an equal value; `{var=*}` prints as `{var}`,
/// which means the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Template {
    pub(super) segments: Vec<Segment>,
    pub(super) variables: Vec<Variable>,
    pub(super) verb: Option<String>,
}

impl Template {
    /// Parses a template; the grammar stands above the parser.
    ///
    /// # Errors
    /// The first place where the text leaves the grammar, with what would mend it.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        TemplateParser::new(text).parse()
    }

    /// The segments from left to right; none for `/`.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The variables from left to right, the order of a match's captures.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The verb without its colon, as written.
    pub fn verb(&self) -> Option<&str> {
        self.verb.as_deref()
    }

    /// The text that a literal stands for, percent-decoded: the form in which literals compare.
    pub(super) fn compared(literal: &str) -> Cow<'_, str> {
        // The parser has refused what can't be decoded.
        percent::decode(literal, percent::Mode::Whole).unwrap_or(Cow::Borrowed(literal))
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.segments.is_empty() {
            f.write_str("/")?;
        }
        let mut written = 0;
        for variable in &self.variables {
            for segment in &self.segments[written..variable.segments.start] {
                write!(f, "/{segment}")?;
            }
            write!(f, "/{{{}", variable.field_path.join("."))?;
            write_pattern(f, &self.segments[variable.segments()])?;
            f.write_str("}")?;
            written = variable.segments.end;
        }
        for segment in &self.segments[written..] {
            write!(f, "/{segment}")?;
        }
        self.verb.iter().try_for_each(|verb| write!(f, ":{verb}"))
    }
}

/// Writes what a variable's value looks like, unless it is the `*` that goes without saying.
fn write_pattern(f: &mut fmt::Formatter<'_>, segments: &[Segment]) -> fmt::Result {
    if *segments == [Segment::Any] {
        return Ok(());
    }
    let mut separator = "=";
    for segment in segments {
        write!(f, "{separator}{segment}")?;
        separator = "/";
    }
    Ok(())
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Segment::Literal(text) => text,
            Segment::Any => "*",
            Segment::Rest => "**",
        })
    }
}

/// Why a text is not a path template: where, what should stand there, and what would mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    pub(super) template: String,
    pub(super) offset: usize,
    pub(super) expected: Cow<'static, str>,
    pub(super) mend: &'static str,
}

impl TemplateError {
    /// Where the template goes wrong: bytes from its start, at most its length.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// What should stand at the place, "a field name" for example.
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// What would mend it, a sentence without a full stop.
    pub fn mend(&self) -> &'static str {
        self.mend
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { template, offset, expected, mend } = self;
        write!(f, "path template `{template}`, byte {offset}: expected {expected}, found ")?;
        match template.get(*offset..).and_then(|rest| rest.chars().next()) {
            Some(found) => write!(f, "`{found}`")?,
            None => f.write_str("the end")?,
        }
        write!(f, "; {mend}")
    }
}

impl error::Error for TemplateError {}
