//! The limit before a modelled backend, by a clock of its own and seeded chance.
//!
//! The backend works on so many calls at once, each for a time that varies; what comes beyond waits
//! in line. Callers arrive by chance, at a rate of their own, and leave when refused.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{Gate, Priority, Settings};
use crate::stage::admission::gate::Visit;

/// A backend and its callers.
struct World {
    gate: Arc<Gate>,
    random: fastrand::Rng,
    now: Instant,
    /// How many calls are worked on at once.
    workers: usize,
    /// How long one takes, in seconds, by mean.
    work: f64,
    busy: BinaryHeap<Reverse<(Instant, u64)>>,
    line: VecDeque<(u64, Instant)>,
    inside: std::collections::HashMap<u64, (Instant, Visit)>,
    next: u64,
}

/// What a time brought.
#[derive(Debug, Default)]
struct Tally {
    refused: u32,
    answered: u32,
    latencies: Vec<f64>,
    least_limit: u32,
    most_limit: u32,
}

impl Tally {
    fn median(&mut self) -> f64 {
        self.latencies.sort_by(f64::total_cmp);
        self.latencies[self.latencies.len() / 2]
    }
}

impl World {
    fn new(settings: &Settings, workers: usize, work: f64) -> Self {
        fastrand::seed(5);
        let now = Instant::now();
        Self {
            gate: Arc::new(Gate::new(settings, now)),
            random: fastrand::Rng::with_seed(17),
            now,
            workers,
            work,
            busy: BinaryHeap::new(),
            line: VecDeque::new(),
            inside: std::collections::HashMap::new(),
            next: 0,
        }
    }

    /// Lets callers come at this rate for so many seconds.
    fn run(&mut self, seconds: f64, rate: f64) -> Tally {
        let mut tally = Tally { least_limit: u32::MAX, ..Tally::default() };
        let end = self.now + Duration::from_secs_f64(seconds);
        let mut arrival = self.now + self.pause(rate);
        loop {
            let finished = self.busy.peek().map(|Reverse((at, _))| *at);
            if finished.is_some_and(|at| at <= arrival) {
                self.finish(&mut tally);
            } else if arrival < end {
                self.now = arrival;
                self.arrive(&mut tally);
                arrival += self.pause(rate);
            } else {
                self.now = end;
                return tally;
            }
        }
    }

    fn arrive(&mut self, tally: &mut Tally) {
        match self.gate.enter(Priority::Normal, self.now) {
            None => tally.refused += 1,
            Some(visit) => {
                self.inside.insert(self.next, (self.now, visit));
                self.line.push_back((self.next, self.now));
                self.next += 1;
                self.take_up();
            }
        }
    }

    fn take_up(&mut self) {
        while self.busy.len() < self.workers
            && let Some((call, _)) = self.line.pop_front()
        {
            // Between half and one and a half of the mean.
            let work = self.work * (0.5 + self.random.f64());
            self.busy.push(Reverse((self.now + Duration::from_secs_f64(work), call)));
        }
    }

    fn finish(&mut self, tally: &mut Tally) {
        let Some(Reverse((at, call))) = self.busy.pop() else { return };
        self.now = at;
        let (entered, visit) = self.inside.remove(&call).expect("a call inside");
        visit.answered(at);
        tally.answered += 1;
        tally.latencies.push((at - entered).as_secs_f64());
        tally.least_limit = tally.least_limit.min(self.gate.limit());
        tally.most_limit = tally.most_limit.max(self.gate.limit());
        self.take_up();
    }

    /// The time to the next arrival at this rate, by chance without memory.
    fn pause(&mut self, rate: f64) -> Duration {
        Duration::from_secs_f64(-(1.0 - self.random.f64()).ln() / rate)
    }
}

fn settings() -> Settings {
    Settings { interval: Duration::from_secs(20), ..Settings::default() }
}

#[test]
fn limit_backend_with_room_refuses_nobody() {
    // 20 workers of 10 ms can answer 2000 a second.
    let mut world = World::new(&settings(), 20, 0.010);
    let mut tally = world.run(60.0, 1400.0);
    assert_eq!(tally.refused, 0);
    assert!(tally.median() < 0.012, "{}", tally.median());
}

#[test]
fn limit_overloaded_backend_works_at_its_best_without_queueing() {
    let mut world = World::new(&settings(), 20, 0.010);
    world.run(30.0, 4000.0);
    let mut tally = world.run(90.0, 4000.0);
    let median = tally.median();
    assert!(median < 0.025, "answers take {median} s, 0.010 at rest");
    let done = f64::from(tally.answered) / 90.0;
    assert!(done > 0.93 * 2000.0, "only {done} of 2000 a second are answered");
    assert!(tally.least_limit >= 12, "the limit fell to {}", tally.least_limit);
    // After each measurement at half of the limit there is room for a moment.
    assert!(tally.most_limit <= 100, "the limit rose to {}", tally.most_limit);
}

#[test]
fn limit_overload_from_the_first_call_is_found_all_the_same() {
    let mut world = World::new(&settings(), 5, 0.020);
    world.run(60.0, 1000.0);
    let mut tally = world.run(60.0, 1000.0);
    let median = tally.median();
    assert!(median < 0.060, "answers take {median} s, 0.020 at rest");
    assert!(f64::from(tally.answered) / 60.0 > 0.9 * 250.0, "{} answered", tally.answered);
}

#[test]
fn limit_follows_a_backend_that_turns_slow_and_recovers() {
    let mut world = World::new(&settings(), 20, 0.010);
    world.run(30.0, 1400.0);
    // Five times slower: 400 of 1400 a second are possible.
    world.work = 0.050;
    world.run(30.0, 1400.0);
    let slow = world.run(30.0, 1400.0);
    assert!(f64::from(slow.answered) / 30.0 > 0.85 * 400.0, "{} answered", slow.answered);
    assert!(slow.most_limit < 80, "the limit stayed at {}", slow.most_limit);
    world.work = 0.010;
    world.run(10.0, 1400.0);
    let sound = world.run(30.0, 1400.0);
    let refused = f64::from(sound.refused) / f64::from(sound.refused + sound.answered);
    assert!(refused < 0.01, "{refused} are refused though there is room again");
}

#[test]
fn limit_new_version_that_takes_longer_is_not_taken_for_a_queue() {
    // Twice as slow but with room for all: after a while the latency is what it is.
    let mut world = World::new(&settings(), 100, 0.010);
    world.run(30.0, 1000.0);
    world.work = 0.025;
    world.run(60.0, 1000.0);
    let tally = world.run(60.0, 1000.0);
    let refused = f64::from(tally.refused) / f64::from(tally.refused + tally.answered);
    assert!(refused < 0.02, "{refused} are refused though there is room");
}

#[test]
fn limit_few_calls_leave_it_alone() {
    let mut world = World::new(&settings(), 4, 0.010);
    let tally = world.run(600.0, 2.0);
    assert_eq!(tally.refused, 0);
    assert!(tally.least_limit >= 50, "{}", tally.least_limit);
}
