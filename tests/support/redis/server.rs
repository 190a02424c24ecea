//! A redis-server that ends with whom it was started for, on a socket in a folder of its own.
//!
//! The unit tests and the benchmark of shared limits take this file in by its path: there is one way
//! to start a server and to know that it serves.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::ChildStdout,
    time::timeout,
};

/// The longest that a start may take; far above what it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a line says, in small letters, that is written when connections are accepted.
const READY: &str = "ready to accept connections";

/// A server of nothing but memory.
pub(crate) struct Server {
    folder: TempDir,
    arguments: Vec<String>,
    /// None while it is killed.
    pub(super) child: Option<Child>,
}

impl Server {
    /// Starts one, with more arguments such as `--requirepass`.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut server = Self { folder, arguments, child: None };
        server.begin().await;
        server
    }

    /// Starts it again after [`Self::kill`]; it has forgotten everything.
    pub(crate) async fn begin(&mut self) {
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(self.socket())
            .args(&self.arguments)
            .current_dir(self.folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-server; Debian's package of that name has it");
        let log = self.child.insert(child).stdout.take().expect("a pipe");
        let ready = ready(ChildStdout::from_std(log).expect("a pipe"));
        match timeout(PATIENCE, ready).await {
            Ok(Ok(())) => {}
            Ok(Err(told)) => panic!("redis-server has ended early:\n{told}"),
            Err(_) => panic!("redis-server does not listen after {PATIENCE:?}"),
        }
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It fails for one that has ended by itself, which is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
        // The next one makes it anew; until then nobody is to wait on it.
        let _ = std::fs::remove_file(self.socket());
    }

    /// Where it listens, besides what its arguments say.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits for the line that says so; the server has ended if the log does before, and its log tells why.
///
/// Nobody reads on from there: the server doesn't mind, and writes hardly more.
async fn ready(log: ChildStdout) -> Result<(), String> {
    let mut lines = BufReader::new(log).lines();
    let mut told = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.to_lowercase().contains(READY) {
            return Ok(());
        }
        told += &line;
        told.push('\n');
    }
    Err(told)
}
