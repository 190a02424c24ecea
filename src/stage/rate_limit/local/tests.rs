//! The cells against a model, the table against attackers, and workers against each other.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::Duration,
};

use serde_json::json;

use super::{super::tests::Bench, *};
use crate::{
    exchange::Metadata,
    stage::rate_limit::amount::{Quota, Window},
};

const SECOND: u64 = 1_000_000_000;

/// A time, by both clocks.
fn at(nanos: u64) -> Now {
    Now { nanos, unix: 1_772_323_200 + nanos / SECOND }
}

/// A bucket as one would write it first: so much flows in for each nanosecond.
struct Bucket {
    level: u64,
    seen: u64,
}

impl Bucket {
    fn take(&mut self, interval: u64, burst: u64, cost: u64, now: u64) -> bool {
        self.level = (self.level + (now - self.seen)).min(burst * interval);
        self.seen = now;
        let enough = self.level >= cost * interval;
        self.level -= if enough { cost * interval } else { 0 };
        enough
    }
}

#[test]
fn rate_conforms_to_a_bucket_over_random_arrivals() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..300 {
        let (interval, burst) = (random.u64(1..2 * SECOND), random.u64(1..50));
        let measure = Measure::Rate { interval, burst };
        let (mut state, mut now) = (0, random.u64(0..u64::MAX / 4));
        let mut bucket = Bucket { level: burst * interval, seen: now };
        let mut passed = Vec::new();
        for _ in 0..300 {
            // Bursts, and pauses of up to a few intervals.
            now += if random.bool() { 0 } else { random.u64(0..4 * interval) };
            let cost = random.u64(1..=burst);
            let (verdict, after) = cell::judge(measure, state, cost, at(now));
            let expected = bucket.take(interval, burst, cost, now);
            assert_eq!(verdict.allowed, expected, "{interval} {burst} {cost}");
            assert_eq!(verdict.remaining, bucket.level / interval);
            if verdict.allowed {
                state = after;
                passed.push((now, cost));
            } else {
                // It is right about when: not a nanosecond earlier.
                let wait = verdict.retry_after.as_nanos() as u64;
                let later = |nanos| cell::judge(measure, state, cost, at(now + nanos)).0.allowed;
                assert!(later(wait) && !later(wait - 1));
            }
        }
        // In no stretch of time more than a bucket and what flows in.
        for (first, (from, _)) in passed.iter().enumerate() {
            let mut sum = 0;
            for (until, cost) in &passed[first..] {
                sum += cost;
                assert!(sum <= burst + (until - from) / interval);
            }
        }
    }
}

#[test]
fn rate_that_is_full_again_is_idle_and_not_before() {
    let measure = Measure::Rate { interval: SECOND, burst: 5 };
    let (_, state) = cell::judge(measure, 0, 3, at(SECOND));
    assert!(!cell::is_idle(measure, state, at(4 * SECOND - 1)));
    assert!(cell::is_idle(measure, state, at(4 * SECOND)));
}

#[test]
fn quota_is_not_given_back_by_a_clock_that_goes_back_or_wrong() {
    let measure = Measure::Quota(Quota { number: 10, window: Window::Day });
    let day = |days: u64, seconds: u64| Now { nanos: 0, unix: (20_513 + days) * 86_400 + seconds };
    let (verdict, state) = cell::judge(measure, 0, 9, day(1, 5));
    assert_eq!((verdict.allowed, verdict.remaining), (true, 1));
    // A few seconds back, over midnight and forward again.
    for now in [day(0, 86_390), day(1, 10)] {
        assert!(!cell::judge(measure, state, 2, now).0.allowed);
        assert!(!cell::is_idle(measure, state, now));
    }
    // A year ahead by mistake: another window. Right again: what was used since then stays used.
    let (verdict, wrong) = cell::judge(measure, state, 8, day(366, 0));
    assert!(verdict.allowed);
    let (verdict, right) = cell::judge(measure, wrong, 2, day(1, 20));
    assert_eq!((verdict.allowed, verdict.remaining), (true, 0));
    assert!(!cell::judge(measure, right, 1, day(1, 30)).0.allowed);
    // And the next day is a new one.
    assert!(cell::judge(measure, right, 10, day(2, 0)).0.allowed);
}

#[test]
fn rate_of_a_clock_that_stands_still_or_starts_is_no_trouble() {
    let measure = Measure::Rate { interval: SECOND, burst: 2 };
    let (verdict, state) = cell::judge(measure, 0, 2, at(0));
    assert!(verdict.allowed && !cell::judge(measure, state, 1, at(0)).0.allowed);
    // Far ahead of what this rate could ever be: no longer than its bucket.
    let (verdict, _) = cell::judge(measure, u64::MAX / 2, 1, at(0));
    assert_eq!(verdict.retry_after, Duration::from_secs(1));
}

fn asker(metadata: &Metadata) -> Asker<'_> {
    Asker { principal: None, address: None, metadata, message: None, worker: 0 }
}

#[test]
fn refused_call_costs_no_limit_anything() {
    let limits = Bench::default().limits(&json!({ "limits": {
        "a": { "rate": "100/h" },
        "b": { "quota": "100/day" },
        "c": { "rate": "3/h" },
        "d": { "rate": "100/h" },
        "shadow": { "rate": "100/h", "shadow": true },
    } }));
    let metadata = Metadata::new();
    let asker = asker(&metadata);
    let ask = |cost| {
        let asks: Vec<_> = limits.iter().map(|limit| Ask { limit, asker: &asker, cost }).collect();
        take(&asks, at(SECOND))
    };
    let left = |verdicts: &Verdicts| verdicts.iter().map(|one| one.remaining).collect::<Vec<_>>();
    assert_eq!(left(&ask(2)), [98, 98, 1, 98, 98]);
    for _ in 0..50 {
        let verdicts = ask(2);
        assert_eq!(left(&verdicts), [98, 98, 1, 98, 98]);
        let allowed: Vec<_> = verdicts.iter().map(|one| one.allowed).collect();
        assert_eq!(allowed, [true, true, false, true, true]);
    }
    assert_eq!(left(&ask(1)), [97, 97, 0, 97, 97]);
}

#[test]
fn limit_in_shadow_refuses_nobody_and_takes_what_it_would_have_allowed() {
    let limits = Bench::default().limits(&json!({ "limits": {
        "a": { "rate": "10/h" }, "shadow": { "rate": "2/h", "shadow": true },
    } }));
    let metadata = Metadata::new();
    let asker = asker(&metadata);
    let asks: Vec<_> = limits.iter().map(|limit| Ask { limit, asker: &asker, cost: 1 }).collect();
    let allowed = || take(&asks, at(SECOND)).iter().map(|one| one.allowed).collect::<Vec<_>>();
    assert_eq!([allowed(), allowed(), allowed()], [[true, true], [true, true], [true, false]]);
    for _ in 0..7 {
        assert_eq!(allowed(), [true, false]);
    }
    assert_eq!(allowed(), [false, false]);
}

fn limit(rate: &str, max_keys: u32) -> Arc<Limit> {
    let settings = json!({ "limits": { "a": { "rate": rate } }, "max_keys": max_keys });
    Bench::default().limits(&settings).remove(0)
}

#[test]
fn ten_million_callers_take_no_more_room_than_was_given() {
    const MOST: u32 = 1 << 14;
    let limit = limit("2/h", MOST);
    let mut random = fastrand::Rng::with_seed(1);
    let mut passed = 0_u64;
    for _ in 0..10_000_000 {
        let digest = random.u64(1..);
        passed += u64::from(take_one(&limit, digest, 1, at(SECOND)).0.allowed);
    }
    assert_eq!(limit.table.len(), MOST as usize);
    // Everybody in the table came once; all the others together had what 1024 callers have.
    assert!(passed <= u64::from(MOST) + 2 * 1024, "{passed}");
    assert!(limit.counts.crowded.value() >= 10_000_000 - u64::from(MOST));
}

#[test]
fn a_full_table_forgets_nobody_who_would_gain_by_it() {
    let limit = limit("5/h", 256);
    let mut random = fastrand::Rng::with_seed(2);
    let busy: Vec<u64> = (0..64).map(|_| random.u64(1..)).collect();
    for digest in &busy {
        assert!(take_one(&limit, *digest, 5, at(SECOND)).0.allowed);
    }
    for _ in 0..100_000 {
        take_one(&limit, random.u64(1..), 1, at(SECOND));
    }
    for digest in &busy {
        assert!(!take_one(&limit, *digest, 1, at(2 * SECOND)).0.allowed);
    }
}

#[test]
fn who_gets_a_cell_of_its_own_brings_along_what_was_used() {
    let limit = limit("5/h", 256);
    // All in one set of one shard, which has sixteen cells.
    let digest = |number: u64| number << 8;
    for number in 1..=16 {
        let (verdict, seat) = take_one(&limit, digest(number), 1, at(0));
        assert_eq!((verdict.allowed, seat), (true, Seat::Own));
    }
    let late = digest(99);
    let (verdict, seat) = take_one(&limit, late, 5, at(1));
    assert_eq!((verdict.allowed, seat), (true, Seat::Shared));
    // The others' buckets are full again after 12 minutes.
    let (verdict, seat) = take_one(&limit, late, 2, at(720 * SECOND));
    assert_eq!((verdict.allowed, verdict.remaining, seat), (false, 0, Seat::Own));
    let (verdict, seat) = take_one(&limit, late, 1, at(721 * SECOND));
    assert_eq!((verdict.allowed, seat), (true, Seat::Own));
}

#[test]
fn calls_in_flight_are_given_back_where_they_were_counted() {
    let settings = json!({ "limits": { "a": { "concurrency": 2 } }, "max_keys": 256 });
    let limit = Bench::default().limits(&settings).remove(0);
    let digest = |number: u64| number << 8;
    let enter = |number| take_one(&limit, digest(number), 1, at(0));
    let leave = |number, seat| give_back(&limit, Taken { digest: digest(number), seat }, 1, at(0));
    for number in 1..=16 {
        assert_eq!(enter(number).1, Seat::Own);
    }
    assert_eq!(enter(99).1, Seat::Shared);
    // A cell becomes free, but the call in flight is counted elsewhere.
    leave(1, Seat::Own);
    let (verdict, seat) = enter(99);
    assert_eq!((verdict.allowed, seat), (true, Seat::Shared));
    assert!(!enter(99).0.allowed);
    leave(99, Seat::Shared);
    leave(99, Seat::Shared);
    assert_eq!(enter(99).1, Seat::Own);
}

#[test]
fn a_growing_table_loses_nobody() {
    let limit = limit("5/h", 1 << 16);
    let mut random = fastrand::Rng::with_seed(3);
    let callers: Vec<u64> = (0..20_000).map(|_| random.u64(1..)).collect();
    for digest in &callers {
        assert!(take_one(&limit, *digest, 5, at(SECOND)).0.allowed);
    }
    assert!((20_000..1 << 16).contains(&limit.table.len()), "{}", limit.table.len());
    for digest in &callers {
        assert!(!take_one(&limit, *digest, 1, at(SECOND)).0.allowed);
    }
}

#[test]
fn workers_together_never_exceed_a_limit() {
    let limits = Bench::default().limits(&json!({ "limits": {
        "a": { "rate": "5000/h" }, "b": { "quota": "1000/day" },
    } }));
    let passed = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let metadata = Metadata::new();
                let asker = asker(&metadata);
                let asks: Vec<_> =
                    limits.iter().map(|limit| Ask { limit, asker: &asker, cost: 1 }).collect();
                for _ in 0..2000 {
                    let allowed = take(&asks, at(SECOND)).iter().all(|one| one.allowed);
                    passed.fetch_add(u64::from(allowed), Relaxed);
                }
            });
        }
    });
    assert_eq!(passed.load(Relaxed), 1000);
    // What was refused has cost nothing.
    let (verdict, _) =
        take_one(&limits[0], limits[0].key.digest(&asker(&Metadata::new())), 1, at(SECOND));
    assert_eq!(verdict.remaining, 3999);
}
