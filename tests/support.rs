//! The rig of the integration tests: a backend, the gateway as a process of its own, and clients
//! that see every byte.

pub(crate) mod authority;
pub(crate) mod backend;
pub(crate) mod document;
pub(crate) mod gateway;
pub(crate) mod grpc;
pub(crate) mod http1;
pub(crate) mod http2;
pub(crate) mod name_server;
pub(crate) mod operated;
pub(crate) mod redis;
pub(crate) mod response;
pub(crate) mod rig;
pub(crate) mod tls;

use std::time::Duration;

pub(crate) use self::{gateway::Gateway, response::Response, rig::Rig};

/// The longest that anything in a test may take; far above what it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Tries a case that needs to get somewhere before a time is over: with ever more milliseconds, until
/// it says that it got there. A quick machine is done with the first, and a busy one needs no luck.
pub(crate) async fn with_time_enough(mut case: impl AsyncFnMut(u32) -> bool) {
    for milliseconds in [100, 500, 3_000, 15_000] {
        if case(milliseconds).await {
            return;
        }
    }
    panic!("15 seconds were not enough");
}

/// Waits for something that has to come.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {PATIENCE:?} for {what}"),
    }
}
