//! The program as users run it: a child process that says where it listens and ends with its test.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    net::SocketAddr,
    os::fd::OwnedFd,
    path::Path,
    process::{ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use tokio::{
    process::{Child, Command},
    sync::mpsc,
};

use super::within;

/// What the program writes before each address that it listens on.
const LISTENING: &str = "listening on ";

/// What it writes behind all of them.
const SERVING: &str = "serving ";

/// A running gateway.
pub(crate) struct Gateway {
    /// Where it listens first; port 0 of nowhere if that is no port.
    pub(crate) address: SocketAddr,
    /// Everything that it listens on, as it says: `http://127.0.0.1:8080`, `unix:/run/a.sock`.
    pub(crate) urls: Vec<String>,
    child: Child,
    log: Arc<Mutex<String>>,
    printed: Arc<Mutex<String>>,
    /// Ends with the standard output.
    reading: Option<thread::JoinHandle<()>>,
}

impl Gateway {
    /// `transom serve` on a free port; a configuration file brings its own listener.
    pub(crate) async fn serve(arguments: &[&str]) -> Self {
        let mut all = vec!["serve"];
        if !arguments.contains(&"--config") {
            all.extend(["--listen", "127.0.0.1:0"]);
        }
        all.extend(arguments);
        Self::run(&all, Path::new(env!("CARGO_MANIFEST_DIR"))).await
    }

    /// Any command that listens, in a folder.
    pub(crate) async fn run(arguments: &[&str], folder: &Path) -> Self {
        Self::run_behind(&[], arguments, folder).await
    }

    /// The same, started by another program that becomes it: its name and arguments.
    pub(crate) async fn run_behind(starter: &[String], arguments: &[&str], folder: &Path) -> Self {
        let mut child = command_behind(starter, arguments)
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, mut serving) = mpsc::unbounded_channel();
        let (log, _) = gather(child.stderr.take().unwrap().into_owned_fd().unwrap(), Some(sender));
        let (printed, reading) =
            gather(child.stdout.take().unwrap().into_owned_fd().unwrap(), None);
        if within("the gateway's start", serving.recv()).await.is_none() {
            let log = log.lock().unwrap();
            panic!("`transom {}` did not say `{SERVING}…`:\n{log}", arguments.join(" "));
        }
        let urls: Vec<String> = {
            let log = log.lock().unwrap();
            let urls = log.lines().filter_map(|line| line.strip_prefix(LISTENING));
            urls.map(str::to_owned).collect()
        };
        let address = address_of(&urls[0]).unwrap_or(([0; 4], 0).into());
        Self { address, urls, child, log, printed, reading: Some(reading) }
    }

    /// Where one of its listeners listens.
    pub(crate) fn listener(&self, index: usize) -> SocketAddr {
        address_of(&self.urls[index]).unwrap()
    }

    /// Where its operator's port is, if it has one.
    pub(crate) fn admin(&self) -> Option<SocketAddr> {
        let log = self.log();
        address_of(log.lines().find_map(|line| line.strip_prefix("operator's port on "))?)
    }

    /// What it wrote to standard error so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// What it wrote to standard output so far.
    pub(crate) fn printed(&self) -> String {
        self.printed.lock().unwrap().clone()
    }

    /// All that it wrote to standard output, once it has ended.
    pub(crate) async fn printed_to_the_end(&mut self) -> String {
        let reading = self.reading.take().expect("asked once");
        within("the end of its output", tokio::task::spawn_blocking(|| reading.join()))
            .await
            .unwrap()
            .unwrap();
        self.printed()
    }

    /// Sends it a signal by name, `TERM` for example.
    pub(crate) async fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.process()]).status();
        assert!(status.await.unwrap().success());
    }

    /// Waits for its end.
    pub(crate) async fn wait(&mut self) -> ExitStatus {
        within("the gateway's end", self.child.wait()).await.unwrap()
    }

    fn process(&self) -> String {
        self.child.id().expect("a gateway that has not ended").to_string()
    }

    /// The memory that it holds, in bytes (the resident set of /proc).
    pub(crate) fn memory(&self) -> usize {
        let path = format!("/proc/{}/status", self.process());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
    }
}

/// The address in a URL.
fn address_of(url: &str) -> Option<SocketAddr> {
    url.split_once("://")?.1.parse().ok()
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- the gateway's log:\n{}", self.log());
        }
    }
}

/// Runs a command to its end.
pub(crate) async fn run_to_end(arguments: &[&str]) -> Output {
    run_to_end_in(Path::new(env!("CARGO_MANIFEST_DIR")), arguments).await
}

/// Runs a command to its end, in a folder.
pub(crate) async fn run_to_end_in(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = command(arguments);
    within("the program's end", command.current_dir(folder).output()).await.unwrap()
}

fn command(arguments: &[&str]) -> Command {
    command_behind(&[], arguments)
}

fn command_behind(starter: &[String], arguments: &[&str]) -> Command {
    const PROGRAM: &str = env!("CARGO_BIN_EXE_transom");
    let mut command = match starter {
        [] => Command::new(PROGRAM),
        [name, before @ ..] => {
            let mut command = Command::new(name);
            command.args(before).arg(PROGRAM);
            command
        }
    };
    command.args(arguments).stdin(Stdio::null()).env("RUST_BACKTRACE", "0").kill_on_drop(true);
    command
}

/// Reads an output on a thread of its own, so that the child never waits for the test; says when
/// it serves.
fn gather(
    output: OwnedFd,
    serving: Option<mpsc::UnboundedSender<()>>,
) -> (Arc<Mutex<String>>, thread::JoinHandle<()>) {
    let text = Arc::new(Mutex::new(String::new()));
    let shared = text.clone();
    let reading = thread::spawn(move || {
        for line in BufReader::new(File::from(output)).lines().map_while(Result::ok) {
            let mut shared = shared.lock().unwrap();
            shared.push_str(&line);
            shared.push('\n');
            if let Some(serving) = serving.as_ref().filter(|_| line.starts_with(SERVING)) {
                // Nobody waits for it twice.
                let _ = serving.send(());
            }
        }
    });
    (text, reading)
}
