//! Unix sockets: who may open them, and what happens to their files.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::Path,
};

use tokio::net::UnixStream;

use super::{BOOK, serve};
use crate::support::{Gateway, gateway::run_to_end, http1, rig};

/// A request over the socket at this path.
async fn check_served(path: &Path) {
    let stream = UnixStream::connect(path).await.unwrap();
    let mut connection = http1::Connection::over(stream, "localhost");
    connection.send_request("GET", BOOK, &[], b"").await;
    assert_eq!(connection.response().await.ok()["title"], "Letters on the Hall Floor");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn unix_socket_serves_for_its_owner_and_goes_with_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let (_bookshelf, mut gateway) = serve(&folder, "  - address: unix:a.sock\n").await;
    let path = folder.path().join("a.sock");
    assert_eq!(gateway.urls, [format!("unix:{}", path.display())]);
    check_served(&path).await;
    assert_eq!(mode(&path), 0o600);
    gateway.signal("TERM").await;
    assert!(gateway.wait().await.success());
    assert!(!path.exists());
}

#[tokio::test]
async fn unix_socket_has_the_mode_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let listen = "  - address: unix:a.sock\n    mode: \"666\"\n";
    let (_bookshelf, _gateway) = serve(&folder, listen).await;
    assert_eq!(mode(&folder.path().join("a.sock")), 0o666);
}

#[tokio::test]
async fn unix_socket_is_a_flag_too() {
    let folder = tempfile::tempdir().unwrap();
    let (_bookshelf, upstream) = rig::start_bookshelf().await;
    let set = rig::write_descriptor_set(&folder);
    let path = folder.path().join("flag.sock");
    let listen = format!("unix:{}", path.display());
    let upstream = upstream.to_string();
    let arguments =
        ["serve", "--listen", &listen, "--upstream", &upstream, "--descriptor-set", &set];
    let _gateway = Gateway::run(&arguments, folder.path()).await;
    check_served(&path).await;
}

#[tokio::test]
async fn unix_socket_of_a_dead_process_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let (_bookshelf, mut gateway) = serve(&folder, "  - address: unix:a.sock\n").await;
    check_served(&path).await;
    // As would a process that was killed.
    gateway.signal("KILL").await;
    gateway.wait().await;
    let (_bookshelf, _gateway) = serve(&folder, "  - address: unix:a.sock\n").await;
    check_served(&path).await;
}

#[tokio::test]
async fn unix_socket_or_file_of_somebody_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let set = rig::write_descriptor_set(&folder);
    let live = folder.path().join("live.sock");
    let _listener = UnixListener::bind(&live).unwrap();
    let file = folder.path().join("letter.txt");
    fs::write(&file, "dear").unwrap();
    for (path, says) in [(&live, "stop what listens there"), (&file, "a file that is no socket")] {
        let listen = format!("unix:{}", path.display());
        let upstream = ["--upstream", "127.0.0.1:9", "--descriptor-set", &set];
        let arguments = [&["serve", "--listen", &listen][..], &upstream].concat();
        let output = run_to_end(&arguments).await;
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{err}");
        assert!(err.contains(&format!("can't listen on {listen}")) && err.contains(says), "{err}");
        assert!(path.exists());
    }
    assert_eq!(fs::read_to_string(file).unwrap(), "dear");
}

#[tokio::test]
async fn unix_socket_that_was_taken_over_is_left_to_its_successor() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sock");
    let (_bookshelf, mut gateway) = serve(&folder, "  - address: unix:a.sock\n").await;
    fs::remove_file(&path).unwrap();
    let _successor = UnixListener::bind(&path).unwrap();
    gateway.signal("TERM").await;
    assert!(gateway.wait().await.success());
    assert!(path.exists());
}
