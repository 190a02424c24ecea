//! A bookshelf with the gateway in front of it.

use std::{fs, net::SocketAddr, path::Path};

use tempfile::TempDir;
use tokio::net::TcpListener;
use transom::cli::demo::bookshelf::{self, Bookshelf};

use super::{Gateway, Response, grpc, http1, http2};

/// The backend, the gateway, and a folder for their files. The test's end ends all of it.
pub(crate) struct Rig {
    pub(crate) gateway: Gateway,
    pub(crate) bookshelf: Bookshelf,
    _folder: TempDir,
}

impl Rig {
    /// The gateway without any configuration but its flags.
    pub(crate) async fn start() -> Self {
        let (bookshelf, upstream) = start_bookshelf().await;
        let folder = tempfile::tempdir().unwrap();
        let set = write_descriptor_set(&folder);
        let upstream = upstream.to_string();
        let gateway = Gateway::serve(&["--upstream", &upstream, "--descriptor-set", &set]).await;
        Self { gateway, bookshelf, _folder: folder }
    }

    /// The gateway with a policy for `bookshelf.v1.*`, written in YAML's flow form:
    /// `timeout: 1s, emit_defaults: all`.
    pub(crate) async fn with_policy(policy: &str) -> Self {
        Self::with_upstreams(&[], policy).await
    }

    /// The same with upstreams besides the bookshelf, a line of YAML each: `authz: { endpoints: […] }`.
    pub(crate) async fn with_upstreams(upstreams: &[String], policy: &str) -> Self {
        let lines: String = upstreams.iter().map(|line| format!("  {line}\n")).collect();
        Self::configured(|folder, upstream| {
            let text = configuration(&write_descriptor_set(folder), upstream, policy);
            text.replacen("services:\n", &format!("{lines}services:\n"), 1)
        })
        .await
    }

    /// The gateway with the configuration that `write` makes for a folder of its own and the
    /// bookshelf's address.
    pub(crate) async fn configured(write: impl FnOnce(&Path, SocketAddr) -> String) -> Self {
        let (bookshelf, upstream) = start_bookshelf().await;
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("transom.yaml");
        fs::write(&config, write(folder.path(), upstream)).unwrap();
        let gateway = Gateway::serve(&["--config", config.to_str().unwrap()]).await;
        Self { gateway, bookshelf, _folder: folder }
    }

    /// A GET over HTTP/1.1.
    pub(crate) async fn get(&self, path: &str) -> Response {
        http1::request(self.gateway.address, "GET", path, &[], b"").await
    }

    /// A request with a JSON body over HTTP/1.1.
    pub(crate) async fn send(&self, method: &str, path: &str, json: &str) -> Response {
        let headers = [("content-type", "application/json")];
        http1::request(self.gateway.address, method, path, &headers, json.as_bytes()).await
    }

    /// Any request over HTTP/1.1.
    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        http1::request(self.gateway.address, method, path, headers, body).await
    }

    /// A connection of HTTP/1.1, to send on byte by byte.
    pub(crate) async fn http1(&self) -> http1::Connection {
        http1::Connection::open(self.gateway.address).await
    }

    /// gRPC's own client.
    pub(crate) async fn grpc(&self) -> grpc::Client {
        grpc::client(self.gateway.address).await
    }

    /// A connection of HTTP/2 with prior knowledge.
    pub(crate) async fn http2(&self) -> http2::Connection {
        http2::Connection::open(self.gateway.address).await
    }
}

/// A configuration with one listener, the bookshelf, and one policy.
pub(crate) fn configuration(set: &str, upstream: SocketAddr, policy: &str) -> String {
    format!(
        "listen:\n  - address: 127.0.0.1:0\nschema:\n  - descriptor_set: {set}\nupstreams:\n  \
         bookshelf:\n    endpoints: [http://{upstream}]\nservices:\n  \"bookshelf.v1.*\": \
         {{ upstream: bookshelf, {policy} }}\n"
    )
}

/// A bookshelf on a port of its own, which lives as long as the test's runtime.
pub(crate) async fn start_bookshelf() -> (Bookshelf, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let bookshelf = Bookshelf::new();
    tokio::spawn(bookshelf::serve(bookshelf.clone(), listener, std::future::pending()));
    (bookshelf, address)
}

/// A gateway with one worker before a backend that speaks for the bookshelf, and its files.
pub(crate) async fn before(upstream: SocketAddr) -> (Gateway, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let set = write_descriptor_set(&folder);
    let upstream = upstream.to_string();
    let arguments = ["--workers", "1", "--upstream", &upstream, "--descriptor-set", &set];
    (Gateway::serve(&arguments).await, folder)
}

/// Writes the bookshelf's descriptor set into a folder; gives its path.
pub(crate) fn write_descriptor_set(folder: impl AsRef<Path>) -> String {
    let path = folder.as_ref().join("bookshelf.binpb");
    fs::write(&path, bookshelf::DESCRIPTOR_SET).unwrap();
    path.to_str().unwrap().to_owned()
}
