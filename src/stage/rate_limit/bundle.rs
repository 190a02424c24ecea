//! The limits that hold for a call together, and what is precomputed of them.

use std::{collections::HashMap, sync::Arc};

use http::HeaderValue;

use super::{
    amount::Measure,
    key::Asker,
    limit::{Limit, Making},
};
use crate::stage::Finding;

/// Limits that hold together.
pub(super) struct Bundle {
    /// Rates and quotas, which a store counts.
    pub(super) counted: Box<[Arc<Limit>]>,
    /// How many calls may be in flight.
    pub(super) in_flight: Box<[Arc<Limit>]>,
    /// `RateLimit-Policy`, if callers are told.
    pub(super) policy: Option<HeaderValue>,
}

/// What holds for every caller, and what for those of a plan, the former included.
pub(super) struct Bundles {
    everybody: Bundle,
    plans: HashMap<Box<str>, Bundle>,
    default_plan: Option<Box<str>>,
}

impl Bundle {
    fn new(limits: impl Iterator<Item = Arc<Limit>>, headers: bool) -> Self {
        let is_counted = |limit: &Arc<Limit>| !matches!(limit.measure, Measure::Concurrency { .. });
        let (counted, in_flight): (Vec<_>, Vec<_>) = limits.partition(is_counted);
        let told = counted.iter().chain(&in_flight).filter(|limit| headers && !limit.shadow);
        let told: Vec<_> = told.map(|limit| limit.policy()).collect();
        // Names are checked, so that the whole can stand in a header.
        let policy = HeaderValue::try_from(told.join(", ")).ok().filter(|told| !told.is_empty());
        Self { counted: counted.into(), in_flight: in_flight.into(), policy }
    }

    fn is_empty(&self) -> bool {
        self.counted.is_empty() && self.in_flight.is_empty()
    }

    fn limits(&self) -> impl Iterator<Item = &Arc<Limit>> {
        self.counted.iter().chain(&self.in_flight)
    }
}

impl Bundles {
    /// The limits that wait for callers to be let in, or those that don't.
    pub(super) fn compile(making: &Making<'_>, waiting: bool) -> Result<Self, Finding> {
        let headers = making.settings.headers;
        let common = making.limits()?;
        let common = || common.iter().filter(|(waits, _)| *waits == waiting).map(|(_, one)| one);
        let everybody = Bundle::new(common().cloned(), headers);
        let mut plans = HashMap::new();
        for plan in making.settings.plans.keys() {
            let own = making.plan(plan)?;
            if waiting {
                let all = common().cloned().chain(own.into_iter().map(|(_, limit)| limit));
                plans.insert(Box::from(&**plan), Bundle::new(all, headers));
            }
        }
        let default_plan = making.settings.default_plan.as_deref();
        if let Some(plan) = default_plan.filter(|plan| !making.settings.plans.contains_key(*plan)) {
            let problem = format!("there is no plan `{plan}` among `plans`");
            return Err(("default_plan".into(), problem));
        }
        Ok(Self { everybody, plans, default_plan: default_plan.map(Box::from) })
    }

    /// Whether nothing is limited.
    pub(super) fn is_empty(&self) -> bool {
        self.everybody.is_empty() && self.plans.values().all(Bundle::is_empty)
    }

    /// Whether a limit looks at addresses.
    pub(super) fn need_address(&self) -> bool {
        self.limits().any(|limit| limit.key.needs_address())
    }

    /// Whether a limit looks at the first message.
    pub(super) fn need_message(&self) -> bool {
        self.limits().any(|limit| limit.key.needs_message())
    }

    fn limits(&self) -> impl Iterator<Item = &Arc<Limit>> {
        self.plans.values().chain([&self.everybody]).flat_map(Bundle::limits)
    }

    /// What holds for a caller.
    pub(super) fn of(&self, asker: &Asker<'_>) -> &Bundle {
        if self.plans.is_empty() {
            return &self.everybody;
        }
        let own = asker.plan().and_then(|plan| self.plans.get(plan));
        let default = || self.plans.get(self.default_plan.as_deref()?);
        own.or_else(default).unwrap_or(&self.everybody)
    }
}
