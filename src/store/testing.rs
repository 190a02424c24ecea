//! A Redis of a test's own, and how a store finds it.

use std::{process::Command, time::Duration};

use super::Settings;

#[path = "../../tests/support/redis/server.rs"]
mod server;

pub(crate) use server::Server;

impl Server {
    /// Stops it from doing anything, connections open, or lets it go on: `STOP`, `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let process = self.child.as_ref().expect("a server that runs").id().to_string();
        assert!(Command::new("kill").args(["-s", name, &process]).status().unwrap().success());
    }

    /// How it is reached, with time enough for a busy machine.
    pub(crate) fn settings(&self) -> Settings {
        let there = Settings::at(&format!("unix:{}", self.socket().display()));
        Settings { connect_timeout: Duration::from_secs(20), ..there }
    }
}
