//! The parser of path templates, one function a line of the grammar.
//!
//! The grammar of `google/api/http.proto`, with what its prose adds:
//!
//! ```text
//! Template  = "/" [ Segments [ Verb ] ] ;         "/" alone is the root
//! Segments  = Segment { "/" Segment } ;
//! Segment   = "*" | "**" | LITERAL | Variable ;   "**" only as the template's last
//! Variable  = "{" FieldPath [ "=" Segments ] "}" ; no variable inside a variable
//! FieldPath = IDENT { "." IDENT } ;
//! Verb      = ":" LITERAL ;                       behind the last colon of the last segment
//!
//! IDENT     = ( letter | "_" ) { letter | digit | "_" } ;
//! LITERAL   = character { character } ;
//! character = unreserved | "%" HEX HEX | one of "!$&'()+,;=:@" | any beyond ASCII ;
//! ```
//!
//! A literal may hold what RFC 3986 allows in a path segment, but for `*`, which would look like a
//! wildcard. A colon is part of a literal where it can't be taken for a verb: in a segment before
//! the last, or before the last colon of the last; never inside a variable. Characters beyond ASCII
//! are allowed for the reader's sake: literals compare percent-decoded, so `/bücher` and
//! `/b%C3%BCcher` are the same template.

use std::borrow::Cow;

use hashbrown::HashSet;

use super::{
    percent,
    template::{Segment, Template, TemplateError, Variable},
};

type Parsed<T> = Result<T, TemplateError>;

/// Reads one template from left to right.
pub(super) struct TemplateParser<'t> {
    text: &'t str,
    /// Where the segments end: before the verb's colon, or the text's end.
    end: usize,
    position: usize,
    segments: Vec<Segment>,
    variables: Vec<Variable>,
    names: HashSet<&'t str>,
    /// Where `**` stood, if it came.
    rest_at: Option<usize>,
}

impl<'t> TemplateParser<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            end: verb_colon(text).unwrap_or(text.len()),
            position: 0,
            segments: Vec::new(),
            variables: Vec::new(),
            names: HashSet::new(),
            rest_at: None,
        }
    }

    /// `Template = "/" [ Segments [ Verb ] ]`
    pub(super) fn parse(mut self) -> Parsed<Template> {
        if !self.take(b'/') {
            return self.fail("`/`", "a path template begins with `/`");
        }
        if self.position < self.text.len() {
            self.segments(false)?;
        }
        if self.position < self.end {
            return self.fail_after_segment();
        }
        let verb = self.verb()?;
        Ok(Template { segments: self.segments, variables: self.variables, verb })
    }

    /// `Segments = Segment { "/" Segment }`
    fn segments(&mut self, inside_variable: bool) -> Parsed<()> {
        loop {
            self.segment(inside_variable)?;
            if !self.take(b'/') {
                return Ok(());
            }
        }
    }

    /// `Segment = "*" | "**" | LITERAL | Variable`
    fn segment(&mut self, inside_variable: bool) -> Parsed<()> {
        if let Some(rest_at) = self.rest_at {
            return self.fail_at(
                rest_at,
                "`**` only as the last segment",
                "`**` takes all that is left: move it to the end or write `*`",
            );
        }
        match self.peek() {
            Some(b'*') => self.wildcard(),
            Some(b'{') if inside_variable => {
                return self.fail(
                    "a segment that is not a variable",
                    "a variable can't stand inside another; close the outer one with `}` first",
                );
            }
            Some(b'{') => self.variable()?,
            _ => {
                let text = self.literal(self.end, !inside_variable)?;
                self.segments.push(Segment::Literal(text.to_owned()));
            }
        }
        Ok(())
    }

    /// `"*" | "**"`
    fn wildcard(&mut self) {
        let start = self.position;
        self.position += 1;
        if self.take(b'*') {
            self.rest_at = Some(start);
            self.segments.push(Segment::Rest);
        } else {
            self.segments.push(Segment::Any);
        }
    }

    /// `Variable = "{" FieldPath [ "=" Segments ] "}"`
    fn variable(&mut self) -> Parsed<()> {
        self.position += 1;
        let field_path = self.field_path()?;
        let start = self.segments.len();
        if self.take(b'=') {
            self.segments(true)?;
        } else {
            self.segments.push(Segment::Any);
        }
        if !self.take(b'}') {
            return self.fail_in_variable();
        }
        let segments = start..self.segments.len();
        let multiple = segments.len() > 1 || self.segments[start] == Segment::Rest;
        self.variables.push(Variable { field_path, segments, multiple });
        Ok(())
    }

    /// `FieldPath = IDENT { "." IDENT }`, a path that no other variable has.
    fn field_path(&mut self) -> Parsed<Vec<String>> {
        let start = self.position;
        let mut path = vec![self.identifier()?];
        while self.take(b'.') {
            path.push(self.identifier()?);
        }
        let whole = &self.text[start..self.position];
        if !self.names.insert(whole) {
            return self.fail_at(
                start,
                format!("another field than `{whole}`, which is bound already"),
                "a template binds a field once; name another or write `*`",
            );
        }
        Ok(path)
    }

    /// `IDENT = ( letter | "_" ) { letter | digit | "_" }`
    fn identifier(&mut self) -> Parsed<String> {
        let rest = &self.text.as_bytes()[self.position..self.end];
        let length = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
        if length == 0 || rest[0].is_ascii_digit() {
            return self.fail(
                "a field's name",
                "name a field of the request message: letters, digits and `_`, no digit first",
            );
        }
        let start = self.position;
        self.position += length;
        Ok(self.text[start..self.position].to_owned())
    }

    /// `Verb = ":" LITERAL`
    fn verb(&mut self) -> Parsed<Option<String>> {
        if self.end == self.text.len() {
            return Ok(None);
        }
        self.position = self.end + 1;
        let verb = self.literal(self.text.len(), false)?.to_owned();
        if self.position < self.text.len() {
            return self.fail("the end behind the verb", "a verb is one literal, `:archive`");
        }
        Ok(Some(verb))
    }

    /// `LITERAL = character { character }`, from here to at most `limit`.
    fn literal(&mut self, limit: usize, colons: bool) -> Parsed<&'t str> {
        let start = self.position;
        let rest = &self.text.as_bytes()[start..limit];
        let fits = |byte: &&u8| is_literal(**byte) && (colons || **byte != b':');
        self.position += rest.iter().take_while(fits).count();
        let literal = &self.text[start..self.position];
        if literal.is_empty() {
            return self.fail_empty();
        }
        if let Some(control) = literal.find(|c: char| c.is_control() || c.is_whitespace()) {
            return self.fail_at(
                start + control,
                "a visible character",
                "write white space and control characters percent-encoded",
            );
        }
        match percent::decode(literal, percent::Mode::Whole) {
            Ok(_) => Ok(literal),
            Err(bad) => self.fail_at(
                start + bad.offset(),
                "percent-encoded UTF-8",
                "write `%` and two hexadecimal digits a byte; `%25` is a percent sign itself",
            ),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes()[..self.end].get(self.position).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let taken = self.peek() == Some(byte);
        self.position += usize::from(taken);
        taken
    }

    fn fail<T>(&self, expected: impl Into<Cow<'static, str>>, mend: &'static str) -> Parsed<T> {
        self.fail_at(self.position, expected, mend)
    }

    fn fail_at<T>(
        &self,
        offset: usize,
        expected: impl Into<Cow<'static, str>>,
        mend: &'static str,
    ) -> Parsed<T> {
        Err(TemplateError {
            template: self.text.to_owned(),
            offset,
            expected: expected.into(),
            mend,
        })
    }

    /// No character of a literal where one is needed.
    fn fail_empty<T>(&self) -> Parsed<T> {
        match self.text.as_bytes().get(self.position) {
            None if self.position > self.end => {
                self.fail("a verb behind `:`", "name the verb, or write the colon as `%3A`")
            }
            None if self.text.ends_with('/') => {
                self.fail("a segment", "remove the `/` at the end, or put a segment behind it")
            }
            Some(b'/') => self.fail("a segment", "write one `/` between segments"),
            Some(b':') => self.fail("a segment", "a verb stands behind a segment: `/*:verb`"),
            _ => self.fail("a segment", "write a literal, `*`, `**` or `{field}`"),
        }
    }

    /// Something else than `/` or the end behind a segment.
    fn fail_after_segment<T>(&self) -> Parsed<T> {
        match self.text.as_bytes()[self.position] {
            b'*' | b'{' => self.fail(
                "`/` or the end",
                "a segment is wholly a literal, a wildcard or a variable; put `/` between",
            ),
            b'}' => self.fail("`/` or the end", "no variable is open here; remove the `}`"),
            _ => self.fail("`/` or the end", "write it percent-encoded, or put `/` before it"),
        }
    }

    /// Something else than `}` where a variable should close.
    fn fail_in_variable<T>(&self) -> Parsed<T> {
        match self.text.as_bytes().get(self.position) {
            Some(b':') => self.fail(
                "`}`",
                "a verb stands behind the closing `}`, and a colon in a variable is `%3A`",
            ),
            Some(b'*' | b'{') => self
                .fail("`/` or `}`", "a segment is wholly a literal or a wildcard; put `/` between"),
            None => self.fail("`}`", "close the variable with `}`"),
            _ => self.fail("`=` or `}`", "a variable reads `{field.path}` or `{field=segments}`"),
        }
    }
}

/// Where the verb's colon stands: the last colon, if no segment or variable ends behind it.
fn verb_colon(text: &str) -> Option<usize> {
    let colon = text.rfind(':')?;
    let verb = &text[colon + 1..];
    (!verb.contains(['/', '}'])).then_some(colon)
}

/// Whether a literal may hold the byte: `pchar` of RFC 3986 without `*`, or beyond ASCII.
fn is_literal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii() || b"-._~%!$&'()+,;=:@".contains(&byte)
}

#[cfg(test)]
mod tests;
