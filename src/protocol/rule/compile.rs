//! Rules to a router, once a schema: what is wrong with templates and what clashes is found here,
//! and serving only sees what is right.

use std::sync::Arc;

use super::{Rule, Rules, Settings};
use crate::{
    problem::Problem,
    route::{Conflict, RouterBuilder, Template},
    schema::{Body, HttpRule, Method, Schema},
    transcode::{Plan, Plans, Slot},
};

/// Compiles every rule, in the order of methods; `settings` gives those of a method by its index.
/// There is nothing where a problem was found.
///
/// # Errors
/// Every template that is none or binds what can't be bound, and every pair of rules that match
/// the same requests.
pub fn compile<'s>(
    schema: &Schema,
    plans: &Plans,
    settings: impl Fn(usize) -> &'s Settings,
) -> Result<Rules, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut rules = Vec::new();
    let mut builder = RouterBuilder::new();
    for method in schema.methods() {
        for (index, rule) in method.rules.iter().enumerate() {
            match bind(method, index, plans, settings(method.index)) {
                Ok((bound, template)) => {
                    builder.insert(&rule.method, &template, rules.len());
                    rules.push(Arc::new(bound));
                }
                Err(problem) => problems.push(problem),
            }
        }
    }
    match builder.build() {
        Ok(router) if problems.is_empty() => return Ok(Rules { router, rules }),
        Ok(_) => {}
        Err(conflicts) => problems.extend(conflicts.iter().map(|one| tell(&rules, one))),
    }
    Err(problems)
}

fn tell(rules: &[Arc<Rule>], conflict: &Conflict) -> Problem {
    let [first, second] = [&rules[conflict.first], &rules[conflict.second]];
    let message = format!(
        "`{} {}` matches the same requests as `{} {}` of {}",
        second.source().method,
        second.template,
        first.source().method,
        first.template,
        place(&first.method, first.source()),
    );
    Problem::error(place(&second.method, second.source()), message)
        .mend("change the path or the HTTP method of one")
}

fn bind(
    method: &Arc<Method>,
    index: usize,
    plans: &Plans,
    settings: &Settings,
) -> Result<(Rule, Template), Problem> {
    let rule = &method.rules[index];
    let problem = |message: String| Problem::error(place(method, rule), message);
    let template = Template::parse(&rule.template).map_err(|error| problem(error.to_string()))?;
    let input = plans.message(&method.input);
    let input = input
        .ok_or_else(|| problem(format!("type `{}` is not known", method.input.full_name())))?;
    let mut bound = Vec::new();
    for variable in template.variables() {
        let field_path = variable.field_path().join(".");
        let slot = Slot::compile(&input, &field_path);
        bound.push(slot.map_err(|error| problem(format!("variable `{{{field_path}}}`: {error}")))?);
    }
    let numbers = template.variables().iter().map(|one| numbers(method, one.field_path()).into());
    let numbers = numbers.collect();
    bound.extend(body_slots(method, &rule.body, &input));
    let bound = Rule {
        method: method.clone(),
        index,
        template: rule.template.as_str().into(),
        input,
        settings: settings.clone(),
        bound: bound.into(),
        numbers,
    };
    Ok((bound, template))
}

/// The fields that the body fills, so that no query parameter may.
fn body_slots(method: &Method, body: &Body, input: &Plan) -> Vec<Slot> {
    let fields: Vec<_> = match body {
        Body::None => Vec::new(),
        Body::Whole => method.input.fields().map(|field| field.name().to_owned()).collect(),
        Body::Field(name) => vec![name.clone()],
    };
    fields.iter().filter_map(|name| Slot::to_field(input, name).ok()).collect()
}

/// The field numbers on the way to a field that a slot was compiled for.
fn numbers(method: &Method, field_path: &[String]) -> Vec<u32> {
    let mut message = Some(method.input.clone());
    let step = |name: &String| {
        let descriptor = message.take()?;
        let field = descriptor
            .get_field_by_name(name)
            .or_else(|| descriptor.get_field_by_json_name(name))?;
        message = field.kind().as_message().cloned();
        Some(field.number())
    };
    field_path.iter().map_while(step).collect()
}

/// Where a rule stands: its origin, which names the method or is named beside it.
pub fn place(method: &Method, rule: &HttpRule) -> String {
    if rule.origin.contains(&method.full_name) {
        rule.origin.clone()
    } else {
        format!("{}: {}", rule.origin, method.full_name)
    }
}
