//! What comes before HTTP, as the outside sees it: TLS, the PROXY protocol, Unix sockets, several
//! listeners, and peers that mean harm.

mod abuse;
mod proxy_protocol;
mod several;
mod tls;
mod unix;

use std::fs;

use tempfile::TempDir;
use transom::cli::demo::bookshelf::Bookshelf;

use crate::support::{Gateway, rig};

const BOOK: &str = "/v1/shelves/fiction/books/letters";

/// A gateway with these entries of `listen:`, a bookshelf behind it, in the folder of the test.
/// It writes an access log, and a log of everything.
async fn serve(folder: &TempDir, listen: &str) -> (Bookshelf, Gateway) {
    let (bookshelf, upstream) = rig::start_bookshelf().await;
    (bookshelf, serve_before(folder, listen, upstream).await)
}

/// The same with another backend.
async fn serve_before(folder: &TempDir, listen: &str, upstream: std::net::SocketAddr) -> Gateway {
    let set = rig::write_descriptor_set(folder);
    let config = folder.path().join("transom.yaml");
    let text = format!(
        "listen:\n{listen}\nschema: [{{ descriptor_set: {set} }}]\n\
         upstreams: {{ bookshelf: {{ endpoints: [\"http://{upstream}\"] }} }}\n\
         log: transom=debug\naccess_log: true\n"
    );
    fs::write(&config, text).unwrap();
    Gateway::serve(&["--config", config.to_str().unwrap(), "--workers", "1"]).await
}

/// Waits until the log says something, doing something meanwhile.
async fn until_logged<F: Future<Output = ()>>(
    gateway: &Gateway,
    text: &str,
    mut meanwhile: impl FnMut() -> F,
) {
    let waiting = async {
        while !gateway.log().contains(text) {
            meanwhile().await;
        }
    };
    crate::support::within(text, waiting).await;
}

/// Waits until the access log says something.
async fn until_printed(gateway: &Gateway, text: &str) {
    let waiting = async {
        while !gateway.printed().contains(text) {
            tokio::task::yield_now().await;
        }
    };
    crate::support::within(text, waiting).await;
}
