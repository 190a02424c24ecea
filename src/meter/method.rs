//! The requests of one method: how many, how they ended, how long they took.
//!
//! A method has a shard for each worker, made when that worker first serves it. Only that worker
//! writes to it, so that no two threads wait for the same piece of memory, and a method that is never
//! called costs a pointer a worker.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::{DURATION, IN_FLIGHT, Page, REQUESTS};
use crate::error::Code;

/// The bounds of the buckets of latencies. A duration falls into the first that is not below it.
const BUCKETS: [Duration; 13] = [
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2500),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// What is counted of one method.
pub struct MethodMeter {
    service: Box<str>,
    method: Box<str>,
    /// How many protocols there are.
    protocols: usize,
    shards: Box<[OnceLock<Arc<Shard>>]>,
}

impl MethodMeter {
    pub(super) fn new(service: &str, method: &str, protocols: usize, workers: usize) -> Self {
        let shards = (0..workers.max(1)).map(|_| OnceLock::new()).collect();
        Self { service: service.into(), method: method.into(), protocols, shards }
    }

    /// Where this worker counts.
    pub fn shard(&self, worker: usize) -> &Arc<Shard> {
        let shard = &self.shards[worker % self.shards.len()];
        shard.get_or_init(|| Arc::new(Shard::new(self.protocols)))
    }

    /// Tells the sum of all workers; nothing of a method that was never called.
    pub(super) fn tell(&self, protocols: &[&'static str], page: &mut Page) {
        let shards: Vec<_> = self.shards.iter().filter_map(OnceLock::get).collect();
        if shards.is_empty() {
            return;
        }
        let sum = |of: &dyn Fn(&Shard) -> u64| shards.iter().map(|shard| of(shard)).sum::<u64>();
        let labels = [&*self.service, &*self.method];
        for (at, protocol) in protocols.iter().enumerate() {
            for code in (0..Code::COUNT).map(|number| Code::from_number(number as u32)) {
                let ended = sum(&|shard| shard.ended[at][code as usize].load(Relaxed));
                if ended > 0 {
                    page.counter(&REQUESTS, &[labels[0], labels[1], protocol, code.name()], ended);
                }
            }
        }
        let buckets: [u64; BUCKETS.len() + 1] =
            std::array::from_fn(|at| sum(&|shard| shard.buckets[at].load(Relaxed)));
        let bounds = BUCKETS.map(|bound| bound.as_secs_f64());
        let seconds = Duration::from_nanos(sum(&|shard| shard.nanoseconds.load(Relaxed)));
        page.histogram(&DURATION, &labels, &bounds, &buckets, seconds.as_secs_f64());
        // A request may begin or end while this is read.
        let begun = sum(&|shard| shard.begun.load(Relaxed));
        let in_flight = begun.saturating_sub(buckets.iter().sum());
        page.gauge(&IN_FLIGHT, &labels, in_flight as f64);
    }
}

impl fmt::Debug for MethodMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MethodMeter({}/{})", self.service, self.method)
    }
}

/// What one worker counts of one method. It shares no cache line with another.
#[repr(align(128))]
pub struct Shard {
    begun: AtomicU64,
    nanoseconds: AtomicU64,
    buckets: [AtomicU64; BUCKETS.len() + 1],
    /// By protocol and code.
    ended: Box<[[AtomicU64; Code::COUNT]]>,
}

impl Shard {
    fn new(protocols: usize) -> Self {
        Self {
            begun: AtomicU64::new(0),
            nanoseconds: AtomicU64::new(0),
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            ended: (0..protocols).map(|_| std::array::from_fn(|_| AtomicU64::new(0))).collect(),
        }
    }

    fn end(&self, protocol: usize, code: Code, took: Duration) {
        let bucket = BUCKETS.iter().position(|bound| took <= *bound).unwrap_or(BUCKETS.len());
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.nanoseconds.fetch_add(took.as_nanos() as u64, Relaxed);
        if let Some(ended) = self.ended.get(protocol) {
            ended[code as usize].fetch_add(1, Relaxed);
        }
    }
}

/// One request, counted when this is dropped: as cancelled unless its end was told.
pub struct Tally {
    begun: Instant,
    shard: Option<Arc<Shard>>,
    protocol: usize,
    code: Code,
}

impl Tally {
    /// A request comes in.
    pub fn begin() -> Self {
        Self { begun: Instant::now(), shard: None, protocol: 0, code: Code::Cancelled }
    }

    /// Which protocol it speaks: its place among those that the meter was made for.
    pub fn speaks(&mut self, protocol: usize) {
        self.protocol = protocol;
    }

    /// Which method it calls. What has been said once stands.
    pub fn calls(&mut self, shard: &Arc<Shard>) {
        if self.shard.is_none() {
            shard.begun.fetch_add(1, Relaxed);
            self.shard = Some(shard.clone());
        }
    }

    /// How it ended, as far as that is known.
    pub fn end(&mut self, code: Code) {
        self.code = code;
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        if let Some(shard) = &self.shard {
            shard.end(self.protocol, self.code, self.begun.elapsed());
        }
    }
}
