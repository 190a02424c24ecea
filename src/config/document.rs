//! YAML text to a plain value, with the line of every part and references replaced.

use std::path::Path;

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};
use serde_json::{Map, Number, Value};

use super::{
    places::{Places, Secret, join_index, join_key},
    shown,
    substitute::substitute,
};
use crate::problem::Problem;

/// Deeper files are refused: no setting needs it, and the reader is recursive.
pub(super) const DEPTH_LIMIT: usize = 64;

/// Reads a document; what can't be read is a problem, and stands as `null` in the value.
pub(super) fn parse(
    path: &Path,
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
    problems: &mut Vec<Problem>,
) -> (Value, Places) {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut reader = Reader { folder, environment, places: Places::in_file(path), problems };
    let value = match MarkedYaml::load_from_str(text) {
        Ok(documents) => match documents.as_slice() {
            [] => Value::Null,
            [document] => reader.value(document, "", 0),
            [_, second, ..] => {
                let message = "a second document begins";
                let problem = Problem::error("", message).mend("write one, without `---` inside");
                reader.report_at(second.span.start.line(), problem);
                Value::Null
            }
        },
        Err(error) => {
            let column = error.marker().col() + 1;
            let message = format!("column {column}: not YAML: {}", error.info());
            let problem =
                Problem::error("", message).mend("mend the syntax at or before this place");
            reader.report_at(error.marker().line(), problem);
            Value::Null
        }
    };
    let value = if value.is_null() { Value::Object(Map::new()) } else { value };
    (value, reader.places)
}

struct Reader<'a> {
    folder: &'a Path,
    environment: &'a dyn Fn(&str) -> Option<String>,
    places: Places,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn report_at(&mut self, line: usize, problem: Problem) {
        let problem = self.places.settle(problem);
        self.problems.push(problem.at_line(line));
    }

    fn value(&mut self, node: &MarkedYaml<'_>, path: &str, depth: usize) -> Value {
        let line = node.span.start.line();
        // The line of a key is already known, and better than that of its value.
        if !self.places.knows(path) {
            self.places.set_line(path, line);
        }
        if depth > DEPTH_LIMIT {
            let problem =
                Problem::error(path, format!("nested more than {DEPTH_LIMIT} levels deep"));
            self.report_at(line, problem.mend("no setting is that deep"));
            return Value::Null;
        }
        match &node.data {
            YamlData::Value(scalar) => self.scalar(scalar, path, line),
            YamlData::Sequence(list) => {
                let elements = list.iter().enumerate();
                let value = |(index, node)| self.value(node, &join_index(path, index), depth + 1);
                Value::Array(elements.map(value).collect())
            }
            YamlData::Mapping(mapping) => {
                let mut object = Map::new();
                for (key, node) in mapping {
                    let Some(name) = self.key(key, path) else { continue };
                    let path = join_key(path, &name);
                    self.places.set_line(&path, key.span.start.line());
                    let value = self.value(node, &path, depth + 1);
                    if shown::is_told_nobody(&name) {
                        self.hide(&value, &path);
                    }
                    object.insert(name, value);
                }
                Value::Object(object)
            }
            YamlData::Tagged(_, node) => self.value(node, path, depth + 1),
            YamlData::Representation(..) | YamlData::Alias(_) | YamlData::BadValue => {
                let problem = Problem::error(path, "the value does not fit its tag");
                self.report_at(line, problem.mend("take the tag away"));
                Value::Null
            }
        }
    }

    /// Keeps what stands in the file itself out of problems as well.
    fn hide(&mut self, value: &Value, path: &str) {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return,
        };
        let (path, reference) = (path.to_owned(), shown::MASK.to_owned());
        self.places.add_secret(Secret { path, reference, value: text });
    }

    fn key(&mut self, key: &MarkedYaml<'_>, path: &str) -> Option<String> {
        match &key.data {
            YamlData::Value(Scalar::String(name)) => Some(name.to_string()),
            YamlData::Value(Scalar::Integer(number)) => Some(number.to_string()),
            YamlData::Value(Scalar::Boolean(flag)) => Some(flag.to_string()),
            _ => {
                let problem = Problem::error(path, "a key is not plain text");
                self.report_at(key.span.start.line(), problem.mend("put it in quotes"));
                None
            }
        }
    }

    fn scalar(&mut self, scalar: &Scalar<'_>, path: &str, line: usize) -> Value {
        match scalar {
            Scalar::String(text) => self.text(text, path, line),
            scalar => plain(scalar).unwrap_or_else(|| {
                let problem = Problem::error(path, "the number is not finite");
                self.report_at(line, problem.mend("write a plain number"));
                Value::Null
            }),
        }
    }

    fn text(&mut self, text: &str, path: &str, line: usize) -> Value {
        match substitute(text, self.folder, self.environment) {
            Ok(substituted) => {
                for (reference, value) in substituted.secrets {
                    self.places.add_secret(Secret { path: path.to_owned(), reference, value });
                }
                Value::String(substituted.text)
            }
            Err((message, mend)) => {
                self.report_at(line, Problem::error(path, message).mend(mend));
                self.places.set_broken(path);
                Value::Null
            }
        }
    }
}

/// A scalar that is no string; none for what JSON can't say.
pub(super) fn plain(scalar: &Scalar<'_>) -> Option<Value> {
    match scalar {
        Scalar::Null => Some(Value::Null),
        Scalar::Boolean(flag) => Some(Value::Bool(*flag)),
        Scalar::Integer(number) => Some(Value::from(*number)),
        Scalar::FloatingPoint(number) => Number::from_f64(number.0).map(Value::Number),
        Scalar::String(text) => Some(Value::String(text.to_string())),
    }
}

/// What a text would be if it stood in the file itself: a number, `true`, or text again.
pub(super) fn as_if_written(text: &str) -> Value {
    plain(&Scalar::parse_from_cow(text.into())).unwrap_or(Value::Null)
}
