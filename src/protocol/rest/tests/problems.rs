//! What is wrong with rules and settings is found before anything is served.

use super::compiled;
use crate::protocol::{MethodPolicy, rest::Settings};

/// The problems of a service with these rules.
fn problems(rules: &str, policy: &MethodPolicy) -> Vec<String> {
    let proto = format!(
        r#"syntax = "proto3"; package kitchen;
        import "google/api/annotations.proto";
        message Dish {{ string name = 1; Dish side = 2; repeated string tags = 3; }}
        service Kitchen {{ rpc Cook(Dish) returns (Dish) {{
            option (google.api.http) = {{ {rules} }};
        }} }}"#
    );
    let (kitchen, problems) = compiled(&proto, policy);
    assert_eq!(kitchen.is_none(), problems.iter().any(|problem| problem.is_error()));
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn rule_that_does_not_fit_its_messages_is_told_with_its_method() {
    for (rule, words) in [
        (r#"post: "/x" body: "nothing""#, "`body: \"nothing\"` names no field of `kitchen.Dish`"),
        (r#"get: "/x" response_body: "nothing""#, "`response_body: \"nothing\"` names no field"),
        (r#"get: "/x/{nothing}""#, "variable `{nothing}`"),
        (r#"get: "/x/{tags}""#, "variable `{tags}`"),
        (r#"get: "/x/{side}""#, "variable `{side}`"),
        (r#"get: "/x/{tags.y}""#, "variable `{tags.y}`"),
        (r#"get: "/x/{name""#, "/x/{name"),
    ] {
        let found = problems(rule, &MethodPolicy::default());
        assert_eq!(found.len(), 1, "{rule}: {found:#?}");
        assert!(found[0].contains(words), "{}", found[0]);
        assert!(found[0].contains("kitchen.Kitchen.Cook"), "{}", found[0]);
    }
    assert!(problems(r#"get: "/x/{side.name}""#, &MethodPolicy::default()).is_empty());
}

#[test]
fn rules_that_match_the_same_requests_are_told_with_both_places() {
    let rules = r#"get: "/x/{name}" additional_bindings { get: "/x/{side.name}" }"#;
    let found = problems(rules, &MethodPolicy::default());
    assert_eq!(found.len(), 1, "{found:#?}");
    let words = "`GET /x/{side.name}` matches the same requests as `GET /x/{name}`";
    assert!(found[0].contains(words), "{}", found[0]);
}

#[test]
fn trailer_that_is_no_name_is_told() {
    let rest = Settings { response_trailers: vec!["x cost".into()], ..Settings::default() };
    let found = problems(r#"get: "/x""#, &MethodPolicy { rest, ..MethodPolicy::default() });
    assert!(found[0].contains("`response_trailers`: `x cost` is no name"), "{found:#?}");
}
