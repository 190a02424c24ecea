//! Queries and forms as pairs of names and values.
//!
//! ```text
//! name=Emily+Bront%C3%AB&&draft&page.size=2
//!     (name, Emily Brontë)  (draft, "")  (page.size, 2)
//! ```

use std::{borrow::Cow, error, fmt};

use super::percent::{self, BadEncoding, Mode};

/// The pairs of a query or of an `application/x-www-form-urlencoded` body (the URL standard,
/// section 5.1, but strict about encoding).
///
/// `text` stands without the `?`. Pairs are separated by `&`; empty ones are skipped; a name without
/// `=` has the empty value; `+` is a space. Text that is not encoded is borrowed.
pub fn pairs(text: &str) -> Pairs<'_> {
    Pairs { rest: text }
}

/// The iterator of [`pairs`]. It goes on behind a pair that can't be decoded.
#[derive(Clone, Debug)]
pub struct Pairs<'q> {
    rest: &'q str,
}

/// A parameter whose name or value can't be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    parameter: String,
    in_name: bool,
    source: BadEncoding,
}

impl QueryError {
    /// The parameter's name, decoded; as it came if the name itself is what is wrong.
    pub fn parameter(&self) -> &str {
        &self.parameter
    }

    /// What is wrong; the offset counts from the start of the name or of the value.
    pub fn encoding(&self) -> &BadEncoding {
        &self.source
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = if self.in_name { "name" } else { "value" };
        write!(f, "the {part} of query parameter `{}`: {}", self.parameter, self.source)
    }
}

impl error::Error for QueryError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.source)
    }
}

impl<'q> Iterator for Pairs<'q> {
    type Item = Result<(Cow<'q, str>, Cow<'q, str>), QueryError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let pair;
            (pair, self.rest) = self.rest.split_once('&').unwrap_or((self.rest, ""));
            if !pair.is_empty() {
                return Some(decode_pair(pair));
            }
        }
        None
    }
}

fn decode_pair(pair: &str) -> Result<(Cow<'_, str>, Cow<'_, str>), QueryError> {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let name = percent::decode(name, Mode::Form).map_err(|source| QueryError {
        parameter: name.to_owned(),
        in_name: true,
        source,
    })?;
    match percent::decode(value, Mode::Form) {
        Ok(value) => Ok((name, value)),
        Err(source) => Err(QueryError { parameter: name.into_owned(), in_name: false, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> Vec<(String, String)> {
        pairs(text)
            .map(|pair| pair.map(|(name, value)| (name.into_owned(), value.into_owned())).unwrap())
            .collect()
    }

    #[test]
    fn pairs_are_split_and_decoded() {
        for (text, expected) in [
            ("", &[] as &[(&str, &str)]),
            ("&&", &[]),
            ("a=1", &[("a", "1")]),
            ("&a=1&&b=2&", &[("a", "1"), ("b", "2")]),
            ("a", &[("a", "")]),
            ("a=", &[("a", "")]),
            ("=1", &[("", "1")]),
            ("a=b=c", &[("a", "b=c")]),
            ("a+b=c+d%2Be", &[("a b", "c d+e")]),
            ("m%5Bk%5D=%26%3D", &[("m[k]", "&=")]),
            ("a=1;b=2", &[("a", "1;b=2")]),
            ("name=Bront%C3%AB&a=1&a=2", &[("name", "Brontë"), ("a", "1"), ("a", "2")]),
        ] {
            let expected: Vec<_> =
                expected.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
            assert_eq!(decoded(text), expected, "{text}");
        }
    }

    #[test]
    fn text_that_is_not_encoded_is_borrowed() {
        for pair in pairs("a.b=1&c[d]=e/f") {
            assert!(matches!(pair, Ok((Cow::Borrowed(_), Cow::Borrowed(_)))));
        }
    }

    #[test]
    fn bad_encoding_names_the_parameter_and_does_not_end_the_query() {
        let all: Vec<_> = pairs("book.%74itle=%4&%FF=1&c=3").collect();
        let messages: Vec<_> =
            all.iter().filter_map(|pair| pair.as_ref().err()).map(ToString::to_string).collect();
        assert_eq!(
            messages,
            [
                "the value of query parameter `book.title`: `%4` at byte 0 is not a percent-encoded byte; a percent sign is `%25`",
                "the name of query parameter `%FF`: `%FF` at byte 0 does not decode to UTF-8; encode text as UTF-8",
            ]
        );
        assert_eq!(all[2], Ok(("c".into(), "3".into())));
    }
}
