//! What the configuration says about itself: golden problems, merging, the JSON Schema.
//!
//! `UPDATE_GOLDEN=1` rewrites what is expected; look at the difference before you commit it.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::{File, Loaded, Prepared, json_schema, prepare};
use crate::{lasting::Lasting, problem::Problem};

const FOLDER: &str = "tests/golden/config";

fn environment(name: &str) -> Option<String> {
    match name {
        "PORT" => Some("8081".into()),
        "TOKEN" => Some("hunter2-secret".into()),
        "WORKERS" => Some("3".into()),
        _ => None,
    }
}

fn prepared(loaded: Loaded) -> Result<Prepared, Vec<Problem>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(prepare(loaded, &Lasting::new())).map_err(|failure| failure.problems)
}

fn parsed(text: &str) -> Loaded {
    let path = Path::new(FOLDER).join("inline.yaml");
    File::parse(&path, text, &environment)
}

/// Compares with a file of the repository, or rewrites it.
fn check_golden(path: &Path, found: &str) {
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, found).unwrap();
        return;
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert!(
        expected == found,
        "{} differs; UPDATE_GOLDEN=1 rewrites it\n--- expected\n{expected}\n--- found\n{found}",
        path.display()
    );
}

#[test]
fn every_kind_of_problem_is_told_as_expected() {
    let mut cases: Vec<PathBuf> = fs::read_dir(FOLDER)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.to_str().unwrap();
            name.ends_with(".yaml") && !name.ends_with(".rules.yaml")
        })
        .collect();
    cases.sort();
    assert!(cases.len() > 10);
    for case in cases {
        let (outcome, problems) = match prepared(File::load_with(&case, &environment)) {
            Ok(prepared) => ("serves", prepared.warnings),
            Err(problems) => ("refused", problems),
        };
        let mut found = String::new();
        for problem in problems {
            found += &format!("{:?}: {problem}\n", problem.severity).to_lowercase_start();
        }
        found += &format!("{outcome}\n");
        assert!(!found.contains("hunter2"), "{} shows a secret: {found}", case.display());
        check_golden(&case.with_extension("txt"), &found);
    }
}

trait LowercaseStart {
    fn to_lowercase_start(&self) -> String;
}

impl LowercaseStart for String {
    fn to_lowercase_start(&self) -> String {
        self[..1].to_lowercase() + &self[1..]
    }
}

const SERVES: &str = "
schema: [{ protos: ../../../proto }]
upstreams:
  bookshelf: { endpoints: ['http://127.0.0.1:50051'] }
";

fn policy_of(prepared: &Prepared, method: &str) -> super::Policy {
    let name = format!("bookshelf.v1.Bookshelf.{method}");
    let found = prepared.methods.iter().find(|resolved| *resolved.method.full_name == *name);
    super::Policy::clone(&found.unwrap().policy)
}

#[test]
fn the_more_specific_selector_wins_key_by_key() {
    let text = format!(
        "{SERVES}
services:
  '*': {{ depth: 10, proto_names: true, emit_defaults: all }}
  bookshelf.v1.Bookshelf: {{ depth: 20, emit_defaults: null }}
  bookshelf.v1.Bookshelf.GetBook: {{ depth: 30 }}
"
    );
    let prepared = prepared(parsed(&text)).unwrap();
    let get = policy_of(&prepared, "GetBook");
    let list = policy_of(&prepared, "ListBooks");
    assert_eq!((get.transcode.depth, list.transcode.depth), (30, 20));
    assert!(get.transcode.proto_names && list.transcode.proto_names);
    assert_eq!(get.transcode.emit_defaults, crate::transcode::EmitDefaults::None);
    assert_eq!(get.upstream.to_string(), "bookshelf");
}

#[test]
fn methods_with_the_same_selectors_share_a_policy() {
    let prepared = prepared(parsed(SERVES)).unwrap();
    let first = &prepared.methods[0].policy;
    let theirs = prepared.methods.iter().filter(|other| !other.policy.upstream.is_nobody());
    assert_eq!(theirs.clone().count(), 15);
    assert!(theirs.into_iter().all(|other| std::sync::Arc::ptr_eq(first, &other.policy)));
    for (index, resolved) in prepared.methods.iter().enumerate() {
        assert_eq!(resolved.method.index, index);
    }
}

#[test]
fn methods_that_are_not_exposed_are_not_there() {
    let text = format!(
        "{SERVES}\nservices:\n  '*': {{ expose: false }}\n  \
         'bookshelf.v1.Bookshelf.GetBook': {{ expose: true }}\n  \
         'grpc.health.v1.*': {{ expose: true }}"
    );
    let prepared = prepared(parsed(&text)).unwrap();
    let names = prepared.schema.methods().iter().map(|method| &*method.full_name);
    let names: Vec<_> = names.collect();
    let health = ["grpc.health.v1.Health.Check", "grpc.health.v1.Health.Watch"];
    assert_eq!(names[0], "bookshelf.v1.Bookshelf.GetBook");
    assert!(health.iter().all(|name| names.contains(name)), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("reflection")), "{names:?}");
}

#[test]
fn every_upstream_may_be_named_without_taking_the_gateways_own_services() {
    let text = format!("{SERVES}\nservices: {{ '*': {{ upstream: bookshelf }} }}");
    let prepared = prepared(parsed(&text)).unwrap();
    let own = |one: &&super::Resolved| one.method.service.starts_with("grpc.");
    assert!(prepared.methods.iter().filter(own).all(|one| one.policy.upstream.is_nobody()));
    assert!(prepared.methods.iter().filter(own).count() >= 4);
}

#[test]
fn auto_map_gives_routes_to_methods_without_a_rule() {
    let routes = |text: &str| {
        let prepared = prepared(parsed(text)).unwrap();
        let templates = prepared.schema.rules().map(|(_, rule)| rule.template.to_string());
        templates.filter(|template| template.contains("Bookshelf")).collect::<Vec<_>>()
    };
    assert_eq!(routes(SERVES), Vec::<String>::new());
    let mapped = format!("{SERVES}\nservices: {{ 'bookshelf.v1.*': {{ auto_map: true }} }}");
    assert_eq!(routes(&mapped), ["/bookshelf.v1.Bookshelf/Ping"]);
}

#[test]
fn limits_and_the_rest_reach_the_policy() {
    let text = format!(
        "{SERVES}
services:
  '*':
    max_request_message: 1KiB
    unknown_parameters: ignore
    on_collision: reject
"
    );
    let policy = policy_of(&prepared(parsed(&text)).unwrap(), "GetBook");
    assert_eq!(policy.limits.request_message, 1024);
    assert_eq!(policy.limits.response_message, crate::exchange::Limits::default().response_message);
    assert_eq!(policy.parameters.on_collision, crate::protocol::rule::OnCollision::Reject);
    assert_eq!(
        policy.parameters.unknown_parameters,
        crate::protocol::rule::UnknownParameters::Ignore
    );
}

#[test]
fn values_from_the_environment_fit_where_they_are_needed() {
    let text = format!(
        "{SERVES}
workers: ${{WORKERS}}
listen: [{{ address: '127.0.0.1:${{PORT}}' }}]
services: {{ '*': {{ headers: {{ request: {{ set: {{ x-port: '${{PORT}}' }} }} }} }} }}
"
    );
    let prepared = prepared(parsed(&text)).unwrap();
    assert_eq!(prepared.file.worker_count(), 3);
    assert_eq!(prepared.file.listeners()[0].address.to_string(), "127.0.0.1:8081");
}

#[test]
fn paths_start_at_the_folder_of_the_file() {
    let text = "
schema: [{ descriptor_set: a.binpb }, { rules: /b.yaml }]
upstreams: { x: { endpoints: ['https://h:1'], tls: { ca: ca.pem } } }
";
    let file = parsed(text).file;
    assert_eq!(file.schema[0], super::Source::DescriptorSet(format!("{FOLDER}/a.binpb").into()));
    assert_eq!(file.schema[1], super::Source::Rules("/b.yaml".into()));
    let tls = file.upstreams["x"].tls.clone().unwrap();
    assert_eq!(tls.ca.unwrap(), Path::new(FOLDER).join("ca.pem"));
}

#[test]
fn without_a_source_every_upstream_is_asked() {
    let text = "
schema: [{ rules: a.yaml }]
upstreams: { x: { endpoints: ['h:1'] }, y: { endpoints: ['h:2'] } }
";
    let reflection =
        |upstream: &str| super::Source::Reflection { upstream: upstream.into(), refresh: None };
    let file = parsed(text).file;
    assert_eq!(file.sources()[..2], [reflection("x"), reflection("y")]);
    assert_eq!(file.sources().len(), 3);
    assert_eq!(parsed(SERVES).file.sources().len(), 1);
}

#[test]
fn the_json_schema_in_the_repository_is_the_code_s() {
    let found = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
    check_golden(Path::new("examples/transom.schema.json"), &found);
}
