//! Network namespaces: addresses of the test's own, which it can take away.
//!
//! Root makes them as it is; anybody else in a user namespace, where the system allows that. They
//! end with the process that holds each, and that ends with the test.

use std::process::Stdio;

use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
};

use crate::support::within;

/// A namespace.
pub(super) struct Namespace {
    holder: Child,
    /// Whether it stands in a user namespace of its own.
    is_mapped: bool,
}

impl Namespace {
    /// A new one, if this user may have one.
    pub(super) async fn new() -> Option<Self> {
        for (is_mapped, flags) in [(false, "-n"), (true, "-rn")] {
            if let Some(holder) = hold(Command::new("unshare").arg(flags)).await {
                return Some(Self { holder, is_mapped });
            }
        }
        None
    }

    /// Another one beside it.
    pub(super) async fn beside(&self) -> Option<Self> {
        let [name, before @ ..] = &self.entrance()[..] else { return None };
        let holder = hold(Command::new(name).args(before).args(["unshare", "-n"])).await?;
        Some(Self { holder, is_mapped: self.is_mapped })
    }

    /// The command, and its arguments, that becomes another one in here.
    pub(super) fn entrance(&self) -> Vec<String> {
        let own = ["--preserve-credentials", "--user"];
        let own = own.iter().filter(|_| self.is_mapped).copied();
        let process = self.process();
        let words = ["nsenter"].into_iter().chain(own).chain(["--net", "--target", &process]);
        words.map(str::to_owned).collect()
    }

    /// The process that holds it.
    pub(super) fn process(&self) -> String {
        self.holder.id().expect("a holder that lives").to_string()
    }

    /// Runs `ip` with these arguments in here; whether it could.
    pub(super) async fn ip(&self, arguments: &str) -> bool {
        let entrance = self.entrance();
        let mut command = Command::new(&entrance[0]);
        command.args(&entrance[1..]).arg("ip").args(arguments.split(' '));
        matches!(within("ip", command.status()).await, Ok(status) if status.success())
    }
}

/// Starts a shell behind this command that says when it is there, and stays.
async fn hold(command: &mut Command) -> Option<Child> {
    let mut holder = command
        .args(["sh", "-c", "echo there; exec cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    let mut word = [0; 6];
    let reading = holder.stdout.as_mut()?.read_exact(&mut word);
    within("a namespace", reading).await.ok()?;
    Some(holder)
}
