//! The program's arguments, what it prints, and its exit codes.

use std::{fs, process::Output};

use serde_json::Value;

use crate::support::{
    Gateway, Rig,
    gateway::run_to_end,
    http1,
    rig::{self, configuration},
};

fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn complained(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test]
async fn help_names_every_command_and_exits_with_0() {
    let output = run_to_end(&["--help"]).await;
    assert_eq!(output.status.code(), Some(0));
    for command in ["demo", "serve", "check", "routes"] {
        assert!(printed(&output).contains(command), "{}", printed(&output));
    }
    for command in ["demo", "serve", "check", "routes"] {
        let output = run_to_end(&[command, "--help"]).await;
        assert_eq!(output.status.code(), Some(0), "{command}");
        assert!(printed(&output).len() > 100);
    }
    let output = run_to_end(&["--version"]).await;
    assert!(printed(&output).contains(env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn arguments_that_are_wrong_exit_with_64() {
    for arguments in [
        &["fly"][..],
        &["serve", "--no-such-flag"],
        &["serve"],
        &["serve", "--listen", "127.0.0.1:0"],
        &["serve", "--listen", "nowhere", "--upstream", "127.0.0.1:1"],
        &["serve", "--config", "/nonexistent.yaml"],
        &[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--upstream",
            "127.0.0.1:1",
            "--descriptor-set",
            "/no",
        ],
        &["check"],
        &["check", "--config", "/nonexistent.yaml"],
        &["routes", "--config", "/nonexistent.yaml"],
    ] {
        let output = run_to_end(arguments).await;
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {}", complained(&output));
        assert!(!complained(&output).is_empty(), "{arguments:?}");
    }
}

#[tokio::test]
async fn address_that_is_taken_exits_with_1_and_is_named() {
    let rig = Rig::start().await;
    let address = rig.gateway.address.to_string();
    let folder = tempfile::tempdir().unwrap();
    let set = rig::write_descriptor_set(&folder);
    let arguments =
        ["serve", "--listen", &address, "--upstream", "127.0.0.1:1", "--descriptor-set", &set];
    let output = run_to_end(&arguments).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(complained(&output).contains(&address), "{}", complained(&output));
}

#[tokio::test]
async fn descriptor_set_that_is_none_exits_with_64() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.binpb");
    fs::write(&path, b"\xff\xff\xff\xff no descriptors").unwrap();
    let path = path.to_str().unwrap();
    let arguments =
        ["serve", "--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1", "--descriptor-set", path];
    let output = run_to_end(&arguments).await;
    assert_eq!(output.status.code(), Some(64));
    assert!(complained(&output).contains("broken.binpb"), "{}", complained(&output));
}

/// A folder with a descriptor set and a configuration.
fn configured(text: impl FnOnce(&str) -> String) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let set = rig::write_descriptor_set(&folder);
    let config = folder.path().join("transom.yaml");
    fs::write(&config, text(&set)).unwrap();
    let config = config.to_str().unwrap().to_owned();
    (folder, config)
}

#[tokio::test]
async fn check_of_a_good_file_exits_with_0() {
    let upstream = "127.0.0.1:1".parse().unwrap();
    let (_folder, config) = configured(|set| configuration(set, upstream, "timeout: 5s"));
    let output = run_to_end(&["check", "--config", &config]).await;
    assert_eq!(output.status.code(), Some(0), "{}", complained(&output));
}

#[tokio::test]
async fn check_tells_every_problem_with_its_line() {
    let (_folder, config) = configured(|set| {
        format!(
            "listen:\n  - address: nowhere\nschema:\n  - descriptor_set: {set}\n\
             upstreams:\n  bookshelf:\n    endpoints: [http://127.0.0.1:1]\n    colour: red\n\
             services:\n  \"bookshelf.v1.*\":\n    upstream: other\n    timeout: soon\n\
             \x20   headers: {{ request: {{ remove: [host] }} }}\n"
        )
    });
    let output = run_to_end(&["check", "--config", &config]).await;
    assert_eq!(output.status.code(), Some(64));
    let said = complained(&output) + &printed(&output);
    for (line, part) in [(2, "nowhere"), (8, "colour"), (11, "other"), (12, "soon"), (13, "host")] {
        let place = format!("transom.yaml:{line}:");
        assert!(
            said.lines().any(|told| told.contains(&place) && told.contains(part)),
            "no `{place} … {part}` in:\n{said}"
        );
    }
}

#[tokio::test]
async fn check_of_broken_yaml_tells_the_line() {
    let (_folder, config) = configured(|_| "listen:\n  - address: [\nschema: {\n".into());
    let output = run_to_end(&["check", "--config", &config]).await;
    assert_eq!(output.status.code(), Some(64));
    assert!((complained(&output) + &printed(&output)).contains("transom.yaml:"));
}

#[tokio::test]
async fn routes_prints_every_route_and_its_method() {
    let upstream = "127.0.0.1:1".parse().unwrap();
    let (_folder, config) = configured(|set| configuration(set, upstream, "timeout: 5s"));
    let output = run_to_end(&["routes", "--config", &config]).await;
    assert_eq!(output.status.code(), Some(0), "{}", complained(&output));
    let said = printed(&output);
    for (method, template, rpc) in [
        ("GET", "/v1/{name=shelves/*/books/*}", "bookshelf.v1.Bookshelf.GetBook"),
        ("GET", "/v1/books", "bookshelf.v1.Bookshelf.ListBooks"),
        ("PATCH", "/v1/{book.name=shelves/*/books/*}", "bookshelf.v1.Bookshelf.UpdateBook"),
    ] {
        let found = said
            .lines()
            .any(|line| line.contains(method) && line.contains(template) && line.contains(rpc));
        assert!(found, "{method} {template} {rpc}:\n{said}");
    }
}

#[tokio::test]
async fn serve_without_a_schema_asks_the_upstream() {
    let (_bookshelf, upstream) = rig::start_bookshelf().await;
    let gateway = Gateway::serve(&["--upstream", &upstream.to_string()]).await;
    let response = http1::request(gateway.address, "GET", "/v1/books", &[], b"").await;
    assert_eq!(response.ok()["books"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn serve_compiles_proto_folders() {
    let (_bookshelf, upstream) = rig::start_bookshelf().await;
    let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
    let gateway = Gateway::serve(&["--upstream", &upstream.to_string(), "--proto", proto]).await;
    http1::request(gateway.address, "GET", "/v1/books", &[], b"").await.ok();
}

#[tokio::test]
async fn serve_says_at_start_what_it_serves() {
    let rig = Rig::start().await;
    let log = rig.gateway.log();
    assert!(log.contains(&format!("listening on http://{}", rig.gateway.address)), "{log}");
}

#[tokio::test]
async fn serve_on_one_worker_answers() {
    let (_bookshelf, upstream) = rig::start_bookshelf().await;
    let gateway = Gateway::serve(&["--upstream", &upstream.to_string(), "--workers", "1"]).await;
    http1::request(gateway.address, "GET", "/v1/books", &[], b"").await.ok();
}

#[tokio::test]
async fn access_log_is_a_line_of_json_a_request() {
    let (_bookshelf, upstream) = rig::start_bookshelf().await;
    let mut gateway = Gateway::serve(&["--upstream", &upstream.to_string(), "--access-log"]).await;
    let headers = [("x-request-id", "r-1")];
    let path = "/v1/shelves/science/books/tides";
    http1::request(gateway.address, "GET", path, &headers, b"").await.ok();
    http1::request(gateway.address, "GET", "/nowhere?token=secret", &[], b"").await;
    gateway.signal("TERM").await;
    gateway.wait().await;
    let text = gateway.printed_to_the_end().await;
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    let found = &lines[0];
    assert_eq!(found["rpc"], "bookshelf.v1.Bookshelf.GetBook");
    assert_eq!(found["route"], "/v1/{name=shelves/*/books/*}");
    assert_eq!((&found["http_method"], &found["path"]), (&"GET".into(), &path.into()));
    assert_eq!((&found["http_status"], &found["grpc_status"]), (&200.into(), &"OK".into()));
    assert_eq!((&found["protocol"], &found["request_id"]), (&"rest".into(), &"r-1".into()));
    assert_eq!(found["upstream_endpoint"], upstream.to_string());
    assert!(found["total_ms"].as_f64().unwrap() > 0.0 && found["upstream_ms"].is_number());
    assert!(found["response_bytes"].as_u64().unwrap() > 50);
    let lost = &lines[1];
    assert_eq!((&lost["http_status"], &lost["path"]), (&404.into(), &"/nowhere".into()));
    assert!(!text.contains("secret"));
}

#[tokio::test]
async fn demo_prints_commands_that_work() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::run(&["demo", "--listen", "127.0.0.1:0"], folder.path()).await;
    let response = http1::request(gateway.address, "GET", "/v1/books", &[], b"").await;
    assert!(!response.ok()["books"].as_array().unwrap().is_empty());
    let said = gateway.log() + &gateway.printed();
    let joined = said.replace("\\\n", " ");
    let commands: Vec<_> =
        joined.lines().map(str::trim).filter(|line| line.starts_with("curl ")).collect();
    assert!(commands.len() >= 5, "{said}");
    for command in commands {
        let status = curl_status(command).await;
        let asked_to_fail = command.contains("/v1/fail/");
        assert_eq!(asked_to_fail, status >= 400, "{command}: {status}");
        assert!(!matches!(status, 404 | 405 | 415 | 500..), "{command}: {status}");
    }
}

/// Runs a curl command; gives the HTTP status. A stream that goes on is left after two seconds.
async fn curl_status(command: &str) -> u16 {
    let options =
        "--silent --show-error --max-time 2 --output /dev/null --write-out '%{http_code}'";
    let command = command.replacen("curl", &format!("curl {options}"), 1);
    let output = tokio::process::Command::new("bash").args(["-c", &command]).output();
    let output = output.await.unwrap();
    // 28 is curl's code for the end of its time.
    assert!(matches!(output.status.code(), Some(0 | 28)), "{command}: {output:?}");
    String::from_utf8(output.stdout).unwrap().parse().unwrap()
}
