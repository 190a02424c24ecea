//! A Redis of a test's own: on a port of its own, with a password, killed and started as the test likes.

mod server;

use std::{
    io::Write,
    net::SocketAddr,
    process::{Command, Stdio},
};

use tokio::net::TcpSocket;

use self::server::Server;

/// What everybody has to know who wants in.
pub(crate) const PASSWORD: &str = "hunter2";

/// A server that ends with its test.
pub(crate) struct Redis {
    pub(crate) address: SocketAddr,
    server: Server,
    /// Keeps the port from everybody else, also while the server is down.
    _port: TcpSocket,
}

impl Redis {
    /// Starts one.
    pub(crate) async fn start() -> Self {
        let port = TcpSocket::new_v4().unwrap();
        // So that the server, which does the same, can listen where this one only holds the place.
        port.set_reuseaddr(true).unwrap();
        port.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = port.local_addr().unwrap();
        let number = address.port().to_string();
        let arguments = ["--bind", "127.0.0.1", "--port", &number, "--requirepass", PASSWORD];
        Self { address, server: Server::start(&arguments).await, _port: port }
    }

    /// Starts it again after [`Self::kill`].
    pub(crate) async fn begin(&mut self) {
        self.server.begin().await;
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        self.server.kill();
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
