//! What a path gave to a template's variables.
//!
//! Captures are raw slices of the path: nothing is decoded before somebody wants the value, and a
//! route without variables costs nothing.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::{
    path,
    percent::{self, BadEncoding, Mode},
    template::{Segment, Template},
};

/// One variable's part of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capture<'p> {
    raw: &'p str,
    multiple: bool,
}

impl<'p> Capture<'p> {
    /// The part as it stands in the path, percent-encoded.
    pub fn raw(&self) -> &'p str {
        self.raw
    }

    /// Whether the variable may span several segments.
    pub fn is_multiple(&self) -> bool {
        self.multiple
    }

    /// The value: decoded wholly if the variable is a single segment; if it may be several, escapes
    /// of reserved characters stay, so that `%2F` can be told from the `/` between segments.
    ///
    /// # Errors
    /// The path holds a broken escape, or bytes that are not UTF-8.
    pub fn decode(&self) -> Result<Cow<'p, str>, BadEncoding> {
        percent::decode(self.raw, if self.multiple { Mode::KeepReserved } else { Mode::Whole })
    }
}

/// The captures of one match, in the order of the template's variables.
///
/// Meant to be kept and filled again; the first four need no allocation.
#[derive(Clone, Debug, Default)]
pub struct Captures<'p>(SmallVec<[Capture<'p>; 4]>);

impl<'p> Captures<'p> {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// All of them.
    pub fn as_slice(&self) -> &[Capture<'p>] {
        &self.0
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Cuts the variables out of a path that matches their template.
    pub(super) fn fill(&mut self, path: &'p str, spans: &[Span]) {
        let mut rest = path::segments(path);
        let mut passed = 0;
        for span in spans {
            rest = path::skip(rest, span.first - passed);
            let start = path.len() - rest.map_or(0, str::len);
            rest = path::skip(rest, span.count);
            passed = span.first.saturating_add(span.count);
            // What is left begins behind the `/` that ends the span.
            let end = rest.map_or(path.len(), |rest| path.len() - rest.len() - 1);
            self.0.push(Capture { raw: &path[start..end], multiple: span.multiple });
        }
    }
}

/// Where a variable lies, in segments of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Span {
    first: usize,
    /// How many segments; `usize::MAX` for all that are left.
    count: usize,
    multiple: bool,
}

impl Span {
    /// The span of each variable, in order.
    pub(super) fn of(template: &Template) -> impl Iterator<Item = Self> {
        template.variables().iter().map(|variable| {
            let segments = variable.segments();
            let open = template.segments()[segments.end - 1] == Segment::Rest;
            let count = if open { usize::MAX } else { segments.len() };
            Self { first: segments.start, count, multiple: variable.is_multiple() }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(template: &str, path: &str) -> Vec<String> {
        let template = Template::parse(template).unwrap();
        let mut captures = Captures::new();
        captures.fill(path, &Span::of(&template).collect::<Vec<_>>());
        captures.as_slice().iter().map(|capture| capture.decode().unwrap().into_owned()).collect()
    }

    #[test]
    fn variables_are_cut_out_by_counting_segments() {
        for (template, path, values) in [
            ("/a", "/a", &[] as &[&str]),
            ("/{a}", "/1", &["1"]),
            ("/{a}/x/{b}", "/1/x/2", &["1", "2"]),
            ("/{a=x/*}/{b=*/y}/z", "/x/1/2/y/z", &["x/1", "2/y"]),
            ("/v1/{name=shelves/*/books/*}", "/v1/shelves/1/books/2", &["shelves/1/books/2"]),
            ("/{all=**}", "/", &[""]),
            ("/{all=**}", "//", &["/"]),
            ("/{all=**}", "/a/b/", &["a/b/"]),
            ("/a/{all=**}", "/a", &[""]),
            ("/a/{all=**}", "/a/", &[""]),
            ("/{all=a/**}", "/a", &["a"]),
            ("/{all=a/**}", "/a//b", &["a//b"]),
            ("/{a}/{b=x/**}", "/1/x/2/3", &["1", "x/2/3"]),
        ] {
            assert_eq!(captured(template, path), values, "{template} {path}");
        }
    }

    #[test]
    fn one_segment_is_decoded_wholly_and_several_keep_reserved_escapes() {
        assert_eq!(captured("/{a}", "/p%20q%2Fr"), ["p q/r"]);
        assert_eq!(captured("/{a=x%20y}", "/x%20y"), ["x y"]);
        assert_eq!(captured("/{a=p/*}", "/p/a%20b%2Fc"), ["p/a b%2Fc"]);
        assert_eq!(captured("/{a=**}", "/a%20b%2Fc"), ["a b%2Fc"]);
    }
}
