//! Every example is started and called as its README says.

use std::{fs, net::SocketAddr, path::Path};

use transom::cli::demo::bookshelf;

use crate::{
    readme,
    support::{
        Gateway,
        document::{self, Block},
        http1, rig,
    },
};

/// The folder that has no configuration: `transom demo` serves it, and tests/browser/run opens it.
const BROWSER: &str = "browser";

/// The folders below `examples/`.
fn folders() -> Vec<String> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut folders: Vec<_> = fs::read_dir(examples)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    folders.sort();
    folders
}

const SERVE: &str = "transom serve --config transom.yaml\n";

/// An example's configuration with free ports, in a folder of its own, where `before` has been run.
async fn start_after(before: &[Block], example: &str) -> (Gateway, tempfile::TempDir) {
    let (upstream, folder) = copy(example).await;
    for block in before {
        document::run_shell_in(folder.path(), &block.text, upstream, None).await;
    }
    let gateway = Gateway::run(&["serve", "--config", "transom.yaml"], folder.path()).await;
    (gateway, folder)
}

async fn start(example: &str) -> (Gateway, tempfile::TempDir) {
    start_after(&[], example).await
}

/// A copy of an example, before a bookshelf.
async fn copy(example: &str) -> (SocketAddr, tempfile::TempDir) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (_bookshelf, upstream) = rig::start_bookshelf().await;
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(root.join("examples").join(example)).unwrap() {
        let entry = entry.unwrap();
        let copy = folder.path().join(entry.file_name());
        if entry.file_name() != "transom.yaml" {
            fs::copy(entry.path(), copy).unwrap();
            continue;
        }
        let text = fs::read_to_string(entry.path()).unwrap();
        for part in ["127.0.0.1:8080", "127.0.0.1:50051"] {
            assert!(text.contains(part), "{example} doesn't say `{part}`");
        }
        let text = text
            .replace("127.0.0.1:8080", "127.0.0.1:0")
            .replace("127.0.0.1:50051", &upstream.to_string())
            .replace("../..", root.to_str().unwrap());
        fs::write(copy, text).unwrap();
    }
    (upstream, folder)
}

#[tokio::test]
async fn every_example_starts_and_answers_as_its_readme_says() {
    for example in folders().into_iter().filter(|example| example != BROWSER) {
        let path = format!("examples/{example}/README.md");
        let blocks = document::blocks(&path);
        let serve = blocks.iter().position(|block| block.text == SERVE);
        let (before, after) = blocks.split_at(serve.unwrap_or_else(|| panic!("{path}")));
        let (gateway, folder) = start_after(before, &example).await;
        for block in &after[1..] {
            if block.kind == "js" {
                readme::check_websocket(block, gateway.address).await;
                continue;
            }
            for command in block.text.lines() {
                let (folder, address) = (folder.path(), gateway.address);
                let output = document::run_shell_in(folder, command, address, None).await;
                assert!(
                    output.contains("letters") || output.contains("hello"),
                    "{command}: {output}"
                );
            }
        }
    }
}

#[test]
fn every_example_stands_in_the_list() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = fs::read_to_string(root.join("examples/README.md")).unwrap();
    assert!(folders().len() >= 5);
    for example in folders() {
        assert!(list.contains(&format!("[{example}]({example})")), "{example} is not in the list");
    }
}

#[tokio::test]
async fn example_of_policies_sets_headers_and_limits_the_time() {
    let (gateway, _folder) = start("headers-and-timeouts").await;
    let response = http1::request(gateway.address, "GET", "/v1/books", &[], b"").await;
    assert_eq!(response.header("cache-control"), "no-store");
    let waited = http1::request(gateway.address, "GET", "/v1/wait/60s", &[], b"").await;
    waited.refusal(504, 4);
}

#[tokio::test]
async fn example_of_limits_refuses_the_sixth_call() {
    let (gateway, _folder) = start("limits").await;
    let get = || http1::request(gateway.address, "GET", "/v1/books", &[], b"");
    for left in ["4", "3", "2", "1", "0"] {
        let told = format!("\"per_address\";r={left};t=");
        assert!(get().await.header("ratelimit").starts_with(&told));
    }
    let refused = get().await;
    refused.refusal(429, 8);
    assert!((50..=60).contains(&refused.header("retry-after").parse::<u32>().unwrap()));
}

#[test]
fn descriptor_set_of_the_example_is_the_bookshelfs() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/descriptor-set/bookshelf.binpb");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, bookshelf::DESCRIPTOR_SET).unwrap();
    }
    let same = fs::read(&path).unwrap() == bookshelf::DESCRIPTOR_SET;
    assert!(same, "the .proto has changed; run the tests with UPDATE_GOLDEN=1");
}
