//! What holds for every stage in the table.

use std::collections::HashSet;

use schemars::SchemaGenerator;
use serde_json::{Value, json};

use super::{STAGES, testing};

#[test]
fn names_are_unique_and_in_snake_case() {
    let mut names = HashSet::new();
    for entry in STAGES {
        let is_first = names.insert(entry.name);
        // Some limits hold before anybody is known, the others after.
        assert!(is_first || entry.name == "rate_limit", "`{}` stands twice", entry.name);
        assert!(entry.name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{}", entry.name);
    }
}

#[test]
fn run_order_is_as_documented() {
    let names: Vec<_> = STAGES.iter().map(|entry| entry.name).collect();
    let order = [
        "timeout",
        "rate_limit",
        "auth",
        "authorize",
        "ext_authz",
        "rate_limit",
        "validate",
        "admission",
        "retry",
        "headers",
    ];
    assert_eq!(names, order);
}

#[test]
fn every_stage_has_a_summary_of_whole_sentences() {
    for entry in STAGES {
        assert!(entry.summary.ends_with('.'), "{}: {}", entry.name, entry.summary);
        assert!(entry.summary.starts_with(char::is_uppercase), "{}", entry.name);
    }
}

#[test]
fn every_stage_has_a_json_schema_with_a_description() {
    for entry in STAGES {
        let mut generator = SchemaGenerator::default();
        let schema = (entry.json_schema)(&mut generator);
        let reference = schema.get("$ref").and_then(Value::as_str).expect("a named schema");
        let name = reference.rsplit('/').next().expect("the last part");
        let definition = &generator.definitions()[name];
        assert!(definition["description"].is_string(), "{}: {definition}", entry.name);
    }
}

#[test]
fn settings_of_the_wrong_shape_are_refused_with_a_message() {
    for entry in STAGES {
        for wrong in [json!(7), json!([1]), json!({ "no_such_setting": 1 })] {
            let (_, message) = match testing::build(entry.name, Some(wrong), &testing::method(true))
            {
                Err(finding) => finding,
                Ok(_) => panic!("`{}` took nonsense for settings", entry.name),
            };
            assert!(!message.is_empty());
        }
    }
}
