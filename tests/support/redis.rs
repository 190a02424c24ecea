//! A Redis of a test's own: on a port of its own, with a password, killed and started as the test likes.

use std::{
    io::Write,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};

/// What everybody has to know who wants in.
pub(crate) const PASSWORD: &str = "hunter2";

/// A server that ends with its test.
pub(crate) struct Redis {
    pub(crate) address: SocketAddr,
    folder: TempDir,
    child: Option<Child>,
}

impl Redis {
    /// Starts one.
    pub(crate) async fn start() -> Self {
        // Free a moment ago; should somebody else take it, the next one is tried.
        for _ in 0..10 {
            let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
            let folder = tempfile::tempdir().unwrap();
            let mut redis = Self { address: free, folder, child: None };
            if redis.begin().await {
                return redis;
            }
        }
        panic!("redis-server finds no port");
    }

    /// Starts it again after [`Self::kill`]; says whether it runs.
    pub(crate) async fn begin(&mut self) -> bool {
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &self.address.port().to_string()])
            .args(["--save", "", "--appendonly", "no", "--requirepass", PASSWORD])
            .current_dir(self.folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server; Debian's package of that name has it");
        let child = self.child.insert(child);
        for _ in 0..1000 {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            if TcpStream::connect(self.address).await.is_ok() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// What redis-cli makes of some lines.
    pub(crate) fn command(&self, lines: &str) -> String {
        let port = self.address.port().to_string();
        let mut child = Command::new("redis-cli")
            .args(["-p", &port, "-a", PASSWORD, "--no-auth-warning"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-cli; Debian's package redis-tools has it");
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    }

    /// How a policy names it, with its password beside.
    pub(crate) fn settings(&self, more: &str) -> String {
        format!("{{ url: \"redis://{}\", password: {PASSWORD}{more} }}", self.address)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
