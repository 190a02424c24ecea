//! Backends that are processes: one is killed, all are restarted one after the other.

use std::{net::SocketAddr, path::Path};

use super::{CALLS, RETRY, survive};
use crate::{resilience::site::Site, support::Gateway};

/// A bookshelf as a process of its own, on this address.
async fn backend(address: &str) -> Gateway {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    Gateway::run(&["demo", "--listen", address], folder).await
}

/// Three of them, and a gateway before them.
async fn site() -> (Vec<Gateway>, Site) {
    let any = "127.0.0.1:0";
    let backends = vec![backend(any).await, backend(any).await, backend(any).await];
    let addresses: Vec<SocketAddr> = backends.iter().map(|one| one.address).collect();
    let site = Site::before(&addresses, "outlier: {}", RETRY).await;
    (backends, site)
}

#[tokio::test]
async fn bad_day_nothing_wrong_fails_no_call() {
    let (_backends, site) = site().await;
    super::endure("none", &site).await;
}

#[tokio::test]
async fn bad_day_killed_backend_of_three_fails_no_call() {
    let (mut backends, site) = site().await;
    survive("one of three killed (SIGKILL)", &site.door(), async |load| {
        load.calls(CALLS).await;
        // In the middle of whatever it does.
        drop(backends.pop());
        load.calls(CALLS).await;
    })
    .await;
}

#[tokio::test]
async fn bad_day_rolling_restart_of_all_three_fails_no_call() {
    let (mut backends, site) = site().await;
    survive("rolling restart of all three (SIGTERM)", &site.door(), async |load| {
        for one in &mut backends {
            load.calls(CALLS).await;
            let address = one.address.to_string();
            one.signal("TERM").await;
            assert!(one.wait().await.success());
            *one = backend(&address).await;
        }
        load.calls(CALLS).await;
    })
    .await;
}
