//! Endpoints in a file that others write.
//!
//! Its text is looked at again and again, as that of certificates: a mounted ConfigMap changes by a
//! symbolic link far from the file, and network file systems tell nobody. What has changed is taken
//! once it has stayed the same for one look, so that half of a list is not taken for the whole.

use std::path::Path;

use futures_util::future::BoxFuture;
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Discovery, Entry, Finder, Found, Located, WatchedFile};
use crate::upstream::settings::{Listed, MAX_WEIGHT, parse_address};

pub(super) const ENTRY: Entry = Entry {
    name: "file",
    build: |settings| match settings {
        Discovery::File(file) => Some(Box::new(Reader { file: file.clone(), seen: None })),
        _ => None,
    },
};

/// How deep the file may nest.
const DEPTH: usize = 16;

/// The longest that the file may be, in bytes.
const LONGEST: u64 = 16 << 20;

struct Reader {
    file: WatchedFile,
    /// What it said when it was last looked at.
    seen: Option<String>,
}

impl Finder for Reader {
    fn find(&mut self) -> BoxFuture<'_, Result<Found, String>> {
        Box::pin(async {
            let path = &self.file.path;
            let told = |error: String| format!("`{}`: {error}", path.display());
            let mut text = read(path).map_err(told)?;
            // The first time there is nothing that could be kept, so it is waited for right away.
            while self.seen.as_ref() != Some(&text) {
                self.seen = Some(text);
                tokio::time::sleep(self.file.interval).await;
                text = read(path).map_err(told)?;
            }
            let located = endpoints(&text).map_err(told)?;
            Ok(Found { located, good_for: self.file.interval })
        })
    }
}

fn read(path: &Path) -> Result<String, String> {
    match std::fs::metadata(path) {
        Ok(about) if about.len() > LONGEST => return Err("it is longer than 16 MiB".into()),
        _ => {}
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// What the file says.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    List(Vec<Listed>),
    Mapping { endpoints: Vec<Listed> },
}

fn endpoints(text: &str) -> Result<Vec<Located>, String> {
    let documents = Yaml::load_from_str(text).map_err(|error| format!("no YAML: {error}"))?;
    let [document] = documents.as_slice() else {
        return Err("it is not one document".into());
    };
    let written = Written::deserialize(value(document, 0)?).map_err(|_| {
        "it is neither a list of endpoints nor a mapping with `endpoints`".to_owned()
    })?;
    let (Written::List(listed) | Written::Mapping { endpoints: listed }) = written;
    let located = listed.into_iter().map(|Listed { address, weight }| {
        let address = parse_address(&address).map_err(|(message, _)| message)?;
        match (1..=MAX_WEIGHT).contains(&weight) {
            true => Ok(Located { address, weight, priority: 0 }),
            false => Err(format!("a weight is {weight}, not 1 to {MAX_WEIGHT}")),
        }
    });
    located.collect()
}

fn value(node: &Yaml<'_>, depth: usize) -> Result<Value, String> {
    if depth > DEPTH {
        return Err("it nests too deep".into());
    }
    Ok(match node {
        Yaml::Value(Scalar::String(text)) => Value::from(text.as_ref()),
        Yaml::Value(Scalar::Integer(number)) => Value::from(*number),
        Yaml::Value(Scalar::Boolean(flag)) => Value::from(*flag),
        Yaml::Sequence(list) => {
            Value::Array(list.iter().map(|node| value(node, depth + 1)).collect::<Result<_, _>>()?)
        }
        Yaml::Mapping(mapping) => {
            let mut object = Map::new();
            for (key, node) in mapping {
                let Yaml::Value(Scalar::String(key)) = key else {
                    return Err("a key is not plain text".into());
                };
                object.insert(key.to_string(), value(node, depth + 1)?);
            }
            Value::Object(object)
        }
        _ => Value::Null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_and_mapping_are_read_as_yaml_and_json() {
        for text in [
            "- a:1\n- { address: 'https://b:2', weight: 3 }\n",
            "endpoints:\n  - a:1\n  - address: https://b:2\n    weight: 3\n",
            r#"["a:1", {"address": "https://b:2", "weight": 3}]"#,
            r#"{"endpoints": ["a:1", {"address": "https://b:2", "weight": 3}], "made_by": "x"}"#,
        ] {
            let found = endpoints(text).unwrap();
            let told: Vec<_> =
                found.iter().map(|one| (one.address.authority.as_str(), one.weight)).collect();
            assert_eq!(told, [("a:1", 1), ("b:2", 3)], "{text}");
            assert!(found[1].address.is_tls());
        }
    }

    #[test]
    fn what_is_no_list_of_endpoints_is_refused() {
        for text in
            ["", "a:1", "- a", "- a:1\n- {", "- {address: 'a:1', weight: 0}", "{}", "- 7", "\u{0}"]
        {
            assert!(endpoints(text).is_err(), "{text}");
        }
        let deep = "[".repeat(10_000);
        assert!(endpoints(&deep).is_err());
    }
}
