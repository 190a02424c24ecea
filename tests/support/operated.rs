//! A gateway whose files a test changes while it serves, and its operator's port.

use std::{fs, net::SocketAddr, path::PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use transom::cli::demo::bookshelf::{self, Bookshelf};

use super::{Gateway, Response, http1, rig, within};

/// A bookshelf, the gateway in front of it, and the folder with its files.
pub(crate) struct Operated {
    pub(crate) folder: TempDir,
    _bookshelf: Bookshelf,
    pub(crate) upstream: SocketAddr,
    pub(crate) gateway: Gateway,
    pub(crate) admin: SocketAddr,
}

impl Operated {
    /// Starts with [`Self::configuration`] and these lines behind it.
    pub(crate) async fn start(more: &str) -> Self {
        Self::start_with(|_, configuration| format!("{configuration}{more}")).await
    }

    /// Starts with what is made from the folder and the configuration.
    pub(crate) async fn start_with(change: impl FnOnce(&TempDir, String) -> String) -> Self {
        let (bookshelf, upstream) = rig::start_bookshelf().await;
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("api.binpb"), bookshelf::DESCRIPTOR_SET).unwrap();
        let text = change(&folder, configuration(upstream));
        let config = folder.path().join("transom.yaml");
        fs::write(&config, text).unwrap();
        let gateway = Gateway::serve(&["--config", config.to_str().unwrap()]).await;
        let admin = gateway.admin().expect("an operator's port");
        Self { folder, _bookshelf: bookshelf, upstream, gateway, admin }
    }

    /// One listener, the bookshelf, the operator's port, two workers; files are not watched, so that a
    /// test knows when they are read.
    pub(crate) fn configuration(&self) -> String {
        configuration(self.upstream)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    /// A request to the operator's port.
    pub(crate) async fn ask(&self, method: &str, path: &str) -> Response {
        http1::request(self.admin, method, path, &[], b"").await
    }

    /// Has the configuration read anew; gives what came of it.
    pub(crate) async fn reload(&self) -> Value {
        let answer = self.ask("POST", "/reload").await;
        let outcome = answer.json();
        let is_good = ["taken", "unchanged"].contains(&outcome["result"].as_str().unwrap());
        assert_eq!(answer.status, if is_good { 200 } else { 422 }, "{outcome}");
        outcome
    }

    /// The details of readiness.
    pub(crate) async fn ready(&self) -> Value {
        self.ask("GET", "/ready").await.json()
    }

    /// Waits until the last attempt to take a configuration is as wanted; gives it.
    pub(crate) async fn until_reloaded(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let waiting = async {
            loop {
                let last = self.ready().await["last_reload"].take();
                if wanted(&last) {
                    return last;
                }
            }
        };
        within("the files to be taken", waiting).await
    }

    /// The page of metrics.
    pub(crate) async fn metrics(&self) -> String {
        let answer = self.ask("GET", "/metrics").await;
        assert_eq!(answer.status, 200);
        answer.text().to_owned()
    }
}

fn configuration(upstream: SocketAddr) -> String {
    format!(
        "listen: [{{ address: 127.0.0.1:0 }}]\n\
         schema: [{{ descriptor_set: api.binpb }}]\n\
         upstreams: {{ bookshelf: {{ endpoints: [\"http://{upstream}\"] }} }}\n\
         admin: {{ address: 127.0.0.1:0 }}\n\
         workers: 2\n\
         reload: {{ watch: false }}\n"
    )
}
