//! Ejection on a clock of its own, with seeded chance.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, advance};

use super::{
    FailurePercentage, Outlier, SuccessRate,
    detect::{heed_streaks, sweep},
};
use crate::{
    error::Code,
    upstream::{Blame, Changes, Outcome, Standing},
};

fn standings(count: usize) -> Vec<Arc<Standing>> {
    let changes = Arc::new(Changes::default());
    (0..count).map(|_| Arc::new(Standing::new(changes.clone()))).collect()
}

fn ends(standing: &Standing, code: Code, blame: Blame) {
    standing.report(Outcome { code, blame, latency: Duration::from_millis(3) });
}

fn succeeds(standing: &Standing) {
    ends(standing, Code::Ok, Blame::Backend);
}

fn fails(standing: &Standing) {
    ends(standing, Code::Unavailable, Blame::Connection);
}

fn ejected(standings: &[Arc<Standing>]) -> Vec<usize> {
    let is_ejected = |place: &usize| standings[*place].ejected_until().is_some();
    (0..standings.len()).filter(is_ejected).collect()
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_eject_and_a_success_between_saves() {
    let (settings, standings) = (Outlier::default(), standings(3));
    for _ in 0..4 {
        fails(&standings[0]);
        fails(&standings[1]);
    }
    succeeds(&standings[1]);
    fails(&standings[1]);
    heed_streaks(&settings, &standings, Instant::now());
    assert_eq!(ejected(&standings), [0; 0]);
    fails(&standings[0]);
    heed_streaks(&settings, &standings, Instant::now());
    assert_eq!(ejected(&standings), [0]);
}

#[tokio::test(start_paused = true)]
async fn only_what_the_endpoint_is_to_blame_for_counts() {
    let (settings, standings) = (Outlier::default(), standings(1));
    for _ in 0..20 {
        for code in [Code::NotFound, Code::Unimplemented, Code::ResourceExhausted] {
            ends(&standings[0], code, Blame::Backend);
        }
        ends(&standings[0], Code::Cancelled, Blame::Caller);
    }
    heed_streaks(&settings, &standings, Instant::now());
    assert_eq!(ejected(&standings), [0; 0]);
    for _ in 0..5 {
        ends(&standings[0], Code::Cancelled, Blame::Caller);
        standings[0].report_connect_failure();
    }
    heed_streaks(&settings, &standings, Instant::now());
    assert_eq!(ejected(&standings), [0], "a connection that can't be made is a failure");
}

#[tokio::test(start_paused = true)]
async fn ejections_grow_with_each_and_shrink_with_good_intervals() {
    let (settings, standings) = (Outlier::default(), standings(2));
    let time = || {
        (0..5).for_each(|_| fails(&standings[0]));
        heed_streaks(&settings, &standings, Instant::now());
        standings[0].ejected_until().expect("ejected") - Instant::now()
    };
    for expected in [30, 60, 90] {
        let time = time();
        assert_eq!(time.as_secs_f64().round(), f64::from(expected));
        advance(time + Duration::from_millis(1)).await;
        assert_eq!(ejected(&standings), [0; 0]);
    }
    // Two intervals without an ejection take two of three off.
    (0..2).for_each(|_| sweep(&settings, &standings, Instant::now()));
    assert_eq!(time().as_secs_f64().round(), 60.0);
    for _ in 0..20 {
        advance(Duration::from_secs(301)).await;
        let time = time();
        assert!(time <= Duration::from_secs(300) + Duration::from_millis(1), "{time:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_are_ejected_than_may_be() {
    let all_fail = |settings: &Outlier, count| {
        let standings = standings(count);
        for standing in &standings {
            (0..5).for_each(|_| fails(standing));
        }
        heed_streaks(settings, &standings, Instant::now());
        ejected(&standings).len()
    };
    let most = |max_ejection_percent| Outlier { max_ejection_percent, ..Outlier::default() };
    assert_eq!(all_fail(&most(10), 3), 1, "one always may be");
    assert_eq!(all_fail(&most(10), 20), 2);
    assert_eq!(all_fail(&most(50), 10), 5);
    assert_eq!(all_fail(&most(0), 10), 0);
    assert_eq!(all_fail(&most(100), 10), 10);
}

/// Calls each endpoint so many times; it fails with its own probability.
fn call(standings: &[Arc<Standing>], rates: &[f64], calls: u32, random: &mut fastrand::Rng) {
    for _ in 0..calls {
        for (standing, rate) in standings.iter().zip(rates) {
            if random.f64() < *rate { fails(standing) } else { succeeds(standing) }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn success_rate_ejects_who_is_far_below_the_others_and_nobody_else() {
    let settings = Outlier {
        consecutive_errors: 0,
        success_rate: Some(SuccessRate::default()),
        ..Outlier::default()
    };
    let mut random = fastrand::Rng::with_seed(23);
    let (mut found, mut wrong) = (0, 0);
    for _ in 0..100 {
        let standings = standings(10);
        let rates = [0.02, 0.02, 0.02, 0.4, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02];
        call(&standings, &rates, 200, &mut random);
        sweep(&settings, &standings, Instant::now());
        found += usize::from(ejected(&standings) == [3]);
        wrong += ejected(&standings).iter().filter(|place| **place != 3).count();
    }
    assert_eq!((found, wrong), (100, 0));
    // Too few calls, or too few endpoints, say nothing.
    for (count, calls) in [(10, 99), (4, 500)] {
        let standings = standings(count);
        let rates: Vec<_> = (0..count).map(|place| if place == 0 { 1.0 } else { 0.0 }).collect();
        call(&standings, &rates, calls, &mut random);
        sweep(&settings, &standings, Instant::now());
        assert_eq!(ejected(&standings), [0; 0], "{count} endpoints, {calls} calls");
    }
}

#[tokio::test(start_paused = true)]
async fn failure_percentage_ejects_who_is_above_it() {
    let settings = Outlier {
        consecutive_errors: 0,
        max_ejection_percent: 100,
        failure_percentage: Some(FailurePercentage {
            threshold: 50,
            ..FailurePercentage::default()
        }),
        ..Outlier::default()
    };
    let mut random = fastrand::Rng::with_seed(29);
    let standings = standings(6);
    call(&standings, &[0.9, 0.1, 0.3, 0.7, 0.0, 1.0], 300, &mut random);
    sweep(&settings, &standings, Instant::now());
    assert_eq!(ejected(&standings), [0, 3, 5]);
    advance(Duration::from_secs(31)).await;
    assert_eq!(ejected(&standings), [0; 0]);
    // What was counted before has been taken out.
    sweep(&settings, &standings, Instant::now());
    assert_eq!(ejected(&standings), [0; 0]);
}

#[tokio::test(start_paused = true)]
async fn ejections_are_carried_out_as_often_as_is_asked_for() {
    fastrand::seed(31);
    let ejections = |settings: &Outlier| {
        let ejected = |_: &u32| {
            let standings = standings(1);
            (0..5).for_each(|_| fails(&standings[0]));
            sweep(settings, &standings, Instant::now());
            !ejected(&standings).is_empty()
        };
        (0..1000).filter(ejected).count()
    };
    let streaks = |enforcing_consecutive_errors| Outlier {
        enforcing_consecutive_errors,
        ..Outlier::default()
    };
    assert_eq!((ejections(&streaks(0)), ejections(&streaks(100))), (0, 1000));
    assert!((200..300).contains(&ejections(&streaks(25))));
    let shares = |enforcement_percentage| Outlier {
        consecutive_errors: 0,
        failure_percentage: Some(FailurePercentage {
            minimum_hosts: 1,
            request_volume: 5,
            enforcement_percentage,
            ..FailurePercentage::default()
        }),
        ..Outlier::default()
    };
    assert_eq!((ejections(&shares(0)), ejections(&shares(100))), (0, 1000));
    assert!((700..800).contains(&ejections(&shares(75))));
}
