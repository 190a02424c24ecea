//! The HTTP routes: every binding of every method, compiled and free of conflicts.

use std::sync::Arc;

use crate::{
    problem::Problem,
    route::{Router, RouterBuilder, Template},
    schema::{HttpRule, Method, Schema},
};

/// One binding.
#[derive(Clone, Debug)]
pub struct Route {
    /// The method behind it.
    pub method: Arc<Method>,
    /// Which of the method's rules it is.
    pub rule: usize,
    /// The rule's template, parsed.
    pub template: Template,
}

impl Route {
    /// The rule as written.
    pub fn http_rule(&self) -> &HttpRule {
        &self.method.rules[self.rule]
    }
}

/// All bindings, and the router whose ids are their positions.
#[derive(Debug)]
pub struct Routes {
    /// The bindings, in the order of the schema.
    pub all: Vec<Route>,
    /// From a request to a position in `all`.
    pub router: Router,
}

/// Compiles every rule; none if there are errors.
pub(super) fn compile(schema: &Schema, problems: &mut Vec<Problem>) -> Option<Routes> {
    let mut all = Vec::new();
    let mut builder = RouterBuilder::new();
    let mut sound = true;
    for method in schema.methods() {
        for (index, rule) in method.rules.iter().enumerate() {
            match Template::parse(&rule.template) {
                Ok(template) => {
                    builder.insert(&rule.method, &template, all.len());
                    all.push(Route { method: method.clone(), rule: index, template });
                }
                Err(error) => {
                    sound = false;
                    problems.push(Problem::error(place(method, rule), error.to_string()));
                }
            }
        }
    }
    match builder.build() {
        Ok(router) => sound.then_some(Routes { all, router }),
        Err(conflicts) => {
            for conflict in conflicts {
                let (first, second) = (&all[conflict.first], &all[conflict.second]);
                let (rule, other) = (second.http_rule(), first.http_rule());
                let message = format!(
                    "`{} {}` matches the same requests as `{} {}` of {}",
                    rule.method,
                    rule.template,
                    other.method,
                    other.template,
                    place(&first.method, other),
                );
                let problem = Problem::error(place(&second.method, rule), message);
                problems.push(problem.mend("change the path or the HTTP method of one"));
            }
            None
        }
    }
}

/// Where a rule stands: its origin, which names the method or is named beside it.
fn place(method: &Method, rule: &HttpRule) -> String {
    if rule.origin.contains(&method.full_name) {
        rule.origin.clone()
    } else {
        format!("{}: {}", rule.origin, method.full_name)
    }
}
