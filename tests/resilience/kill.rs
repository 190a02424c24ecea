//! Backends that are processes, and one of them killed.

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};

use futures_util::future::join_all;

use super::site::Site;
use crate::support::{Gateway, http1};

/// Calls at once.
const LANES: usize = 8;

/// Calls of each before the kill, and after it.
const CALLS: usize = 60;

#[tokio::test]
async fn kill_one_of_three_backends_fails_no_call_that_may_be_repeated() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let demo = || Gateway::run(&["demo", "--listen", "127.0.0.1:0"], folder);
    let mut backends = vec![demo().await, demo().await, demo().await];
    let addresses: Vec<_> = backends.iter().map(|backend| backend.address).collect();
    let policy = "retry: { backoff: { initial: 5ms, max: 50ms } }";
    let site = Site::before(&addresses, "outlier: {}", policy).await;
    let answered = AtomicUsize::new(0);
    let lane = || async {
        for _ in 0..2 * CALLS {
            let path = "/v1/shelves/fiction/books/letters";
            let response = http1::request(site.gateway.address, "GET", path, &[], b"").await;
            assert_eq!(response.status, 200, "{}", response.text());
            answered.fetch_add(1, SeqCst);
        }
    };
    let kill = async {
        while answered.load(SeqCst) < LANES * CALLS {
            tokio::task::yield_now().await;
        }
        // SIGKILL, in the middle of whatever it does.
        drop(backends.pop());
    };
    tokio::join!(join_all((0..LANES).map(|_| lane())), kill);
    assert_eq!(answered.load(SeqCst), 2 * LANES * CALLS);
}
