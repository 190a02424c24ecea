//! Clients of other languages through the gateway over TLS, which they know nothing of but its
//! address and whom to trust: health, the schema by reflection, and calls of all four kinds.
//!
//! They need what `tests/run` sets up: the packages of `tests/requirements.txt` in `tests/.venv`,
//! those of `tests/node/package.json` in `target/tools/node`, and in `target/tools/bin` grpcurl and
//! what `tests/go` is built to.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use tokio::process::Command;
use transom::cli::demo::bookshelf::Bookshelf;

use crate::support::{Gateway, authority::Authority, document, rig, within};

/// A gateway with TLS, and a bookshelf behind it that is asked for its schema.
struct Secured {
    gateway: Gateway,
    bookshelf: Bookshelf,
    folder: TempDir,
}

impl Secured {
    async fn start() -> Self {
        let (bookshelf, upstream) = rig::start_bookshelf().await;
        let folder = tempfile::tempdir().unwrap();
        Authority::new(folder.path(), "ca").write("a", &["localhost"]);
        let config = folder.path().join("transom.yaml");
        let text = format!(
            "listen:\n  - address: 127.0.0.1:0\n    tls:\n      certificates:\n        \
             - {{ certificate: a.pem, key: a.key }}\n\
             upstreams: {{ bookshelf: {{ endpoints: [\"http://{upstream}\"] }} }}\n"
        );
        fs::write(&config, text).unwrap();
        let gateway = Gateway::serve(&["--config", config.to_str().unwrap()]).await;
        Self { gateway, bookshelf, folder }
    }

    /// Where it listens, by the name that its certificate has.
    fn address(&self) -> String {
        format!("localhost:{}", self.gateway.address.port())
    }

    /// The certificate of whom to trust.
    fn roots(&self) -> String {
        self.folder.path().join("ca.pem").to_str().unwrap().to_owned()
    }

    /// Runs grpcurl; gives what it printed, whether it went well, and what it complained of.
    async fn grpcurl(&self, options: &[&str], target: &[&str]) -> (String, bool, String) {
        let (address, roots) = (self.address(), self.roots());
        let mut command = Command::new(tool("grpcurl"));
        command.args(["-max-time", "20", "-cacert", &roots]).args(options);
        run(command.arg(&address).args(target)).await
    }
}

/// A program that `tests/run` has built.
fn tool(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin").join(name)
}

async fn run(command: &mut Command) -> (String, bool, String) {
    let output = command.kill_on_drop(true).output();
    let output = within("the client's end", output).await.expect("tests/run sets it up");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), output.status.success(), text(output.stderr))
}

#[tokio::test]
#[ignore = "needs Python, which tests/run sets up"]
async fn client_in_python_finds_and_calls_everything_by_the_address_alone() {
    let secured = Secured::start().await;
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut command = Command::new(tests.join(".venv/bin/python"));
    command.arg(tests.join("python/client.py")).args([secured.address(), secured.roots()]);
    let (printed, well, complaint) = run(&mut command).await;
    assert!(well, "{printed}\n{complaint}");
    let held: Vec<&str> = printed.lines().collect();
    let want = [
        "health",
        "reflection",
        "unary",
        "server stream",
        "client stream",
        "bidi",
        "status with details",
        "late failure",
        "deadline",
        "cancelled",
    ];
    assert_eq!(held, want);
    // The deadline and the cancelled watch.
    within("the calls' end", secured.bookshelf.wait_for_cancelled(2)).await;
}

#[tokio::test]
#[ignore = "needs Node, which tests/run sets up"]
async fn client_in_node_calls_methods_of_every_kind() {
    let secured = Secured::start().await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("node");
    command.arg(root.join("tests/node/client.js"));
    command.args([secured.address(), secured.roots()]).arg(root.join("proto"));
    command.env("NODE_PATH", root.join("target/tools/node/node_modules"));
    let (printed, well, complaint) = run(&mut command).await;
    assert!(well, "{printed}\n{complaint}");
    let held: Vec<&str> = printed.lines().collect();
    let want =
        ["unary", "server stream", "client stream", "bidi", "status with details", "deadline"];
    assert_eq!(held, want);
    within("the call's end", secured.bookshelf.wait_for_cancelled(1)).await;
}

#[tokio::test]
#[ignore = "needs Go, which tests/run sets up"]
async fn client_in_go_calls_methods_of_every_kind_in_gzip() {
    let secured = Secured::start().await;
    let mut command = Command::new(tool("go-client"));
    let set = rig::write_descriptor_set(&secured.folder);
    let (printed, well, complaint) =
        run(command.args([secured.address(), secured.roots(), set])).await;
    assert!(well, "{printed}\n{complaint}");
    let held: Vec<&str> = printed.lines().collect();
    let want = [
        "unary",
        "metadata",
        "server stream",
        "client stream",
        "bidi",
        "status with details",
        "deadline",
        "cancelled",
    ];
    assert_eq!(held, want);
    // The deadline and the cancelled watch.
    within("the calls' end", secured.bookshelf.wait_for_cancelled(2)).await;
}

#[tokio::test]
#[ignore = "needs grpcurl, which tests/run sets up"]
async fn readme_grpcurl_answers_as_shown() {
    let blocks = document::blocks("README.md");
    let mut lines = blocks.iter().flat_map(|block| block.text.lines());
    let shown = lines.find(|line| line.starts_with("grpcurl ")).expect("a line of grpcurl");
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::run(&["demo", "--listen", "127.0.0.1:0"], folder.path()).await;
    let shown = shown.replacen("grpcurl", tool("grpcurl").to_str().unwrap(), 1);
    let shown = shown.replace("127.0.0.1:8080", &gateway.address.to_string());
    let (told, well, complaint) = run(Command::new("bash").args(["-c", &shown])).await;
    assert!(well, "{complaint}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&told).unwrap()["text"], "hello");
}

#[tokio::test]
#[ignore = "needs grpcurl, which tests/run sets up"]
async fn client_grpcurl_lists_describes_and_calls_by_the_address_alone() {
    let secured = Secured::start().await;
    let (listed, well, complaint) = secured.grpcurl(&[], &["list"]).await;
    assert!(well, "{complaint}");
    let services: Vec<&str> = listed.lines().collect();
    for service in ["bookshelf.v1.Bookshelf", "grpc.health.v1.Health"] {
        assert!(services.contains(&service), "{services:?}");
    }
    let service = "bookshelf.v1.Bookshelf";
    let (described, well, complaint) = secured.grpcurl(&[], &["describe", service]).await;
    assert!(well && described.contains("rpc ImportBooks ( stream "), "{described}{complaint}");

    let ask = r#"{"name":"shelves/science/books/tides"}"#;
    let method = "bookshelf.v1.Bookshelf/GetBook";
    let (book, well, complaint) = secured.grpcurl(&["-d", ask], &[method]).await;
    assert!(well && book.contains(r#""name": "shelves/science/books/tides""#), "{book}{complaint}");
    let ask = r#"{"parent":"shelves/fiction"}"#;
    let method = "bookshelf.v1.Bookshelf/WatchBooks";
    let (books, well, complaint) = secured.grpcurl(&["-d", ask], &[method]).await;
    assert!(well, "{complaint}");
    assert_eq!(books.matches(r#""name": "shelves/fiction/"#).count(), 2, "{books}");
    let ask = r#"{"parent":"shelves/url","book":{"title":"A"}}{"book":{"title":"B"}}"#;
    let method = "bookshelf.v1.Bookshelf/ImportBooks";
    let (imported, well, complaint) = secured.grpcurl(&["-d", ask], &[method]).await;
    assert!(well && imported.contains(r#""imported": 2"#), "{imported}{complaint}");
    let ask = r#"{"book":"shelves/science/books/tides","text":"a"}{"text":"b"}"#;
    let method = "bookshelf.v1.Bookshelf/Chat";
    let (heard, well, complaint) = secured.grpcurl(&["-d", ask], &[method]).await;
    assert!(well && heard.contains(r#""number": 2"#), "{heard}{complaint}");
    let ask = r#"{"code":5,"message":"gone","details":true}"#;
    let method = "bookshelf.v1.Bookshelf/Fail";
    let (_, well, complaint) = secured.grpcurl(&["-d", ask], &[method]).await;
    assert!(!well && complaint.contains("NotFound"), "{complaint}");
    assert!(complaint.contains("gone") && complaint.contains("AS_ASKED"), "{complaint}");
}
