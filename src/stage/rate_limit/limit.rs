//! A limit, ready to be asked.

use std::{sync::Arc, time::Duration};

use super::{
    amount::{Measure, Window},
    key::Key,
    local::{LEAST, Table},
    settings,
};
use crate::{
    meter::{Counter, Meter, RATE_LIMIT_CROWDED, RATE_LIMITED},
    stage::{Blueprint, Finding},
};

/// The most that a bucket may hold: more can't stand in a structured field, and is no limit.
const MOST: u64 = 1_000_000_000;

/// The longest that a bucket may take to be full again.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// The most seconds that a month has.
const MONTH: u64 = 31 * 24 * 3600;

/// What is allowed, to whom.
pub struct Limit {
    /// What callers and operators know it by: `per_caller`, and `gold.daily` of the plan `gold`.
    pub name: Box<str>,
    /// Where it is written, `services["a.b.*"].rate_limit.limits.per_caller`: methods that share it
    /// share what is counted.
    pub place: Box<str>,
    /// How much it allows.
    pub measure: Measure,
    /// By what it tells callers apart.
    pub key: Key,
    /// Whether it only looks on.
    pub shadow: bool,
    /// How many callers it tells apart at most.
    pub(super) max_keys: u32,
    /// What was used, by this process' count.
    pub(super) table: Arc<Table>,
    /// What it did.
    pub(super) counts: Counts,
}

/// What a limit did to calls.
pub(super) struct Counts {
    /// It let them through.
    pub(super) allowed: Arc<Counter>,
    /// It refused them.
    pub(super) limited: Arc<Counter>,
    /// It would have refused them.
    pub(super) shadowed: Arc<Counter>,
    /// It counted them together with those of others.
    pub(super) crowded: Arc<Counter>,
}

/// What limits are made with.
pub(super) struct Making<'a> {
    pub(super) blueprint: &'a Blueprint<'a>,
    pub(super) settings: &'a settings::Settings,
}

impl Making<'_> {
    /// Every limit that holds for all callers.
    pub(super) fn limits(&self) -> Result<Vec<(bool, Arc<Limit>)>, Finding> {
        let limits = self.settings.limits.iter();
        limits.map(|(name, written)| self.limit("limits", name, name.clone(), written)).collect()
    }

    /// Every limit of a plan.
    pub(super) fn plan(&self, plan: &str) -> Result<Vec<(bool, Arc<Limit>)>, Finding> {
        check_name(plan).map_err(|problem| (format!("plans.{plan}"), problem))?;
        let limits = self.settings.plans.get(plan).into_iter().flatten();
        let base = format!("plans.{plan}");
        let limit = |(name, written): (&String, &settings::Limit)| {
            let mut written = written.clone();
            written.key.get_or_insert_with(|| vec![settings::Part::Principal]);
            // Nobody's plan is known before the caller is.
            written.admitted = true;
            self.limit(&base, name, format!("{plan}.{name}"), &written)
        };
        limits.map(limit).collect()
    }

    /// A limit, and whether it waits for callers to be let in.
    fn limit(
        &self,
        base: &str,
        name: &str,
        known_as: String,
        written: &settings::Limit,
    ) -> Result<(bool, Arc<Limit>), Finding> {
        let path = format!("{base}.{name}");
        let inside = |(inside, problem): Finding| {
            let separator = if inside.is_empty() || inside.starts_with('[') { "" } else { "." };
            (format!("{path}{separator}{inside}"), problem)
        };
        check_name(name).map_err(|problem| (path.clone(), problem))?;
        let measure = measure(written).map_err(inside)?;
        self.check_cost(measure, &path)?;
        let key = Key::compile(written.key.as_deref().unwrap_or_default(), self.blueprint.method)
            .map_err(|(at, problem)| inside((format!("key{at}"), problem)))?;
        let place = (self.blueprint.places)(&path);
        let kind = match measure {
            Measure::Rate { .. } => "rate",
            Measure::Quota(quota) if quota.window == Window::Day => "day",
            Measure::Quota(_) => "month",
            Measure::Concurrency { .. } => "concurrency",
        };
        let lasting = self.blueprint.lasting;
        let table = lasting.keep(&format!("rate limit {kind} {place}"), Table::new);
        let meter = Meter::of(lasting, []);
        let count = |result: &str| meter.counter(&RATE_LIMITED, &[&known_as, result]);
        let counts = Counts {
            allowed: count("allowed"),
            limited: count("limited"),
            shadowed: count("shadowed"),
            crowded: meter.counter(&RATE_LIMIT_CROWDED, &[&known_as]),
        };
        // What somebody says who may not call isn't even read.
        let waits = written.admitted || key.needs_caller() || key.needs_message();
        let limit = Limit {
            name: known_as.into(),
            place: place.into(),
            measure,
            key,
            shadow: written.shadow,
            max_keys: self.settings.max_keys.max(LEAST),
            table,
            counts,
        };
        Ok((waits, Arc::new(limit)))
    }

    /// A call that costs more than there ever is would never be allowed.
    fn check_cost(&self, measure: Measure, path: &str) -> Result<(), Finding> {
        let (cost, whole) = (self.settings.cost, measure.whole());
        if cost <= whole || matches!(measure, Measure::Concurrency { .. }) {
            return Ok(());
        }
        let problem = format!(
            "a call costs {cost}, but `{path}` never has more than {whole}: write a lower cost, or \
             a higher burst or quota"
        );
        Err(("cost".into(), problem))
    }
}

impl Limit {
    /// What the limit allows, for `RateLimit-Policy`: `"per_caller";q=100;w=60`.
    pub(super) fn policy(&self) -> String {
        let name = &self.name;
        match self.measure {
            Measure::Rate { interval, burst } => {
                let window = Duration::from_nanos(interval * burst);
                format!("\"{name}\";q={burst};w={}", whole_seconds(window).max(1))
            }
            Measure::Quota(quota) => {
                let window = if quota.window == Window::Day { 24 * 3600 } else { MONTH };
                format!("\"{name}\";q={};w={window}", quota.number)
            }
            Measure::Concurrency { most } => {
                format!("\"{name}\";q={most};qu=\"concurrent-requests\"")
            }
        }
    }

    /// The same in words.
    pub(super) fn in_words(&self) -> String {
        match self.measure {
            Measure::Rate { interval, burst } => {
                let window = Duration::from_nanos(interval * burst);
                format!("{burst} in {}", humantime::format_duration(rounded(window)))
            }
            Measure::Quota(quota) => {
                let window = if quota.window == Window::Day { "day" } else { "month" };
                format!("{} a {window}", quota.number)
            }
            Measure::Concurrency { most } => format!("{most} at once"),
        }
    }
}

/// Seconds, rounded up.
pub(super) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// What is rounded to nanoseconds inside needn't be told.
fn rounded(window: Duration) -> Duration {
    Duration::from_millis((window.as_micros() as u64 + 500) / 1000)
}

fn check_name(name: &str) -> Result<(), String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    match !name.is_empty() && name.len() <= 64 && name.bytes().all(fits) {
        true => Ok(()),
        false => Err(format!("`{name}` is no name here; write letters, digits, `_` and `-`")),
    }
}

fn measure(written: &settings::Limit) -> Result<Measure, Finding> {
    let settings::Limit { rate, burst, quota, concurrency, .. } = written;
    let finding = |path: &str, problem: &str| Err((path.to_owned(), problem.to_owned()));
    let measure = match (rate, quota, concurrency) {
        (Some(rate), None, None) => {
            let burst = burst.unwrap_or(rate.number);
            if !(1..=MOST).contains(&burst) {
                return finding("burst", &format!("write a number from 1 to {MOST}"));
            }
            let whole = u128::from(rate.interval()) * u128::from(burst);
            if whole > LONGEST.as_nanos() {
                let problem = "it takes more than a year until that is there again; write less";
                return finding("burst", problem);
            }
            return Ok(Measure::Rate { interval: rate.interval(), burst });
        }
        (None, Some(quota), None) => Measure::Quota(*quota),
        (None, None, Some(0)) => return finding("concurrency", "write at least 1"),
        (None, None, Some(most)) if *most > MOST => {
            return finding("concurrency", &format!("write at most {MOST}"));
        }
        (None, None, Some(most)) => Measure::Concurrency { most: *most },
        (None, None, None) => {
            let problem = "nothing says how much is allowed: add `rate`, `quota` or `concurrency`";
            return finding("", problem);
        }
        _ => {
            let problem =
                "`rate`, `quota` and `concurrency` are limits of their own: give each a name";
            return finding("", problem);
        }
    };
    match burst {
        Some(_) => finding("burst", "only a `rate` has a burst; take it away"),
        None => Ok(measure),
    }
}
