//! Secrets are printed nowhere: not by `check`, not in the log, not in errors, not on the operator's
//! page of the configuration.
//!
//! The settings that hold one are found in the configuration's JSON Schema, so that a new one has to
//! be named here.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};

use crate::support::{Gateway, gateway::run_to_end, http1, rig};

/// What must be seen nowhere.
const MARKER: &str = "hunter2-of-the-marker-0123456789abcdef";

/// Words in the names of settings that hold secrets.
const WORDS: [&str; 5] = ["secret", "password", "passwd", "credential", "authorization"];

/// Settings whose names have such a word, as definition and property, and what they are.
const KNOWN: [(&str, &str); 5] = [
    ("Auth", "keep_credentials: a switch"),
    ("AuthIntrospection", "client_secret"),
    ("AuthIssuer", "secret"),
    ("Cors", "credentials: a switch"),
    ("Store", "password"),
];

/// Every property of every definition whose name says that it is secret.
fn secret_settings(schema: &Value) -> BTreeSet<(String, String)> {
    let definitions = schema["$defs"].as_object().unwrap();
    let mut found = BTreeSet::new();
    for (definition, schema) in definitions {
        for property in schema["properties"].as_object().into_iter().flatten() {
            if WORDS.iter().any(|word| property.0.contains(word)) {
                found.insert((definition.clone(), property.0.clone()));
            }
        }
    }
    found
}

#[test]
fn secrets_every_setting_that_holds_one_is_known_here() {
    let schema = fs::read_to_string("examples/transom.schema.json").unwrap();
    let found = secret_settings(&serde_json::from_str(&schema).unwrap());
    let name = |known: &str| known.split(':').next().unwrap().to_owned();
    let known = KNOWN.map(|(definition, property)| (definition.to_owned(), name(property)));
    assert_eq!(found, known.into(), "a new one needs a line here and in `policy`");
}

/// A policy with the marker in every secret.
fn policy() -> Value {
    json!({
        "auth": { "any_of": [
            { "jwt": { "issuers": [
                { "issuer": "https://id.example", "audiences": ["a"], "secret": MARKER },
            ] } },
            { "introspection": {
                "url": "http://127.0.0.1:9/introspect", "allow_http": true,
                "client_id": "gateway", "client_secret": MARKER,
            } },
            { "api_key": { "redis": { "url": "redis://127.0.0.1:9/0", "password": MARKER } } },
        ] },
        "headers": { "request": { "set": { "authorization": format!("Bearer {MARKER}") } } },
    })
}

/// A configuration with this policy beside the plain one.
fn configuration(policy: &Value, set: &str, upstream: std::net::SocketAddr) -> String {
    let text = rig::configuration(set, upstream, "");
    let process = "admin: { address: 127.0.0.1:0 }\naccess_log: true\nlog: trace\n";
    format!("{text}  \"bookshelf.v1.Bookshelf\": {policy}\n{process}")
}

#[tokio::test]
async fn secrets_are_seen_neither_in_the_log_nor_by_the_operator_nor_by_callers() {
    let (_bookshelf, upstream) = rig::start_bookshelf().await;
    let folder = tempfile::tempdir().unwrap();
    let set = rig::write_descriptor_set(&folder);
    let config = folder.path().join("transom.yaml");
    fs::write(&config, configuration(&policy(), &set, upstream)).unwrap();
    let mut gateway = Gateway::serve(&["--config", config.to_str().unwrap()]).await;
    let path = "/v1/shelves/fiction/books/letters";
    let own = "Bearer hunter2-of-the-marker-0123456789abcdef";
    for headers in [vec![], vec![("authorization", "Bearer a.b.c")], vec![("authorization", own)]] {
        let response = http1::request(gateway.address, "GET", path, &headers, b"").await;
        assert!(!response.text().contains(MARKER), "{response:?}");
        assert!(!format!("{:?}", response.headers).contains(MARKER), "{response:?}");
    }
    let admin = gateway.admin().expect("an operator's port");
    for page in ["/config", "/clusters", "/routes", "/metrics", "/"] {
        let response = http1::request(admin, "GET", page, &[], b"").await;
        assert!(!response.text().contains(MARKER), "{page}: {}", response.text());
        if page == "/config" {
            assert!(response.text().contains("***"), "{}", response.text());
        }
    }
    gateway.signal("TERM").await;
    gateway.wait().await;
    let all = gateway.printed_to_the_end().await + &gateway.log();
    assert!(!all.contains(MARKER), "{all}");
}

/// The places of all strings that have the marker.
fn marked(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                marked(
                    value,
                    &format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")),
                    found,
                );
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                marked(value, &format!("{path}/{index}"), found);
            }
        }
        Value::String(text) if text.contains(MARKER) => found.push(path.to_owned()),
        _ => {}
    }
}

#[tokio::test]
async fn secrets_are_not_told_by_what_is_wrong_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    let set = rig::write_descriptor_set(&folder);
    let config = folder.path().join("transom.yaml");
    let mut places = Vec::new();
    marked(&policy(), "", &mut places);
    assert_eq!(places.len(), 4, "one of each in `policy`");
    let wrong: [(&str, fn(&mut Value)); 3] = [
        ("a list in its place", |value| *value = json!([MARKER])),
        ("a mapping in its place", |value| *value = json!({ MARKER: MARKER })),
        ("characters that don't fit", |value| *value = json!(format!("{MARKER}\u{7}"))),
    ];
    for place in &places {
        for (what, change) in wrong {
            let mut policy = policy();
            change(policy.pointer_mut(place).unwrap());
            // And something else that is wrong nearby.
            let around = place.rsplit_once('/').unwrap().0;
            policy.pointer_mut(around).unwrap()["no such setting"] = json!(1);
            let address = "127.0.0.1:1".parse().unwrap();
            fs::write(&config, configuration(&policy, &set, address)).unwrap();
            let output = run_to_end(&["check", "--config", config.to_str().unwrap()]).await;
            let told = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(64), "{place}: {what}: {told}");
            assert!(!told.contains(MARKER), "{place}: {what}: {told}");
        }
    }
}

#[test]
fn secrets_are_not_printed_for_debugging() {
    use transom::stage::auth::Settings;
    let settings: Settings = serde_json::from_value(policy()["auth"].clone()).unwrap();
    let shown = format!("{settings:?}");
    assert!(shown.contains("***") && !shown.contains(MARKER), "{shown}");
}
