//! google.api.http rules as every door that has paths needs them: which method a path means, and
//! what path and query set in its message.
//!
//! ```text
//! GET /v1/{name=shelves/*}/books?page_size=2   ─►  rule, name = "shelves/7"   ─►  wire bytes
//! ```
//!
//! They are compiled once a schema and shared; what a door makes of bodies is its own.

mod collision;
mod compile;
pub mod fault;
mod parameters;
mod settings;

use std::sync::Arc;

use http::Method as HttpMethod;

pub use self::{
    compile::{compile, place},
    settings::{OnCollision, Settings, UnknownParameters},
};
use crate::{
    route::{Captures, Found, Router},
    schema::{HttpRule, Method},
    transcode::{Plan, Slot},
};

/// Every rule of a schema, with the router that finds them.
pub struct Rules {
    router: Router,
    /// By the router's route number.
    rules: Vec<Arc<Rule>>,
}

/// One rule bound to its method.
pub struct Rule {
    /// What is called.
    pub method: Arc<Method>,
    /// Which of the method's rules this is: an index of [`Method::rules`].
    pub index: usize,
    /// The path template as written, for the log.
    pub template: Arc<str>,
    /// The request message's plan.
    pub input: Plan,
    /// What becomes of parameters that don't fit.
    pub settings: Settings,
    /// The fields that no query parameter sets: what each variable of the template binds, in the
    /// template's order, and then what the body fills.
    bound: Box<[Slot]>,
    /// The field numbers on the way to the field of each variable.
    numbers: Box<[Box<[u32]>]>,
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

    /// The rule of this number.
    pub fn rule(&self, id: usize) -> &Arc<Rule> {
        &self.rules[id]
    }

    /// Every rule, in the order of numbers.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.rules.iter()
    }
}

impl Rule {
    /// The rule as the schema has it.
    pub fn source(&self) -> &HttpRule {
        &self.method.rules[self.index]
    }
}
