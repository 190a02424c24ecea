//! What is remembered of one caller: 64 bits, whose meaning the limit's measure gives.
//!
//! ```text
//! rate         when the bucket will be full again, in nanoseconds (GCRA: the theoretical arrival time)
//! quota        the number of the window in 24 bits, how much was used in it in 40
//! concurrency  how many calls are in flight
//! ```
//!
//! 0 is a caller of whom nothing is known, in each of them. A rate needs no bucket that somebody
//! fills: a call that costs `c` moves the time by `c` intervals, and is refused if it would then be
//! further ahead than a whole bucket is.
//!
//! A limit that is configured anew keeps what was used. Who has to wait for a full bucket goes on
//! waiting as long as before, but never longer than the new bucket takes; what was used of a quota
//! stays used.

use std::{
    sync::LazyLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::calendar;
use crate::stage::rate_limit::{
    amount::{MOST, Measure, Quota},
    count::Verdict,
};

/// What a caller without a place is told about when one may be free: nobody knows.
const SOON: Duration = Duration::from_secs(1);

/// What time it is, by both clocks.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::stage::rate_limit) struct Now {
    /// Nanoseconds of a clock that never goes back.
    pub(in crate::stage::rate_limit) nanos: u64,
    /// Seconds since 1970 by a clock that is set right now and then.
    pub(in crate::stage::rate_limit) unix: u64,
}

impl Now {
    /// What time it is, by both: which one a limit goes by is its measure's to say.
    pub(in crate::stage::rate_limit) fn read() -> Self {
        static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // A u64 of nanoseconds lasts 584 years.
        Self { nanos: BEGAN.elapsed().as_nanos() as u64, unix: unix.as_secs() }
    }
}

/// Whether nothing would be lost if the state were forgotten.
pub(super) fn is_idle(measure: Measure, state: u64, now: Now) -> bool {
    match measure {
        Measure::Rate { .. } => state <= now.nanos,
        Measure::Quota(quota) => state >> 40 < calendar::window(quota.window, now.unix).0,
        Measure::Concurrency { .. } => state == 0,
    }
}

/// The verdict on a call of this cost, and the state after it.
pub(super) fn judge(measure: Measure, state: u64, cost: u64, now: Now) -> (Verdict, u64) {
    match measure {
        Measure::Rate { interval, burst } => judge_rate(interval, burst, state, cost, now.nanos),
        Measure::Quota(quota) => judge_quota(quota, state, cost, now.unix),
        Measure::Concurrency { most } => {
            let allowed = state + cost <= most;
            let after = if allowed { state + cost } else { state };
            let retry_after = if allowed { Duration::ZERO } else { SOON };
            let remaining = most.saturating_sub(after);
            (Verdict { allowed, remaining, reset: Duration::ZERO, retry_after }, after)
        }
    }
}

/// The generic cell rate algorithm as a virtual schedule (ITU-T I.371, annex A).
fn judge_rate(interval: u64, burst: u64, state: u64, cost: u64, now: u64) -> (Verdict, u64) {
    let whole = interval * burst;
    // How far ahead the schedule is: at most a whole bucket, if this limit had another rate before.
    let ahead = state.saturating_sub(now).min(whole);
    let wanted = ahead.saturating_add(interval.saturating_mul(cost));
    let allowed = wanted <= whole;
    let after = if allowed { wanted } else { ahead };
    let verdict = Verdict {
        allowed,
        remaining: (whole - after) / interval,
        reset: Duration::from_nanos(after),
        retry_after: Duration::from_nanos(if allowed { 0 } else { wanted - whole }),
    };
    (verdict, now + after)
}

fn judge_quota(quota: Quota, state: u64, cost: u64, unix: u64) -> (Verdict, u64) {
    let (current, left) = calendar::window(quota.window, unix);
    let (known, used) = (state >> 40, state & MOST);
    let (window, used) = match known {
        _ if known < current => (current, 0),
        // The clock went back over midnight: the new window has begun and stays so.
        _ if known <= current + 1 => (known, used),
        // It was far ahead by mistake, and is right now: nothing is given back for that.
        _ => (current, used),
    };
    let wanted = used.saturating_add(cost);
    let allowed = wanted <= quota.number;
    let after = if allowed { wanted } else { used };
    let verdict = Verdict {
        allowed,
        remaining: quota.number.saturating_sub(after),
        reset: left,
        retry_after: if allowed { Duration::ZERO } else { left },
    };
    (verdict, window << 40 | after)
}

/// The state after a cost was given back that had been taken of it.
pub(super) fn give_back(measure: Measure, state: u64, cost: u64) -> u64 {
    match measure {
        Measure::Rate { interval, .. } => state.saturating_sub(interval * cost),
        Measure::Quota(_) => state - (state & MOST).min(cost),
        Measure::Concurrency { .. } => state.saturating_sub(cost),
    }
}
