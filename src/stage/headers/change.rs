//! Settings of one direction, checked and compiled into edits of a header map.
//!
//! A name or value that could break a protocol never gets past start-up, so that applying an
//! edit can't fail.

use std::collections::HashSet;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::settings::Changes;
use crate::stage::{Finding, names::is_reserved};

/// What is done to one header map, in this order.
#[derive(Debug, Default)]
pub(super) struct Edits {
    remove: Vec<HeaderName>,
    set: Vec<(HeaderName, HeaderValue)>,
    add: Vec<(HeaderName, HeaderValue)>,
}

impl Edits {
    /// Checks the changes of one direction, `request` or `response`.
    pub(super) fn compile(direction: &str, changes: &Changes) -> Result<Self, Finding> {
        let mut edits = Self::default();
        for (index, text) in changes.remove.iter().enumerate() {
            let path = format!("{direction}.remove[{index}]");
            edits.remove.push(name(text).map_err(|message| (path, message))?);
        }
        let mut names = HashSet::new();
        for (text, value) in &changes.set {
            let path = || format!("{direction}.set.{}", key(text));
            let name = name(text).map_err(|message| (path(), message))?;
            if !names.insert(name.clone()) {
                return Err((path(), format!("`{name}` is set twice: keep one of the two")));
            }
            let value = self::value(&name, value).map_err(|message| (path(), message))?;
            edits.set.push((name, value));
        }
        for (text, values) in &changes.add {
            let path = || format!("{direction}.add.{}", key(text));
            let name = name(text).map_err(|message| (path(), message))?;
            for value in &values.0 {
                let value = self::value(&name, value).map_err(|message| (path(), message))?;
                edits.add.push((name.clone(), value));
            }
        }
        Ok(edits)
    }

    /// Whether there is nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    /// Makes the changes.
    pub(super) fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name.clone(), value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name.clone(), value.clone());
        }
    }
}

/// A key as a segment of a problem's path.
fn key(text: &str) -> String {
    if text.contains(['.', '[', ' ', '"']) { format!("{text:?}") } else { text.to_owned() }
}

/// A name that is well formed and free to be changed.
fn name(text: &str) -> Result<HeaderName, String> {
    let lower = text.to_ascii_lowercase();
    if is_reserved(&lower) {
        return Err(format!("`{text}` belongs to the protocol and can't be changed: remove it"));
    }
    HeaderName::from_bytes(lower.as_bytes()).map_err(|_| {
        format!("`{text}` is not a header name: use letters, digits, `-`, `_` and `.`")
    })
}

/// A value that the name can carry: printable ASCII (the gRPC protocol's ASCII-Value), base64
/// for a `-bin` name (its Binary-Header).
fn value(name: &HeaderName, text: &str) -> Result<HeaderValue, String> {
    if name.as_str().ends_with("-bin") && !is_base64(text) {
        return Err(format!("the value of `{name}` is not base64, as `-bin` headers have to be"));
    }
    let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    match HeaderValue::from_str(text) {
        Ok(value) if printable => Ok(value),
        _ => Err(format!("the value of `{name}` has characters other than printable ASCII")),
    }
}

/// Whether the text is base64, padded or not.
fn is_base64(text: &str) -> bool {
    let bytes = text.as_bytes();
    base64_simd::STANDARD.check(bytes).is_ok() || base64_simd::STANDARD_NO_PAD.check(bytes).is_ok()
}
