//! Who is ejected, and for how long: gRFC A50's algorithm on the standings of a cluster.
//!
//! The clock is the caller's. All that is remembered stands with the endpoints, so it outlives
//! the configuration.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use tokio::time::Instant;

use super::settings::{FailurePercentage, Outlier, SuccessRate};
use crate::upstream::standing::Standing;

/// The standings of a cluster's endpoints, to be judged together.
pub(super) type Standings = [Arc<Standing>];

/// Ejects those that failed too often in a row.
pub(super) fn heed_streaks(settings: &Outlier, standings: &Standings, now: Instant) {
    if settings.consecutive_errors == 0 {
        return;
    }
    for standing in standings {
        let record = standing.record();
        if record.streak() >= settings.consecutive_errors {
            record.end_streak();
            if is_enforced(settings.enforcing_consecutive_errors) {
                eject(settings, standings, standing, now);
            }
        }
    }
}

/// What is due once an interval.
pub(super) fn sweep(settings: &Outlier, standings: &Standings, now: Instant) {
    let counts: Vec<_> = standings.iter().map(|standing| standing.record().take()).collect();
    if let Some(rate) = &settings.success_rate {
        let found = below_the_usual(rate, &counts).into_iter();
        for place in found.filter(|_| is_enforced(rate.enforcement_percentage)) {
            eject(settings, standings, &standings[place], now);
        }
    }
    if let Some(percentage) = &settings.failure_percentage {
        let found = above_the_threshold(percentage, &counts).into_iter();
        for place in found.filter(|_| is_enforced(percentage.enforcement_percentage)) {
            eject(settings, standings, &standings[place], now);
        }
    }
    heed_streaks(settings, standings, now);
    for standing in standings.iter().filter(|standing| standing.ejected_until().is_none()) {
        // Whoever has come back is warmed up, and forgiven interval by interval.
        standing.restore();
        let forgive = |times: u32| times.checked_sub(1);
        let _ = standing.record().multiplier.fetch_update(Relaxed, Relaxed, forgive);
    }
}

/// Whether an ejection is carried out, of which so many of a hundred are.
fn is_enforced(percent: u32) -> bool {
    fastrand::u32(0..100) < percent
}

/// Ejects one, if it isn't and as many others are not.
fn eject(settings: &Outlier, standings: &Standings, standing: &Standing, now: Instant) {
    let ejected = standings.iter().filter(|standing| standing.ejected_until().is_some()).count();
    let most = settings.max_ejection_percent as usize;
    if standing.ejected_until().is_some() || ejected * 100 >= most * standings.len() {
        return;
    }
    let times = standing.record().multiplier.fetch_add(1, Relaxed) + 1;
    let longest = settings.max_ejection_time.max(settings.base_ejection_time);
    let time = settings.base_ejection_time.saturating_mul(times).min(longest);
    standing.eject(now + time);
}

/// The places of those whose share of successes is far below the mean.
fn below_the_usual(settings: &SuccessRate, counts: &[(u32, u32)]) -> Vec<usize> {
    let rates = shares(counts, settings.request_volume, |successes, _| successes);
    if rates.len() < settings.minimum_hosts.max(1) as usize {
        return Vec::new();
    }
    let count = rates.len() as f64;
    let mean = rates.iter().map(|(_, rate)| rate).sum::<f64>() / count;
    let variance = rates.iter().map(|(_, rate)| (rate - mean).powi(2)).sum::<f64>() / count;
    let least = mean - variance.sqrt() * settings.stdev_factor;
    rates.into_iter().filter(|(_, rate)| *rate < least).map(|(place, _)| place).collect()
}

/// The places of those that fail more often than they may.
fn above_the_threshold(settings: &FailurePercentage, counts: &[(u32, u32)]) -> Vec<usize> {
    let rates = shares(counts, settings.request_volume, |_, failures| failures);
    if rates.len() < settings.minimum_hosts.max(1) as usize {
        return Vec::new();
    }
    let most = f64::from(settings.threshold) / 100.0;
    rates.into_iter().filter(|(_, rate)| *rate > most).map(|(place, _)| place).collect()
}

/// The share of `part` among the calls of each that had calls enough, with its place.
fn shares(counts: &[(u32, u32)], volume: u32, part: impl Fn(u32, u32) -> u32) -> Vec<(usize, f64)> {
    let share = |(place, (successes, failures)): (usize, &(u32, u32))| {
        let all = successes.saturating_add(*failures);
        let enough = all >= volume.max(1);
        enough.then(|| (place, f64::from(part(*successes, *failures)) / f64::from(all)))
    };
    counts.iter().enumerate().filter_map(share).collect()
}
