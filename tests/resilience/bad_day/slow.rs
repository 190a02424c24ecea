//! Backends of which one takes twenty times as long as the others.
//!
//! Time is counted in rounds, so that nothing depends on the machine's pace: a round is over when
//! every caller waits for an answer. A quick backend answers within the round, the slow one after
//! twenty. It turns slow when every backend has been called: before that the calls go to those that
//! are connected, and the first to be so gets them all.
//!
//! Least request keeps about as many calls in flight on the slow one as on each of the others. So of
//! `n` endpoints it gets one call in about `20 (n - 1)`: among three that are more than two of a
//! hundred, among sixteen fewer than one, and the 99th percentile is that of a cluster where nothing
//! is wrong. By latency (`ewma`) it gets fewer than that among three already.

use std::{
    mem,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use super::{load, table};
use crate::{
    resilience::site::{Counted, Site, succeed},
    support::backend::Answer,
};

/// How many times slower the slow one is.
const TIMES: u32 = 20;

/// Calls that wait for their round to come.
struct Rounds {
    /// How many callers there are.
    lanes: usize,
    /// How many rounds the first backend takes.
    first: AtomicU32,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    round: u32,
    /// When each is answered.
    calls: Vec<(u32, Answer)>,
    /// How many rounds the answered ones took.
    took: Vec<u32>,
    is_over: bool,
}

impl Rounds {
    fn new(lanes: usize) -> Arc<Self> {
        Arc::new(Self { lanes, first: AtomicU32::new(1), held: Mutex::default() })
    }

    /// A backend that answers within the round, but for the first if that has turned slow.
    async fn backend(self: &Arc<Self>, is_first: bool) -> Counted {
        let all = self.clone();
        Counted::start(move |_, _, reply| {
            let rounds = if is_first { all.first.load(SeqCst) } else { 1 };
            all.hold(rounds, reply);
            async {}
        })
        .await
    }

    /// From now on the first backend takes so many rounds. What was before is forgotten.
    fn turn(&self, first: u32) {
        self.held.lock().unwrap().took.clear();
        self.first.store(first, SeqCst);
    }

    fn hold(&self, rounds: u32, reply: Answer) {
        let mut held = self.held.lock().unwrap();
        let due = held.round + rounds;
        held.calls.push((due, reply));
        held.took.push(rounds);
        if held.calls.len() == self.lanes || held.is_over {
            held.answer();
        }
    }

    /// Answers all, and whoever comes.
    fn end(&self) {
        let mut held = self.held.lock().unwrap();
        held.is_over = true;
        held.answer();
    }
}

impl Held {
    /// Lets time go on until somebody is answered.
    fn answer(&mut self) {
        let first = self.calls.iter().map(|(due, _)| *due).min().unwrap_or(0);
        self.round = self.round.max(first);
        let (now, all) = (self.round, self.is_over);
        let is_due = |(due, _): &(u32, Answer)| all || *due <= now;
        let (due, later) = mem::take(&mut self.calls).into_iter().partition(is_due);
        self.calls = later;
        let due: Vec<(u32, Answer)> = due;
        for (_, reply) in due {
            tokio::spawn(succeed(reply));
        }
    }
}

/// What came of a load on a cluster.
struct Outcome {
    calls: usize,
    /// Calls to the first backend.
    first: usize,
    /// How many rounds all but one of a hundred calls took at most.
    rounds: u32,
    p99: Duration,
}

/// Has calls made to `count` backends, of which the first turns to answer after `first` rounds.
async fn measure(
    fault: &'static str,
    (count, kind): (usize, &str),
    first: u32,
    (lanes, calls): (usize, usize),
) -> Outcome {
    let rounds = Rounds::new(lanes);
    let mut backends = Vec::new();
    for place in 0..count {
        backends.push(rounds.backend(place == 0).await);
    }
    let addresses: Vec<_> = backends.iter().map(|one| one.address).collect();
    let site = Site::before(&addresses, &format!("balance: {kind}"), "timeout: 60s").await;
    let (figures, before) = load::run(&site.door(), lanes, async |load| {
        while backends.iter().any(|one| one.calls() == 0) {
            load.calls(lanes).await;
        }
        rounds.turn(first);
        let before = backends[0].calls();
        load.calls(calls).await;
        rounds.end();
        before
    })
    .await;
    table::note(fault, &figures);
    figures.none_failed(fault);
    let mut took = mem::take(&mut rounds.held.lock().unwrap().took);
    took.sort_unstable();
    Outcome {
        calls: took.len(),
        first: backends[0].calls() - before,
        rounds: took[took.len() * 99 / 100],
        p99: figures.percentile(99),
    }
}

/// Compares a cluster where one is slow with one where none is.
async fn compare(
    faults: [&'static str; 2],
    of: (usize, &str),
    size @ (lanes, calls): (usize, usize),
) {
    let sound = measure(faults[0], of, 1, (lanes, calls / 3)).await;
    let slow = measure(faults[1], of, TIMES, size).await;
    println!("p99 {:?} where none is slow, {:?} where one is", sound.p99, slow.p99);
    let told = format!("the slow one got {} of {} calls", slow.first, slow.calls);
    assert!(slow.rounds <= 2 * sound.rounds, "{told}");
    assert!(slow.first > 0, "{told}");
}

#[tokio::test]
async fn bad_day_slow_backend_leaves_p99_alone_by_least_request() {
    let faults = [
        "none (16 backends, least request, 128 callers)",
        "one of 16 answers 20 × slower (least request, 128 callers)",
    ];
    compare(faults, (16, "least_request"), (128, 6_000)).await;
}

#[tokio::test]
async fn bad_day_slow_backend_leaves_p99_alone_by_latency() {
    let faults = [
        "none (three backends, ewma, 16 callers)",
        "one of three answers 20 × slower (ewma, 16 callers)",
    ];
    compare(faults, (3, "ewma"), (16, 3_000)).await;
}
