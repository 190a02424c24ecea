//! Which methods a policy is for.
//!
//! ```text
//! selector = "*"                          every method
//!          | name ".*"                    every method below a package or service
//!          | name                         the methods of a service, or one method
//! name     = identifier { "." identifier }
//! ```

use std::{cmp::Ordering, fmt};

use crate::schema::Method;

/// A selector. The greater of two that fit the same method is the more specific.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selector {
    /// Empty for `*`.
    name: String,
    below: bool,
}

impl Selector {
    /// Reads one; the error is a sentence with what would mend it.
    pub(super) fn parse(text: &str) -> Result<Self, (String, String)> {
        if text == "*" {
            return Ok(Self { name: String::new(), below: true });
        }
        let (name, below) = match text.strip_suffix(".*") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let is_identifier = |part: &str| {
            !part.is_empty()
                && !part.starts_with(|letter: char| letter.is_ascii_digit())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if name.split('.').all(is_identifier) {
            return Ok(Self { name: name.to_owned(), below });
        }
        let mend = match text.replace('/', ".").trim_matches('.') {
            name if text.contains('/') => format!("write it with dots: `{name}`"),
            _ => "write `*`, `package.*`, `package.Service` or `package.Service.Method`".into(),
        };
        Err((format!("`{text}` is not a selector"), mend))
    }

    /// Whether the method is selected.
    pub(super) fn selects(&self, method: &Method) -> bool {
        self.selects_name(&method.full_name)
    }

    /// The same by the method's full name, `package.Service.Method`.
    pub(super) fn selects_name(&self, method: &str) -> bool {
        let service = method.rsplit_once('.').map_or("", |(service, _)| service);
        if self.below {
            self.name.is_empty()
                || method.strip_prefix(&self.name).is_some_and(|rest| rest.starts_with('.'))
        } else {
            self.name == method || self.name == service
        }
    }

    fn rank(&self) -> (usize, bool) {
        let parts = if self.name.is_empty() { 0 } else { self.name.split('.').count() };
        (parts, !self.below)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name.as_str(), self.below) {
            ("", _) => f.write_str("*"),
            (name, true) => write!(f, "{name}.*"),
            (name, false) => f.write_str(name),
        }
    }
}

impl Ord for Selector {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank()).then_with(|| self.name.cmp(&other.name))
    }
}

impl PartialOrd for Selector {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_selects_whole_names_only() {
        let method = "a.b.Service.Method";
        for text in ["*", "a.*", "a.b.*", "a.b.Service.*", "a.b.Service", "a.b.Service.Method"] {
            assert!(Selector::parse(text).unwrap().selects_name(method), "{text}");
        }
        for text in ["a.b", "a", "a.b.Serv.*", "b.*", "a.b.Service.Met", "a.b.Service.Method.*"] {
            assert!(!Selector::parse(text).unwrap().selects_name(method), "{text}");
        }
    }

    #[test]
    fn the_more_specific_selector_is_greater() {
        let order = ["*", "a.*", "a.b.*", "a.b.Service.*", "a.b.Service", "a.b.Service.Method"];
        let selectors = order.map(|text| Selector::parse(text).unwrap());
        assert!(selectors.is_sorted());
        assert_eq!(selectors.map(|selector| selector.to_string()), order);
    }

    #[test]
    fn what_is_no_selector_is_refused_with_a_mend() {
        for text in ["", ".", "a..b", "a.*.b", "**", "a*", "1a", "a.b ", "*.a"] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
        let (_, mend) = Selector::parse("/a.Service/Method").unwrap_err();
        assert_eq!(mend, "write it with dots: `a.Service.Method`");
    }
}
