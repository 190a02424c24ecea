//! A steady load: callers with one call at a time each, on connections that stay.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::{net::UnixStream, sync::watch};

use crate::support::{http1, within};

/// What is called. Its rule is a GET, so it may be repeated.
const PATH: &str = "/v1/shelves/fiction/books/letters";

/// Where a gateway is reached.
pub(crate) enum Door {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Door {
    async fn open(&self) -> http1::Connection {
        match self {
            Self::Tcp(address) => http1::Connection::open(*address).await,
            Self::Unix(path) => {
                let stream = within("a connection", UnixStream::connect(path)).await.unwrap();
                http1::Connection::over(stream, "localhost")
            }
        }
    }
}

/// The load while it lasts.
#[derive(Default)]
pub(crate) struct Load {
    answered: watch::Sender<usize>,
    is_over: AtomicBool,
}

impl Load {
    /// Waits until so many more calls were answered.
    pub(crate) async fn calls(&self, count: usize) {
        let goal = *self.answered.borrow() + count;
        let mut answered = self.answered.subscribe();
        within("calls to be answered", answered.wait_for(|now| *now >= goal)).await.unwrap();
    }
}

/// What a load came to.
pub(crate) struct Figures {
    /// How long each answer took, the shortest first.
    took: Vec<Duration>,
    /// Those that were not 200.
    failures: Vec<String>,
}

impl Figures {
    /// How many calls there were.
    pub(crate) fn calls(&self) -> usize {
        self.took.len()
    }

    /// How many of them failed.
    pub(crate) fn failed(&self) -> usize {
        self.failures.len()
    }

    /// How long all but so many of a hundred calls took at most.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        self.took[(self.took.len() * percent / 100).min(self.took.len() - 1)]
    }

    /// Stops the test if a call failed.
    #[track_caller]
    pub(crate) fn none_failed(&self, fault: &str) {
        let Some(first) = self.failures.first() else { return };
        panic!("{fault}: {} of {} calls failed: {first}", self.failed(), self.calls());
    }
}

/// Has calls made by so many callers as long as `day` takes.
pub(crate) async fn run<T>(
    door: &Door,
    lanes: usize,
    day: impl AsyncFnOnce(&Load) -> T,
) -> (Figures, T) {
    let load = Load::default();
    let day = async {
        let outcome = day(&load).await;
        load.is_over.store(true, SeqCst);
        outcome
    };
    let lanes = join_all((0..lanes).map(|_| lane(door, &load)));
    let (lanes, outcome) = tokio::join!(lanes, day);
    let (mut took, mut failures) = (Vec::new(), Vec::new());
    for (times, failed) in lanes {
        took.extend(times);
        failures.extend(failed);
    }
    took.sort_unstable();
    (Figures { took, failures }, outcome)
}

/// One caller: how long its calls took, and what those said that failed.
async fn lane(door: &Door, load: &Load) -> (Vec<Duration>, Vec<String>) {
    let mut connection = door.open().await;
    let (mut took, mut failures) = (Vec::new(), Vec::new());
    while !load.is_over.load(SeqCst) {
        let began = Instant::now();
        connection.send_request("GET", PATH, &[], b"").await;
        let response = connection.response().await;
        took.push(began.elapsed());
        if response.status != 200 || !response.complete {
            failures.push(format!("{} {}", response.status, response.text()));
        }
        load.answered.send_modify(|answered| *answered += 1);
    }
    (took, failures)
}
