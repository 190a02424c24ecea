//! The configuration for people to see, without its secrets.
//!
//! What came from the environment or a file is shown as the reference that stands in the text,
//! `${NAME}`. What stands in the text itself below a key that is named like a secret is not shown.

use saphyr::{LoadableYamlNode, Yaml};
use serde_json::{Map, Value};

/// What stands for a secret.
pub(super) const MASK: &str = "***";

/// Words in the names of keys (and of headers) whose values are secret.
const SECRETS: [&str; 8] =
    ["authorization", "password", "passwd", "secret", "token", "cookie", "api-key", "credential"];

/// The text of a configuration as a value; `null` if it is no YAML.
pub(super) fn shown(text: &str) -> Value {
    match Yaml::load_from_str(text).as_deref() {
        Ok([document]) => value(document, false, 0),
        _ => Value::Null,
    }
}

fn value(node: &Yaml<'_>, secret: bool, depth: usize) -> Value {
    // Deeper files are refused, and the walk is recursive.
    if depth > super::document::DEPTH_LIMIT {
        return Value::Null;
    }
    match node {
        Yaml::Sequence(list) => list.iter().map(|node| value(node, secret, depth + 1)).collect(),
        Yaml::Mapping(mapping) => {
            let pairs = mapping.iter().filter_map(|(key, node)| {
                let key = text_of(key)?;
                let secret = secret || is_secret(&key);
                Some((key, value(node, secret, depth + 1)))
            });
            Value::Object(pairs.collect::<Map<_, _>>())
        }
        Yaml::Tagged(_, node) => value(node, secret, depth + 1),
        Yaml::Value(scalar) => match super::document::plain(scalar).unwrap_or_default() {
            Value::Null => Value::Null,
            Value::String(text) if !secret || text.contains("${") => {
                Value::String(without_user(text))
            }
            _ if secret => Value::String(MASK.into()),
            other => other,
        },
        _ => Value::Null,
    }
}

/// The text of a key; none of one that is refused anyway.
fn text_of(key: &Yaml<'_>) -> Option<String> {
    match key {
        Yaml::Value(scalar) => match super::document::plain(scalar)? {
            Value::String(text) => Some(text),
            Value::Null => None,
            other => Some(other.to_string()),
        },
        _ => None,
    }
}

/// Whether the value of a key is a secret in whatever way it is used: a cookie's name is none.
pub(super) fn is_told_nobody(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    // Selectors and names of types have dots.
    let is_setting = !key.contains('.');
    is_setting && ["password", "passwd", "secret", "authorization"].iter().any(|w| key.contains(w))
}

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('_', "-");
    SECRETS.iter().any(|word| key.contains(word))
}

/// A URL without the user and password that may stand in it.
fn without_user(text: String) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text };
    // The password to a store may have a `/` in it that isn't encoded; its path has no `@`.
    let ends: &[char] = if scheme.starts_with("redis") { &[] } else { &['/', '?', '#'] };
    let authority = rest.split(ends).next().unwrap_or(rest);
    match authority.rsplit_once('@') {
        Some((user, host)) if !user.contains("${") => {
            format!("{scheme}://{MASK}@{host}{}", &rest[authority.len()..])
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_not_shown_and_references_are() {
        let text = "
upstreams:
  a: { endpoints: ['http://user:hunter2@a:1/x', '${BACKEND:-b:1}'] }
services:
  '*':
    timeout: 5s
    headers: { request: { set: { authorization: Bearer hunter2, x-api-key: hunter2, accept: '*/*' } } }
    other: { client_secret: '${file:secret}', tokens: [hunter2, 7], password: 12345 }
    stores: ['redis://:hunter2@b:2/0', 'rediss://me:hun/hunter2@b:2', 'redis://:${P}@b']
workers: 2
";
        let shown = shown(text);
        assert!(!shown.to_string().contains("hunter2"), "{shown}");
        assert!(!shown.to_string().contains("12345"), "{shown}");
        assert_eq!(shown["workers"], 2);
        let endpoints = json!(["http://***@a:1/x", "${BACKEND:-b:1}"]);
        assert_eq!(shown["upstreams"]["a"]["endpoints"], endpoints);
        let policy = &shown["services"]["*"];
        assert_eq!(policy["timeout"], "5s");
        let set = json!({ "authorization": "***", "x-api-key": "***", "accept": "*/*" });
        assert_eq!(policy["headers"]["request"]["set"], set);
        let other = json!({ "client_secret": "${file:secret}", "tokens": ["***", "***"], "password": "***" });
        assert_eq!(policy["other"], other);
        let stores = json!(["redis://***@b:2/0", "rediss://***@b:2", "redis://:${P}@b"]);
        assert_eq!(policy["stores"], stores);
    }

    #[test]
    fn what_is_no_yaml_is_not_shown() {
        assert_eq!(shown("a: [b"), Value::Null);
        assert_eq!(shown("a: 1\n---\nb: 2"), Value::Null);
        assert_eq!(shown(""), Value::Null);
    }
}
