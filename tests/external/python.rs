//! The same protocol as others compile and serve it: grpcio in Python.
//!
//! It needs the packages of `tests/requirements.txt` in `tests/.venv`, which `tests/run` sets up.

use std::{path::Path, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::BOOK;
use crate::support::{Rig, within};

/// Starts the server; gives its line among the upstreams.
async fn start() -> (Child, String) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut server = Command::new(tests.join(".venv/bin/python"))
        .arg(tests.join("python/authz.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("tests/run sets up tests/.venv");
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let port = within("the server's port", lines.next_line()).await.unwrap().expect("a port");
    (server, format!("authz: {{ endpoints: [\"http://127.0.0.1:{port}\"] }}"))
}

#[tokio::test]
#[ignore = "needs tests/.venv: tests/run sets it up and runs this"]
async fn external_service_in_python_decides_and_dies() {
    let (mut server, upstream) = start().await;
    let policy = "ext_authz: { grpc: { upstream: authz }, timeout: 20s, \
                  headers_to_backend: [x-echo-user] }";
    let rig = Rig::with_upstreams(&[upstream], policy).await;
    let bearer = [("authorization", "Bearer ada"), ("x-echo-user", "root")];
    let response = rig.request("GET", BOOK, &bearer, b"").await;
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("x-echo-user"), "ada");
    let denied = rig.get(BOOK).await;
    assert_eq!(denied.refusal(401, 16), "no token for GET /v1/shelves/fiction/books/letters");
    assert_eq!(denied.header("www-authenticate"), "Bearer");
    server.kill().await.unwrap();
    rig.request("GET", BOOK, &bearer, b"").await.refusal(503, 14);
    assert_eq!(rig.bookshelf.begun(), 1);
}
