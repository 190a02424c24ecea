//! What stands for something else in a string of the configuration.
//!
//! ```text
//! reference = "${" NAME [ ":-" default ] "}"     the environment variable NAME
//!           | "${file:" path "}"                 the text of a file, without the line's end
//!           | "$${"                              `${` itself
//! ```
//!
//! So secrets never have to stand in the file.

use std::{fs, path::Path};

/// What a reference becomes, and what must not be shown of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Substituted {
    pub(super) text: String,
    /// Pairs of a reference and its value.
    pub(super) secrets: Vec<(String, String)>,
}

/// A reference that leads nowhere: a sentence, and what would mend it.
pub(super) type Fault = (String, String);

/// Replaces every reference in a text.
pub(super) fn substitute(
    text: &str,
    folder: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Substituted, Fault> {
    let mut result = Substituted::default();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            result.text.push_str(&rest[..at - 1]);
            result.text.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        result.text.push_str(&rest[..at]);
        let Some(end) = rest[at..].find('}') else {
            let message = format!("`{}` has no closing brace", &rest[at..]);
            return Err((
                message,
                "write `${NAME}`, or `$${` for the characters themselves".into(),
            ));
        };
        let reference = &rest[at..=at + end];
        let value = look_up(&rest[at + 2..at + end], folder, environment)?;
        result.text.push_str(&value);
        result.secrets.push((reference.to_owned(), value));
        rest = &rest[at + end + 1..];
    }
    result.text.push_str(rest);
    Ok(result)
}

fn look_up(
    name: &str,
    folder: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<String, Fault> {
    if let Some(path) = name.strip_prefix("file:") {
        let text = fs::read_to_string(folder.join(path)).map_err(|error| {
            let mend = "name a text file that exists and may be read";
            (format!("the file `{path}` can't be read: {error}"), mend.into())
        })?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        return Ok(line.strip_suffix('\r').unwrap_or(line).to_owned());
    }
    let (name, default) = match name.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (name, None),
    };
    let is_name = !name.is_empty()
        && !name.starts_with(|letter: char| letter.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_name {
        let message = format!("`{name}` is not the name of an environment variable");
        return Err((message, "write `${NAME}`, or `$${` for the characters themselves".into()));
    }
    environment(name).or_else(|| default.map(str::to_owned)).ok_or_else(|| {
        let message = format!("the environment variable `{name}` is not set");
        (message, format!("set it, or write `${{{name}:-default}}`"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn substituted(text: &str) -> Result<String, Fault> {
        let environment = |name: &str| (name == "NAME").then(|| "value".to_owned());
        substitute(text, Path::new("."), &environment).map(|result| result.text)
    }

    #[test]
    fn references_are_replaced() {
        assert_eq!(substituted("a ${NAME} b ${NAME}").unwrap(), "a value b value");
        assert_eq!(substituted("${OTHER:-else} $${NAME} $5 {}").unwrap(), "else ${NAME} $5 {}");
    }

    #[test]
    fn references_that_lead_nowhere_are_told() {
        assert!(substituted("${OTHER}").unwrap_err().0.contains("`OTHER` is not set"));
        assert!(substituted("${NAME").unwrap_err().0.contains("no closing brace"));
        assert!(substituted("${A B}").unwrap_err().0.contains("not the name"));
        assert!(substituted("${file:/nowhere/at/all}").unwrap_err().0.contains("can't be read"));
    }

    #[test]
    fn a_file_is_taken_without_its_last_line_end() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "s3cret\n").unwrap();
        let result = substitute("Bearer ${file:token}", folder.path(), &|_| None).unwrap();
        assert_eq!(result.text, "Bearer s3cret");
        assert_eq!(result.secrets, [("${file:token}".to_owned(), "s3cret".to_owned())]);
    }
}
