//! A Redis of a test's own, on a socket in a folder of its own.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::Settings;

/// A server that ends with its test.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// Starts one, with more arguments such as `--requirepass`.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
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
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server; Debian's package of that name has it");
        self.child = Some(child);
        for _ in 0..1000 {
            if tokio::net::UnixStream::connect(self.socket()).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("redis-server does not listen");
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("a server that runs");
        child.kill().unwrap();
        child.wait().unwrap();
        // The next one makes it anew; until then nobody is to wait on it.
        let _ = std::fs::remove_file(self.socket());
    }

    /// Stops it from doing anything, connections open, or lets it go on: `STOP`, `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let process = self.child.as_ref().expect("a server that runs").id().to_string();
        assert!(Command::new("kill").args(["-s", name, &process]).status().unwrap().success());
    }

    /// How it is reached.
    pub(crate) fn settings(&self) -> Settings {
        Settings::at(&format!("unix:{}", self.socket().display()))
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
