//! The README is run: its commands come up or answer as shown, and no setting is left out.

use std::{fs, net::SocketAddr, path::Path};

use serde_json::Value;
use transom::cli::demo::bookshelf;

use crate::{
    support::{
        Gateway,
        document::{self, Block},
        gateway::run_to_end_in,
        rig,
    },
    websocket::client::Session,
};

const README: &str = "README.md";

/// How the first command begins, which `tests/run` runs as it stands; the rest of the README is run
/// with the program under test.
const BUILD: &str = "cargo run --release -- ";

#[tokio::test]
async fn readme_demo_answers_every_curl_as_shown() {
    let blocks = document::blocks(README);
    let demo = blocks[0].text.strip_prefix(BUILD).expect("the demo comes first").trim();
    assert_eq!(demo, "demo", "without arguments, so that it can be typed");
    assert_eq!(blocks[1].text.trim(), "tests/run", "the second command runs the tests");
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::run(&["demo", "--listen", "127.0.0.1:0"], folder.path()).await;
    let mut run = 0;
    for (block, next) in blocks.iter().zip(blocks[1..].iter().map(Some).chain([None])) {
        for command in block.text.lines().filter(|line| line.starts_with("curl ")) {
            let output = document::run_shell(command, gateway.address, None).await;
            check_answer(block, next, &output);
            run += 1;
        }
    }
    assert!(run >= 3, "only {run} curl commands were found");
}

#[tokio::test]
async fn readme_websocket_answers_as_shown() {
    let blocks = document::blocks(README);
    let block = blocks.iter().find(|block| block.kind == "js").expect("lines of JavaScript");
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::run(&["demo", "--listen", "127.0.0.1:0"], folder.path()).await;
    check_websocket(block, gateway.address).await;
}

/// Says to a gateway what lines of JavaScript say, and hears what their comment shows.
pub(crate) async fn check_websocket(block: &Block, gateway: SocketAddr) {
    let between = |begin: &str, end: &str| {
        let rest = block.text.split_once(begin).unwrap_or_else(|| panic!("no `{begin}`")).1;
        rest.split_once(end).unwrap().0.to_owned()
    };
    let path = between("new WebSocket(\"ws://127.0.0.1:8080", "\"");
    let mut session = Session::open(gateway, &path).await;
    session.send(between(".send('", "')")).await;
    let shown: Value = serde_json::from_str(&between("// ", "\n")).unwrap();
    assert_eq!(session.json().await, shown);
}

/// The answer is the block that follows, if that is JSON, and something in any case.
fn check_answer(block: &Block, next: Option<&Block>, output: &str) {
    let place = format!("{README}:{}", block.line);
    assert!(!output.is_empty(), "{place} gave no answer");
    let Some(shown) = next.filter(|next| ["json", "text"].contains(&&*next.kind)) else { return };
    if shown.kind != "json" {
        assert_eq!(output.trim_end(), shown.text.trim_end(), "{place} shows another answer");
        return;
    }
    let value = |text: &str| -> Value {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{place}: {error}: {text}"))
    };
    assert_eq!(value(output), value(&shown.text), "{place} shows another answer");
}

/// A folder with what the README's commands name.
fn folder(configuration: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    fs::write(folder.path().join("api.binpb"), bookshelf::DESCRIPTOR_SET).unwrap();
    fs::write(folder.path().join("transom.yaml"), configuration).unwrap();
    std::os::unix::fs::symlink(proto, folder.path().join("proto")).unwrap();
    folder
}

#[tokio::test]
async fn readme_commands_of_the_program_run_as_shown() {
    let blocks = document::blocks(README);
    let (_bookshelf, upstream) = rig::start_bookshelf().await;
    let ported = |text: &str| {
        text.replace("127.0.0.1:8080", "127.0.0.1:0")
            .replace("127.0.0.1:50051", &upstream.to_string())
    };
    let configuration = blocks.iter().find(|block| block.kind == "yaml").unwrap();
    let folder = folder(&ported(&configuration.text));
    let mut run = 0;
    for block in blocks.iter().filter(|block| block.kind == "sh") {
        for command in block.text.lines().filter_map(|line| line.strip_prefix("transom ")) {
            let command = ported(command);
            let arguments: Vec<&str> = command.split(' ').collect();
            if arguments[0] == "serve" {
                let gateway = Gateway::run(&arguments, folder.path()).await;
                let url = "curl http://127.0.0.1:8080/v1/books";
                let output = document::run_shell(url, gateway.address, None).await;
                assert!(output.contains("letters"), "{command}: {output}");
            } else {
                let output = run_to_end_in(folder.path(), &arguments).await;
                assert!(output.status.success(), "{command}: {output:?}");
            }
            run += 1;
        }
    }
    assert!(run >= 6, "only {run} commands were found");
}

#[tokio::test]
async fn readme_policies_are_sound() {
    let blocks = document::blocks(README);
    let mut yaml = blocks.iter().filter(|block| block.kind == "yaml");
    let whole = &yaml.next().unwrap().text;
    let (rest, services) = whole.split_once("services:").unwrap();
    let (start, _) = rest.split_once("upstreams:").unwrap();
    for block in yaml {
        // Policies and upstreams take the place of the file's, other keys stand behind it.
        let configuration = match block.text.split(':').next() {
            Some("services") => format!("{rest}{}", block.text),
            Some("upstreams") if block.text.contains("\nservices:") => {
                format!("{start}{}", block.text)
            }
            Some("upstreams") => format!("{start}{}services:{services}", block.text),
            _ => format!("{whole}{}", block.text),
        };
        let folder = folder(&configuration);
        let arguments = ["check", "--config", "transom.yaml"];
        let output = run_to_end_in(folder.path(), &arguments).await;
        assert!(output.status.success(), "{README}:{}: {output:?}", block.line);
    }
}

#[test]
fn readme_shows_no_command_that_is_not_run() {
    for block in document::blocks(README).iter().filter(|block| block.kind == "sh") {
        let known = block.text.lines().all(|line| {
            // The benchmark is run by `tests/run`, briefly, and grpcurl by `clients`.
            ["curl ", "grpcurl ", "transom ", "tests/run", "benches/side-by-side/run", BUILD]
                .iter()
                .any(|start| line.starts_with(start))
        });
        assert!(known, "{README}:{}: nobody runs\n{}", block.line, block.text);
    }
}

/// The names of all settings in a JSON Schema, but for those that stand below a name of the user's.
fn settings(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(properties) = map.get("properties").and_then(Value::as_object) {
                found.extend(properties.keys().cloned());
            }
            map.values().for_each(|value| settings(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| settings(value, found)),
        _ => {}
    }
}

#[test]
fn readme_names_every_setting() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(README)).unwrap();
    let reference = readme.split("## Configuration").nth(1).unwrap();
    let reference = reference.split("## What works").next().unwrap();
    let mut names = Vec::new();
    settings(&transom::config::json_schema(), &mut names);
    assert!(names.len() > 20, "{names:?}");
    let words: Vec<&str> =
        reference.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    for name in &names {
        assert!(words.contains(&name.as_str()), "the reference doesn't name `{name}`");
    }
    for row in reference.lines().filter_map(|line| line.strip_prefix("| `")) {
        let cell = row.split(" | ").next().unwrap();
        for key in cell.split([',', '`', ' ', '.', '[', ']']).filter(|key| !key.is_empty()) {
            assert!(names.iter().any(|name| name == key), "there is no setting `{key}`");
        }
    }
}
