//! google.api.http rules as every door that has paths needs them: which method a path means, and
//! what path and query set in its message.
//!
//! ```text
//! GET /v1/{name=shelves/*}/books?page_size=2   ─►  rule, name = "shelves/7"   ─►  wire bytes
//! ```
//!
//! They are checked once a schema and shared; what a door makes of bodies is its own. A schema may
//! have thousands of rules of which a day's traffic uses ten: what serving needs of a rule is made
//! when it is used first.

mod collision;
mod compile;
mod erase;
pub mod fault;
mod parameters;
mod record;
mod settings;

use std::sync::Arc;

use http::Method as HttpMethod;

pub use self::{
    compile::{compile, place},
    settings::{OnCollision, Settings, UnknownParameters},
};
use super::MethodPolicy;
use crate::{
    first_use::FirstUse,
    route::{Allowed, Captures, Found, Router},
    schema::{HttpRule, Method},
    transcode::{Plan, Plans, Slot},
};

/// Every rule of a schema, with the router that finds them.
pub struct Rules {
    router: Router,
    /// By the router's route number.
    rules: Box<[Source]>,
    /// What has been used of them.
    used: FirstUse<Arc<Rule>>,
    plans: Plans,
    /// By `Method::index`.
    policies: Arc<[Arc<MethodPolicy>]>,
}

/// Where a rule stands in the schema: it is sound, and compiled when it is used.
struct Source {
    method: Arc<Method>,
    index: u32,
}

/// One rule bound to its method.
pub struct Rule {
    /// What is called.
    pub method: Arc<Method>,
    /// The rule as the schema has it.
    pub source: HttpRule,
    /// The request message's plan.
    pub input: Plan,
    /// What becomes of parameters that don't fit.
    pub settings: Settings,
    /// The fields that no query parameter sets: what each variable of the template binds, in the
    /// template's order, and then what the body fills.
    bound: Box<[Slot]>,
    /// The field of each variable as it stands on the wire.
    variables: Box<[Variable]>,
}

/// The field that a variable of the template binds, as it stands on the wire.
struct Variable {
    /// The field numbers on the way to it.
    numbers: Box<[u32]>,
    leaf: collision::Leaf,
}

impl Rules {
    /// The rule that a request matches, by [`Self::rule`]'s number.
    pub fn find<'p>(
        &self,
        method: &HttpMethod,
        path: &'p str,
        captures: &mut Captures<'p>,
    ) -> Found {
        self.router.find(method, path, captures)
    }

    /// The rule of a path for callers whose protocol names no method: that of GET where the most
    /// specific template has one, else the one that was declared first.
    pub fn find_any<'p>(&self, path: &'p str, captures: &mut Captures<'p>) -> Option<&Arc<Rule>> {
        self.router.find_any(path, captures).map(|id| self.rule(id))
    }

    /// The HTTP methods that a path answers; none if no rule fits it.
    pub fn allowed(&self, path: &str) -> Option<Allowed> {
        self.router.allowed(path)
    }

    /// The rule of this number.
    pub fn rule(&self, id: usize) -> &Arc<Rule> {
        self.used.ask(id, || {
            let (method, rule) = self.rules[id].parts();
            let settings = &self.policies[method.index].parameters;
            let bound = compile::bind(method, rule, &self.plans, settings);
            let (rule, _) = bound.expect("what was sound at the start still is");
            Arc::new(rule)
        })
    }

    /// How many rules there are; their numbers lie below.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Every rule as the schema has it, in the order of numbers.
    pub fn sources(&self) -> impl Iterator<Item = (&Arc<Method>, &HttpRule)> {
        self.rules.iter().map(Source::parts)
    }
}

impl Source {
    fn parts(&self) -> (&Arc<Method>, &HttpRule) {
        (&self.method, &self.method.rules[self.index as usize])
    }
}
