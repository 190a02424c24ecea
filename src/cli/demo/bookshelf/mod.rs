//! The bookshelf: a gRPC service in memory that shows every kind of method.
//!
//! It stands behind `transom demo`, and behind the integration tests, which need a backend that
//! streams, fails, waits and is left by its callers on demand. `proto/bookshelf/v1` declares it.
//!
//! Besides what the methods do:
//! - every answer carries the metadata `x-bookshelf-version`, and `x-echo-*` metadata of the
//!   request comes back as it was;
//! - a ping's answer tells in `x-bookshelf-watchers` how many watches with `follow` are open;
//! - a created book carries `x-http-code: 201`;
//! - a watch that ends well has the trailer `x-bookshelf-sent`, the number of books sent;
//! - [`Bookshelf::cancelled`] counts the calls that their callers left before the end.

mod cut;
mod refusal;
mod seed;
mod service;
mod shelf;
mod stream;
#[cfg(test)]
mod tests;

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    net::TcpListener,
    sync::{broadcast, watch},
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Error, Server};

use self::{shelf::Shelf, types::bookshelf::v1::bookshelf_server::BookshelfServer};

/// The messages and services of `proto/`, generated.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    rustdoc::all,
    reason = "generated from proto/, which has the comments"
)]
pub mod types {
    include!(concat!(env!("OUT_DIR"), "/types.rs"));
}

/// The bookshelf's descriptor set (a serialised `FileDescriptorSet` with its imports).
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bookshelf.binpb"));

/// The largest message that the service takes, in bytes: far above the gateway's own limit.
const MESSAGE_LIMIT: usize = 256 << 20;

/// How many changes a slow watcher may lag behind before it is told that it missed some.
const CHANGES_KEPT: usize = 1024;

/// A handle to one bookshelf; clones share its books.
#[derive(Clone)]
pub struct Bookshelf(Arc<Inner>);

struct Inner {
    shelf: Mutex<Shelf>,
    changes: broadcast::Sender<types::bookshelf::v1::Book>,
    calls: Calls,
}

/// Counts of the calls so far; clones share them.
#[derive(Clone)]
struct Calls {
    begun: watch::Sender<u64>,
    cancelled: watch::Sender<u64>,
}

impl Bookshelf {
    /// A bookshelf with a few books on it.
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            shelf: Mutex::new(seed::shelf()),
            changes: broadcast::Sender::new(CHANGES_KEPT),
            calls: Calls { begun: watch::Sender::new(0), cancelled: watch::Sender::new(0) },
        }))
    }

    /// How many calls have reached the service.
    pub fn begun(&self) -> u64 {
        *self.0.calls.begun.borrow()
    }

    /// Waits until at least `count` calls have reached the service.
    pub async fn wait_for_begun(&self, count: u64) {
        wait_for(&self.0.calls.begun, count).await;
    }

    /// How many calls were left by their callers before they ended.
    pub fn cancelled(&self) -> u64 {
        *self.0.calls.cancelled.borrow()
    }

    /// Waits until at least `count` calls were left by their callers.
    pub async fn wait_for_cancelled(&self, count: u64) {
        wait_for(&self.0.calls.cancelled, count).await;
    }

    /// How many watches with `follow` are open.
    pub fn watchers(&self) -> usize {
        self.0.changes.receiver_count()
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn wait_for(counter: &watch::Sender<u64>, count: u64) {
    // It fails only if the sender is gone, and the caller holds it.
    let _ = counter.subscribe().wait_for(|seen| *seen >= count).await;
}

impl Default for Bookshelf {
    fn default() -> Self {
        Self::new()
    }
}

/// Serves the bookshelf over cleartext HTTP/2, with reflection (v1 and v1alpha) and health, until
/// `shutdown` completes and the calls in flight have ended.
///
/// # Errors
/// If the connection machinery fails; a single connection's failure ends only that one.
pub async fn serve(
    bookshelf: Bookshelf,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let (health_reporter, health) = tonic_health::server::health_reporter();
    health_reporter.set_serving::<BookshelfServer<Bookshelf>>().await;
    let service = BookshelfServer::new(bookshelf).max_decoding_message_size(MESSAGE_LIMIT);
    let mut routes = tonic::service::Routes::new(service).add_service(health);
    // The embedded descriptors are sound, as the tests see; without them only reflection is lost.
    if let Ok(reflection) = reflection().build_v1() {
        routes = routes.add_service(reflection);
    }
    if let Ok(reflection) = reflection().build_v1alpha() {
        routes = routes.add_service(reflection);
    }
    Server::builder()
        .layer(tower::util::MapRequestLayer::new(cut::watch))
        .add_routes(routes)
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), shutdown)
        .await
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}
