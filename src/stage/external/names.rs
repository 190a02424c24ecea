//! Lists of headers: which may pass from one side to another.

use http::HeaderName;

use crate::{
    exchange::Metadata,
    stage::{Finding, names},
};

/// Names of headers, some by their beginning.
#[derive(Debug, Default)]
pub(super) struct Names {
    exact: Vec<String>,
    beginnings: Vec<String>,
}

impl Names {
    /// Reads the list at `key`; `x-*` is every name that begins so.
    pub(super) fn read<T: AsRef<str>>(key: &str, written: &[T]) -> Result<Self, Finding> {
        let mut names = Self::default();
        for (index, text) in written.iter().enumerate() {
            let lower = text.as_ref().to_ascii_lowercase();
            let (plain, is_beginning) =
                lower.strip_suffix('*').map_or((&*lower, false), |beginning| (beginning, true));
            // HTTP would allow `*` in a name; nobody means it.
            let is_name = HeaderName::from_bytes(plain.as_bytes()).is_ok() && !plain.contains('*');
            let is_everything = is_beginning && plain.is_empty();
            if !is_name && !is_everything {
                let mend = "use letters, digits and `-`, and `*` at the end alone";
                let message = format!("`{lower}` is no header name: {mend}");
                return Err((format!("{key}[{index}]"), message));
            }
            let kind = if is_beginning { &mut names.beginnings } else { &mut names.exact };
            kind.push(plain.to_owned());
        }
        Ok(names)
    }

    /// The same where every header may be set for a backend: each must have a name of its own.
    pub(super) fn read_for_backend(key: &str, written: &[String]) -> Result<Self, Finding> {
        for (index, text) in written.iter().enumerate() {
            let path = || format!("{key}[{index}]");
            if text == "*" {
                let message = "callers' own headers of these names are removed, so `*` would leave \
                               none: name those that the service sets";
                return Err((path(), message.into()));
            }
            let lower = text.to_ascii_lowercase();
            if !names::may_be_set(&lower) {
                let message =
                    format!("`{text}` belongs to the protocol and can't be set: remove it");
                return Err((path(), message));
            }
        }
        Self::read(key, written)
    }

    /// Whether a name, in lower case, is among them.
    pub(super) fn have(&self, name: &str) -> bool {
        self.exact.iter().any(|exact| exact == name)
            || self.beginnings.iter().any(|beginning| name.starts_with(&**beginning))
    }

    /// Takes away what has one of the names, or is a copy of such a header.
    pub(super) fn strip(&self, metadata: &mut Metadata) {
        if self.exact.is_empty() && self.beginnings.is_empty() {
            return;
        }
        names::strip(metadata, |name| {
            let begins = |beginning: &String| {
                let start = name.get(..beginning.len());
                start.is_some_and(|start| names::is_same(beginning, start))
            };
            self.exact.iter().any(|exact| names::is_same(exact, name))
                || self.beginnings.iter().any(begins)
        });
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn lists_have_names_and_beginnings() {
        let names = Names::read("l", &["X-User", "x-auth-*"]).unwrap();
        for (name, has) in
            [("x-user", true), ("x-user-id", false), ("x-auth-role", true), ("x-aut", false)]
        {
            assert_eq!(names.have(name), has, "{name}");
        }
        assert!(Names::read("l", &["*"]).unwrap().have("anything"));
    }

    #[test]
    fn lists_strip_copies_too() {
        let names = Names::read("l", &["x-user", "x-auth-*"]).unwrap();
        let mut metadata = Metadata::new();
        for name in ["x-user", "x_user", "x-auth-role", "x_auth_role", "x-other"] {
            metadata.insert(name, HeaderValue::from_static("root"));
        }
        names.strip(&mut metadata);
        assert_eq!(metadata.keys().collect::<Vec<_>>(), ["x-other"]);
    }

    #[test]
    fn lists_that_can_t_be_are_told_of() {
        assert_eq!(Names::read("l", &["a", "b c"]).unwrap_err().0, "l[1]");
        for text in ["*", "Grpc-Status", "content-type", "x-user-bin", "x*y"] {
            assert!(Names::read_for_backend("l", &[text.to_owned()]).is_err(), "{text}");
        }
    }
}
