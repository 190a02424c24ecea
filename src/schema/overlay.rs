//! HTTP rules that stand beside the descriptors: the `http:` part of a `google.api.Service` file.
//!
//! ```yaml
//! type: google.api.Service
//! http:
//!   rules:
//!   - selector: bookshelf.v1.Bookshelf.GetBook
//!     get: /v1/{name=shelves/*/books/*}
//!     additional_bindings:
//!     - get: /v1/books/{name}
//! ```
//!
//! Only this part is read; the other parts of such a file are for other programs
//! (<https://github.com/googleapis/googleapis/blob/master/google/api/service.proto>).

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

use super::annotation::{Custom, Pattern, Rule};
use crate::problem::Problem;

/// A rule and the line where it begins.
#[derive(Debug)]
pub(super) struct Overlay {
    pub(super) rule: Rule,
    pub(super) line: usize,
}

const MEND: &str = "write `http:` with `rules:` below it, a list with a `selector` each";

/// Reads the rules of one file; `origin` is its name for problems.
pub(super) fn read(origin: &str, text: &str, problems: &mut Vec<Problem>) -> Vec<Overlay> {
    let mut reader = Reader { origin, problems, rules: Vec::new() };
    match MarkedYaml::load_from_str(text) {
        Ok(documents) if documents.is_empty() => {
            reader.problem(1, "", "the file is empty", MEND);
        }
        Ok(documents) => documents.iter().for_each(|document| reader.document(document)),
        Err(error) => {
            let line = error.marker().line();
            reader.problem(line, "", format!("not YAML: {}", error.info()), "");
        }
    }
    reader.rules
}

type Node<'a> = MarkedYaml<'a>;

struct Reader<'a> {
    origin: &'a str,
    problems: &'a mut Vec<Problem>,
    rules: Vec<Overlay>,
}

impl Reader<'_> {
    fn problem(&mut self, line: usize, path: &str, message: impl Into<String>, mend: &str) {
        let problem = Problem::error(path, message).mend(mend);
        self.problems.push(problem.in_file(self.origin).at_line(line));
    }

    fn document(&mut self, document: &Node<'_>) {
        let mut http = None;
        for (key, value) in self.entries(document, "") {
            match key.as_str() {
                "http" => http = Some(value),
                "type" if text_of(value).is_none_or(|text| text != "google.api.Service") => {
                    let line = value.span.start.line();
                    self.problem(line, "type", "not a google.api.Service file", MEND);
                }
                _ => {}
            }
        }
        let Some(http) = http else {
            self.problem(document.span.start.line(), "http", "no rules stand in the file", MEND);
            return;
        };
        for (key, value) in self.entries(http, "http") {
            match key.as_str() {
                "rules" => self.rules(value),
                // Concerns how Google's own proxy decodes paths.
                "fully_decode_reserved_expansion" | "fullyDecodeReservedExpansion" => {}
                _ => self.unknown(value, "http", &key),
            }
        }
    }

    fn rules(&mut self, rules: &Node<'_>) {
        let YamlData::Sequence(rules) = &rules.data else {
            self.problem(rules.span.start.line(), "http.rules", "must be a list", "");
            return;
        };
        for (index, node) in rules.iter().enumerate() {
            let path = format!("http.rules[{index}]");
            let line = node.span.start.line();
            let Some(rule) = self.rule(node, &path) else { continue };
            if rule.selector.is_empty() {
                let mend = "name a method: `selector: bookshelf.v1.Bookshelf.GetBook`";
                self.problem(line, &path, "the rule has no selector", mend);
            } else {
                self.rules.push(Overlay { rule, line });
            }
        }
    }

    /// `None` if anything about the rule can't be read, which is then reported.
    fn rule(&mut self, node: &Node<'_>, path: &str) -> Option<Rule> {
        let before = self.problems.len();
        let mut rule = Rule::default();
        for (key, value) in self.entries(node, path) {
            let at = format!("{path}.{key}");
            let line = value.span.start.line();
            let pattern = match key.as_str() {
                "selector" => {
                    rule.selector = self.text(value, &at);
                    continue;
                }
                "body" => {
                    rule.body = self.text(value, &at);
                    continue;
                }
                "response_body" | "responseBody" => {
                    rule.response_body = self.text(value, &at);
                    continue;
                }
                "additional_bindings" | "additionalBindings" => {
                    rule.additional_bindings = self.additional(value, &at);
                    continue;
                }
                "get" => Pattern::Get(self.text(value, &at)),
                "put" => Pattern::Put(self.text(value, &at)),
                "post" => Pattern::Post(self.text(value, &at)),
                "delete" => Pattern::Delete(self.text(value, &at)),
                "patch" => Pattern::Patch(self.text(value, &at)),
                "custom" => Pattern::Custom(self.custom(value, &at)),
                _ => {
                    self.unknown(value, path, &key);
                    continue;
                }
            };
            if rule.pattern.replace(pattern).is_some() {
                let mend = "write the other one below `additional_bindings`";
                self.problem(line, &at, "the rule has a pattern already", mend);
            }
        }
        (self.problems.len() == before).then_some(rule)
    }

    fn additional(&mut self, node: &Node<'_>, path: &str) -> Vec<Rule> {
        match &node.data {
            YamlData::Sequence(rules) => {
                let at = |index| format!("{path}[{index}]");
                let rules = rules.iter().enumerate();
                rules.filter_map(|(index, rule)| self.rule(rule, &at(index))).collect()
            }
            // YAML made from text format has a single binding without a list.
            _ => self.rule(node, path).into_iter().collect(),
        }
    }

    fn custom(&mut self, node: &Node<'_>, path: &str) -> Custom {
        let mut custom = Custom::default();
        for (key, value) in self.entries(node, path) {
            match key.as_str() {
                "kind" => custom.kind = self.text(value, &format!("{path}.kind")),
                "path" => custom.path = self.text(value, &format!("{path}.path")),
                _ => self.unknown(value, path, &key),
            }
        }
        custom
    }

    fn unknown(&mut self, value: &Node<'_>, path: &str, key: &str) {
        let mend = "see google/api/http.proto for the keys of a rule";
        let line = value.span.start.line();
        self.problem(line, &format!("{path}.{key}"), "unknown key", mend);
    }

    fn text(&mut self, node: &Node<'_>, path: &str) -> String {
        text_of(node).map(str::to_owned).unwrap_or_else(|| {
            self.problem(node.span.start.line(), path, "must be text", "");
            String::new()
        })
    }

    /// The entries of a mapping with their keys as text.
    fn entries<'n>(&mut self, node: &'n Node<'n>, path: &str) -> Vec<(String, &'n Node<'n>)> {
        let YamlData::Mapping(mapping) = &node.data else {
            self.problem(node.span.start.line(), path, "must be a mapping", "");
            return Vec::new();
        };
        let mut entries = Vec::with_capacity(mapping.len());
        for (key, value) in mapping {
            match text_of(key) {
                Some(text) => entries.push((text.to_owned(), value)),
                None => self.problem(key.span.start.line(), path, "a key must be text", ""),
            }
        }
        entries
    }
}

fn text_of<'n>(node: &'n Node<'_>) -> Option<&'n str> {
    match &node.data {
        YamlData::Value(Scalar::String(text)) => Some(text),
        _ => None,
    }
}
