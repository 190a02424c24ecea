//! Balancing, simulated with fixed seeds: what is asserted happens each time.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, advance};

use super::*;
use crate::{
    error::Code,
    lasting::Lasting,
    upstream::{
        Blame, Listed, Outcome, Settings,
        cluster::members,
        pool::{Endpoint, EndpointSet, Pool},
    },
};

/// Endpoints `e0:1`, `e1:1` … of these weights. Nothing is ever connected.
fn some(weights: &[u32]) -> Vec<Member> {
    let listed =
        |(at, weight): (usize, &u32)| Listed { address: format!("e{at}:1"), weight: *weight };
    let endpoints = weights.iter().enumerate().map(listed).collect();
    let settings = Settings { endpoints, ..Settings::default() };
    members(&settings, 2, Arc::new(Lasting::new())).unwrap().1
}

/// A balancing of one kind at work.
struct Simulation {
    members: Vec<Member>,
    draw: Draw,
    balancer: Box<dyn Balancer>,
    die: Die,
}

impl Simulation {
    fn new(kind: Kind, members: Vec<Member>) -> Self {
        Self::with_slow_start(kind, members, None)
    }

    fn with_slow_start(kind: Kind, members: Vec<Member>, slow_start: Option<SlowStart>) -> Self {
        let draw = Draw::new(&members, slow_start);
        let balancer = build(kind, &members, 2);
        Self { members, draw, balancer, die: Die::seeded(7) }
    }

    fn pick_for(&self, key: Option<u64>) -> usize {
        let (members, draw, die) = (&*self.members, &self.draw, &self.die);
        self.balancer.pick(&Choice { members, draw, die, worker: 0, key, now: Instant::now() })
    }

    fn pick(&self) -> usize {
        self.pick_for(None)
    }

    /// How often each is picked.
    fn counts(&self, picks: usize) -> Vec<usize> {
        let mut counts = vec![0; self.members.len()];
        (0..picks).for_each(|_| counts[self.pick()] += 1);
        counts
    }

    /// The places of these many keys.
    fn places(&self, keys: u64) -> Vec<usize> {
        (0..keys).map(|key| self.pick_for(Some(key::combine(99, key)))).collect()
    }

    fn answered(&self, place: usize, millis: u64) {
        let latency = Duration::from_millis(millis);
        let outcome = Outcome { code: Code::Ok, blame: Blame::Backend, latency };
        self.members[place].standing().report(outcome);
    }
}

/// Asserts that each count is within so many percent of what it should be.
fn assert_near(counts: &[usize], wanted: &[usize], percent: usize) {
    for (count, wanted) in counts.iter().zip(wanted) {
        let off = count.abs_diff(*wanted) * 100;
        assert!(off <= wanted * percent, "{counts:?} is not near {wanted:?}");
    }
}

#[test]
fn table_has_every_kind_once_and_default_first() {
    let kinds: Vec<Kind> = BALANCERS.iter().map(|entry| entry.kind).collect();
    let names = serde_json::to_value(schemars::schema_for!(Kind)).unwrap();
    let told = names["oneOf"].as_array().map_or(0, Vec::len);
    assert_eq!((kinds.len(), kinds[0]), (told, Kind::default()));
    for (at, kind) in kinds.iter().enumerate() {
        assert!(!kinds[..at].contains(kind), "{kind:?}");
    }
}

#[tokio::test]
async fn one_endpoint_takes_all_whatever_the_kind() {
    for entry in BALANCERS {
        let simulation = Simulation::new(entry.kind, some(&[3]));
        assert_eq!(simulation.counts(100), [100], "{:?}", entry.kind);
        assert_eq!(simulation.pick_for(Some(u64::MAX)), 0);
    }
}

#[tokio::test]
async fn idle_endpoints_share_by_weight_whatever_the_kind() {
    for entry in BALANCERS {
        let alike = Simulation::new(entry.kind, some(&[1, 1, 1, 1]));
        assert_near(&alike.counts(40_000), &[10_000; 4], 3);
        let weighted = Simulation::new(entry.kind, some(&[1, 2, 5]));
        let counts = weighted.counts(40_000);
        assert_near(&counts, &[5_000, 10_000, 25_000], 5);
    }
}

#[tokio::test]
async fn round_robin_is_exact() {
    let alike = Simulation::new(Kind::RoundRobin, some(&[1, 1, 1]));
    let picks: Vec<_> = (0..6).map(|_| alike.pick()).collect();
    assert_eq!(picks, [0, 1, 2, 0, 1, 2]);
    // By stride, in any run of rounds.
    let weighted = Simulation::new(Kind::RoundRobin, some(&[1, 3]));
    for _ in 0..5 {
        assert_near(&weighted.counts(400), &[100, 300], 2);
    }
}

#[tokio::test]
async fn least_request_prefers_the_less_loaded() {
    let simulation = Simulation::new(Kind::LeastRequest, some(&[1, 1, 1]));
    for _ in 0..5 {
        simulation.members[1].standing().enter();
    }
    // Of two it is never the busier one: it loses against both others.
    let counts = simulation.counts(9_000);
    assert!(counts[1] < 200, "{counts:?}");
    assert_near(&[counts[0], counts[2]], &[4_450, 4_450], 5);
}

#[tokio::test]
async fn least_request_keeps_slow_endpoint_at_its_pace() {
    // Each step brings five calls; the quick ones answer within a step, the slow one after twenty.
    let simulation = Simulation::new(Kind::LeastRequest, some(&[1, 1, 1]));
    let (mut counts, mut slow) = ([0_usize; 3], std::collections::VecDeque::new());
    for step in 0..2_000 {
        let calls: Vec<usize> = (0..5)
            .map(|_| {
                let place = simulation.pick();
                simulation.members[place].standing().enter();
                counts[place] += 1;
                place
            })
            .collect();
        for place in calls {
            if place == 0 {
                slow.push_back(step + 20);
            } else {
                simulation.members[place].standing().leave();
            }
        }
        while slow.front().is_some_and(|end| *end <= step) {
            slow.pop_front();
            simulation.members[0].standing().leave();
        }
    }
    let share = counts[0] * 100 / 10_000;
    assert!(share < 8, "the slow one got {share} %: {counts:?}");
}

/// The 99th percentile of what calls take, and how many of ten thousand the first endpoint gets:
/// with so many callers who wait for each answer, and a first endpoint that is `times` slower than
/// the others. Those take ten milliseconds, a third more or less.
async fn simulate(kind: Kind, count: usize, callers: usize, times: u64) -> (Duration, usize) {
    const CALLS: usize = 10_000;
    let simulation = Simulation::new(kind, some(&vec![1; count]));
    let mut random = fastrand::Rng::with_seed(5);
    let base = Instant::now();
    // When each call ends, in microseconds, where, and how long it took then.
    let mut under_way = std::collections::BinaryHeap::new();
    let (mut took, mut first) = (Vec::new(), 0);
    while took.len() < CALLS {
        while under_way.len() < callers {
            let place = simulation.pick();
            simulation.members[place].standing().enter();
            first += usize::from(place == 0);
            let micros = random.u64(7_000..13_000) * if place == 0 { times } else { 1 };
            let end = base.elapsed().as_micros() as u64 + micros;
            under_way.push((std::cmp::Reverse(end), place, micros));
        }
        let Some((std::cmp::Reverse(end), place, micros)) = under_way.pop() else { break };
        let now = base.elapsed().as_micros() as u64;
        advance(Duration::from_micros(end.saturating_sub(now))).await;
        let standing = simulation.members[place].standing();
        standing.leave();
        let latency = Duration::from_micros(micros);
        standing.report(Outcome { code: Code::Ok, blame: Blame::Backend, latency });
        took.push(latency);
    }
    took.sort_unstable();
    (took[CALLS * 99 / 100], first)
}

#[tokio::test(start_paused = true)]
async fn endpoint_that_is_20_times_slower_leaves_the_99th_percentile_within_twice() {
    for (kind, count, callers) in [
        (Kind::LeastRequest, 10, 100),
        (Kind::LeastRequest, 16, 128),
        (Kind::Ewma, 3, 8),
        (Kind::Ewma, 3, 30),
        (Kind::Ewma, 10, 100),
    ] {
        let (healthy, _) = simulate(kind, count, callers, 1).await;
        let (slow, calls) = simulate(kind, count, callers, 20).await;
        let told = format!("{kind:?} of {count}: {healthy:?}, {slow:?}, {calls} calls");
        assert!(slow <= 2 * healthy && calls > 0, "{told}");
    }
    // Least request evens calls in flight out, so of few endpoints the slow one gets too much of them
    // for that: a fortieth of three, where by chance it would get a third.
    let (_, calls) = simulate(Kind::LeastRequest, 3, 30, 20).await;
    assert!(calls < 400, "{calls}");
}

#[tokio::test]
async fn least_request_weighs_calls_in_flight() {
    let simulation = Simulation::new(Kind::LeastRequest, some(&[1, 4]));
    let mut flights = [0_u32; 2];
    for _ in 0..1_000 {
        let place = simulation.pick();
        simulation.members[place].standing().enter();
        flights[place] += 1;
    }
    assert_near(&[flights[0] as usize, flights[1] as usize], &[200, 800], 2);
}

#[tokio::test(start_paused = true)]
async fn ewma_gives_the_slow_endpoint_little_and_tries_it_again() {
    let simulation = Simulation::new(Kind::Ewma, some(&[1, 1, 1]));
    for (place, millis) in [(0, 10), (1, 200), (2, 10)] {
        simulation.answered(place, millis);
    }
    let counts = simulation.counts(9_000);
    assert!(counts[1] < 200, "{counts:?}");
    // The others are still called; what was known of the slow one grows old.
    let mut until_tried = 0;
    while until_tried < 120 {
        advance(Duration::from_secs(1)).await;
        until_tried += 1;
        simulation.answered(0, 10);
        simulation.answered(2, 10);
        if simulation.counts(100)[1] > 20 {
            break;
        }
    }
    assert!((20..60).contains(&until_tried), "tried after {until_tried} s");
}

#[tokio::test]
async fn ewma_sends_one_call_to_an_endpoint_that_never_answered() {
    let simulation = Simulation::new(Kind::Ewma, some(&[1, 1]));
    simulation.answered(0, 10);
    assert_eq!(simulation.pick(), 1);
    simulation.members[1].standing().enter();
    assert_eq!(simulation.counts(100), [100, 0]);
}

#[tokio::test]
async fn hash_moves_only_the_keys_of_who_leaves() {
    const KEYS: u64 = 20_000;
    for (kind, most) in [(Kind::RingHash, 0), (Kind::Maglev, 4)] {
        let members = some(&[1; 10]);
        let all = Simulation::new(kind, members.clone());
        let before = all.places(KEYS);
        let gone = 3;
        let fewer: Vec<_> = members
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != gone)
            .map(|(_, m)| m.clone())
            .collect();
        let after = Simulation::new(kind, fewer).places(KEYS);
        let (mut left, mut moved) = (0, 0);
        for (before, after) in before.iter().zip(&after) {
            // The places behind the one that left are one less.
            let after = after + usize::from(*after >= gone);
            left += usize::from(*before == gone);
            moved += usize::from(*before != gone && after != *before);
        }
        let share = left * 100 / KEYS as usize;
        assert!((7..=13).contains(&share), "{kind:?}: it had {share} % of the keys");
        let moved = moved * 100 / KEYS as usize;
        assert!(moved <= most, "{kind:?}: {moved} % of the keys moved besides");
    }
}

#[tokio::test]
async fn hash_does_not_depend_on_the_order_of_the_set() {
    for kind in [Kind::RingHash, Kind::Maglev] {
        let members = some(&[1, 2, 3, 4]);
        let mut reversed = members.clone();
        reversed.reverse();
        let there = Simulation::new(kind, members).places(1_000);
        let back = Simulation::new(kind, reversed).places(1_000);
        assert!(there.iter().zip(&back).all(|(there, back)| *there == 3 - *back), "{kind:?}");
    }
}

#[tokio::test]
async fn hash_spreads_keys_by_weight() {
    for (kind, percent) in [(Kind::RingHash, 20), (Kind::Maglev, 5)] {
        let simulation = Simulation::new(kind, some(&[1, 1, 2]));
        let mut counts = [0; 3];
        simulation.places(40_000).into_iter().for_each(|place| counts[place] += 1);
        assert_near(&counts, &[10_000, 10_000, 20_000], percent);
    }
}

#[tokio::test(start_paused = true)]
async fn slow_start_gives_the_new_one_its_share_little_by_little() {
    let slow_start =
        SlowStart { window: Duration::from_secs(100), aggression: 1.0, min_weight: 10 };
    for kind in [Kind::Random, Kind::RoundRobin, Kind::LeastRequest, Kind::Ewma] {
        let mut members = some(&[1, 1]);
        advance(Duration::from_secs(200)).await;
        members[1] = some(&[1, 1]).pop().unwrap();
        let simulation = Simulation::with_slow_start(kind, members, Some(slow_start.clone()));
        let mut shares = Vec::new();
        for _ in 0..3 {
            let counts = simulation.counts(10_000);
            shares.push(counts[1] * 100 / 10_000);
            advance(Duration::from_secs(50)).await;
        }
        // 0.1 of 1.1, 0.5 of 1.5, and half.
        let by_chance = matches!(kind, Kind::Random | Kind::RoundRobin);
        if by_chance {
            assert_near(&shares, &[9, 33, 50], 12);
        }
        assert!(shares.is_sorted() && shares[0] < 25, "{kind:?}: {shares:?}");
        assert_near(&shares[2..], &[50], 4);
    }
}

#[test]
fn slow_start_grows_quicker_with_aggression() {
    let start =
        |aggression| SlowStart { window: Duration::from_secs(100), aggression, min_weight: 10 };
    let warmth = |aggression, seconds| start(aggression).warmth(Duration::from_secs(seconds));
    assert_eq!((warmth(1.0, 0), warmth(1.0, 50), warmth(1.0, 100)), (0.1, 0.5, 1.0));
    assert_eq!(warmth(2.0, 25), 0.5);
    assert!(warmth(0.5, 50) < 0.26);
}

/// A pool with these members, and how the members' places in it are called.
fn pool(members: &[Member], panic_threshold: u8) -> Pool {
    let changes = members[0].endpoint.standing().changes().clone();
    let spread = Spread { panic_threshold, ..Spread::default() };
    let pool = Pool::new(spread, 2, changes);
    pool.replace(EndpointSet::new(members.to_vec()));
    pool
}

fn names(pool: &Pool) -> Vec<String> {
    pool.ready().members.iter().map(|member| member.name().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn unhealthy_and_ejected_are_passed_over_until_they_are_back() {
    use crate::upstream::Health;
    let members = some(&[1; 4]);
    let pool = pool(&members, 50);
    members[0].standing().set_health(Health::Unhealthy);
    members[2].standing().eject(Instant::now() + Duration::from_secs(30));
    assert_eq!(names(&pool), ["e1:1", "e3:1"]);
    advance(Duration::from_secs(31)).await;
    assert_eq!(names(&pool), ["e1:1", "e2:1", "e3:1"]);
    members[0].standing().set_health(Health::Healthy);
    assert_eq!(names(&pool).len(), 4);
}

#[tokio::test]
async fn panic_below_the_threshold_calls_all() {
    use crate::upstream::Health;
    for (threshold, unhealthy, called) in
        [(50, 2, 2), (50, 3, 4), (50, 4, 4), (0, 3, 1), (0, 4, 0), (100, 1, 4)]
    {
        let members = some(&[1; 4]);
        let pool = pool(&members, threshold);
        for member in &members[..unhealthy] {
            member.standing().set_health(Health::Unhealthy);
        }
        let ready = pool.ready();
        let panics = called == 4;
        assert_eq!(
            (ready.members.len(), ready.panics),
            (called, panics),
            "{threshold} {unhealthy}"
        );
    }
}

#[tokio::test]
async fn smaller_priority_number_is_called_while_it_can_be() {
    use crate::upstream::Health;
    let mut members = some(&[1; 4]);
    members[2].priority = 10;
    members[3].priority = 10;
    let pool = pool(&members, 0);
    assert_eq!(names(&pool), ["e0:1", "e1:1"]);
    members[0].standing().set_health(Health::Unhealthy);
    assert_eq!(names(&pool), ["e1:1"]);
    members[1].standing().set_health(Health::Unhealthy);
    assert_eq!(names(&pool), ["e2:1", "e3:1"]);
}

#[tokio::test]
async fn endpoint_that_was_taken_out_is_shown_while_calls_hold_it() {
    let members = some(&[1; 3]);
    let pool = pool(&members, 50);
    let busy: Arc<Endpoint> = members[1].endpoint.clone();
    busy.standing().enter();
    pool.replace(EndpointSet::new([members[0].clone()]));
    assert_eq!(names(&pool), ["e0:1"]);
    let leaving: Vec<_> = pool.leaving();
    assert_eq!(leaving, [(busy.name().clone(), 1)]);
    busy.standing().leave();
    assert!(pool.leaving().is_empty());
}
