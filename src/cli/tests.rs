//! The command line from outside: what it prints, and its exit codes.

use std::{ffi::OsString, fs, net::TcpListener, path::PathBuf};

use tempfile::TempDir;

use super::{Arguments, DONE, FAILED, MISUSED, demo::bookshelf, run};
use crate::config::{File, Listen, Loaded};

struct Ran {
    code: u8,
    out: String,
    err: String,
}

/// Runs the program with these arguments, without colours.
fn transom(arguments: &[&str]) -> Ran {
    let arguments = ["transom"].iter().chain(arguments).map(OsString::from);
    let mut out = anstream::StripStream::new(Vec::new());
    let mut err = anstream::StripStream::new(Vec::new());
    let code = run(arguments, &mut out, &mut err);
    let text =
        |stream: anstream::StripStream<Vec<u8>>| String::from_utf8(stream.into_inner()).unwrap();
    Ran { code, out: text(out), err: text(err) }
}

/// The bookshelf's descriptor set in a folder that lives as long as the first value.
fn descriptor_set() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bookshelf.binpb");
    fs::write(&path, bookshelf::DESCRIPTOR_SET).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn help_and_version_are_done() {
    for (arguments, says) in [
        (&["--help"][..], "Examples:"),
        (&["serve", "--help"], "--descriptor-set"),
        (&["demo", "--help"], "--listen"),
        (&["check", "--help"], "64 problems found"),
        (&["routes", "--help"], "Examples:"),
        (&["config-schema", "--help"], "yaml-language-server"),
        (&["--version"], env!("CARGO_PKG_VERSION")),
    ] {
        let ran = transom(arguments);
        assert_eq!((ran.code, ran.err.as_str()), (DONE, ""), "{arguments:?}");
        assert!(ran.out.contains(says), "{arguments:?}: {}", ran.out);
    }
}

#[test]
fn bad_arguments_are_misuse() {
    for (arguments, says) in [
        (&[][..], "Usage"),
        (&["surve"], "surve"),
        (&["serve", "--lisen", "x"], "--lisen"),
        (&["serve", "--workers", "0"], "--workers"),
        (&["serve", "--config", "a.yaml", "--upstream", "b:1"], "--upstream"),
        (&["serve"], "nothing says what to serve"),
        (&["check", "--config", "/nowhere/transom.yaml"], "/nowhere/transom.yaml: the file can't"),
    ] {
        let ran = transom(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (MISUSED, ""), "{arguments:?}");
        assert!(ran.err.contains(says), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn problems_of_arguments_name_the_flag_and_come_at_once() {
    let ran = transom(&[
        "check",
        "--listen",
        "8080",
        "--upstream",
        "ftp://x",
        "--descriptor-set",
        "/nowhere",
        "--proto",
        "/nowhere",
        "--rules",
        "/nowhere",
    ]);
    assert_eq!(ran.code, MISUSED);
    let flags = ["--listen: ", "--upstream: ", "--descriptor-set: ", "--proto: ", "--rules: "];
    for flag in flags {
        assert!(ran.err.lines().any(|line| line.starts_with(flag)), "{flag} in {}", ran.err);
    }
    assert!(ran.err.ends_with("\n5 errors\n"), "{}", ran.err);
}

#[test]
fn a_check_says_what_is_sound_and_warns() {
    let (folder, _) = descriptor_set();
    let path = folder.path().join("transom.yaml");
    let text = "schema: [{ descriptor_set: bookshelf.binpb }]\n\
                upstreams: { a: { endpoints: ['h:1'] } }\n\
                admin: { address: 0.0.0.0:9901 }\n";
    fs::write(&path, text).unwrap();
    let ran = transom(&["check", "--config", path.to_str().unwrap()]);
    assert_eq!(ran.code, DONE);
    assert_eq!(ran.out, "sound: 1 service, 15 methods, 17 routes, 1 warning\n");
    assert!(ran.err.contains("transom.yaml:3: admin"), "{}", ran.err);
}

#[test]
fn routes_are_listed_with_their_methods() {
    let (_folder, set) = descriptor_set();
    let ran = transom(&["routes", "--descriptor-set", &set]);
    assert_eq!((ran.code, ran.err.as_str()), (DONE, ""));
    for line in [
        "GET     /v1/{name=shelves/*/books/*}         -> bookshelf.v1.Bookshelf.GetBook",
        "POST    /v1/{parent=shelves/*}/books         -> bookshelf.v1.Bookshelf.CreateBook (body: book)",
        "GET     /v1/{parent=shelves/*}/books:watch   -> bookshelf.v1.Bookshelf.WatchBooks (server stream)",
        "GET     /v1/books:array                      -> bookshelf.v1.Bookshelf.ListBooks (response body: books)",
        "no HTTP rule: bookshelf.v1.Bookshelf.Ping",
    ] {
        assert!(ran.out.lines().any(|found| found == line), "{line} in\n{}", ran.out);
    }
    let ran = transom(&["routes", "--descriptor-set", &set, "--auto-map"]);
    assert!(ran.out.contains("POST    /bookshelf.v1.Bookshelf/Ping"), "{}", ran.out);
    assert!(!ran.out.contains("no HTTP rule"), "{}", ran.out);
}

#[test]
fn an_upstream_that_can_not_be_asked_is_a_failure_but_no_misuse() {
    let vacant = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = transom(&["check", "--upstream", &vacant.to_string()]);
    assert_eq!(ran.code, FAILED);
    assert!(ran.err.starts_with("--upstream: asking "), "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_schema_by_reflection_has_the_same_routes() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let served = bookshelf::serve(bookshelf::Bookshelf::new(), listener, std::future::pending());
    tokio::spawn(served);
    let asked = tokio::task::spawn_blocking(move || transom(&["routes", "--upstream", &address]));
    let (_folder, set) = descriptor_set();
    let read = tokio::task::spawn_blocking(move || transom(&["routes", "--descriptor-set", &set]));
    let (asked, read) = (asked.await.unwrap(), read.await.unwrap());
    assert_eq!((asked.code, asked.err.as_str()), (DONE, ""));
    assert_eq!(asked.out, read.out);
}

#[test]
fn config_schema_prints_the_schema_in_the_repository() {
    let ran = transom(&["config-schema"]);
    assert_eq!(ran.code, DONE);
    let committed = fs::read_to_string("examples/transom.schema.json").unwrap();
    assert!(ran.out == committed, "run the tests with UPDATE_GOLDEN=1 and look at the difference");
}

/// What a file says and what arguments say, to be compared.
fn described(loaded: Loaded) -> String {
    assert_eq!(loaded.problems, []);
    format!("{:#?}", loaded.file)
}

#[test]
fn arguments_say_the_same_as_a_file() {
    let text = "
listen: [{ address: 127.0.0.1:1 }, { address: '[::1]:2' }]
schema:
  - descriptor_set: /a.binpb
  - descriptor_set: /b.binpb
  - protos: /c
  - rules: /d.yaml
upstreams:
  default: { endpoints: ['h:1', 'https://h:2'] }
  other: { endpoints: ['h:3'] }
services:
  '*': { auto_map: true }
workers: 3
access_log: true
";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("transom.yaml");
    fs::write(&path, text).unwrap();
    let arguments = Arguments {
        listen: vec!["127.0.0.1:1".into(), "[::1]:2".into()],
        upstream: vec!["h:1".into(), "other=h:3".into(), "https://h:2".into()],
        descriptor_set: vec!["/a.binpb".into(), "/b.binpb".into()],
        proto: vec!["/c".into()],
        rules: vec!["/d.yaml".into()],
        auto_map: true,
        workers: Some(3.try_into().unwrap()),
        access_log: true,
        config: None,
    };
    assert_eq!(described(arguments.load()), described(File::load(&path)));

    let with_file = Arguments {
        config: Some(PathBuf::from(&path)),
        listen: vec!["127.0.0.1:9".into()],
        ..Arguments::default()
    };
    let loaded = with_file.load();
    assert_eq!(loaded.file.listeners(), [Listen::at("127.0.0.1:9".parse().unwrap())]);
    assert_eq!(loaded.file.worker_count(), 3);
}
