//! Rules to a router, once a schema: what is wrong with templates and what clashes is found here,
//! and serving only sees what is right.

use std::sync::Arc;

use super::{MethodPolicy, Rule, Rules, Settings, Source, Variable, collision::Leaf};
use crate::{
    first_use::FirstUse,
    problem::Problem,
    route::{Conflict, RouterBuilder, Template},
    schema::{Body, HttpMethod, HttpRule, Method, Schema},
    transcode::{Plan, Plans, Slot},
};

/// Checks every rule, in the order of methods; `policies` are indexed by `Method::index`. There is
/// nothing where a problem was found.
///
/// # Errors
/// Every template that is none or binds what can't be bound, and every pair of rules that match
/// the same requests.
pub fn compile(
    schema: &Schema,
    plans: &Plans,
    policies: &Arc<[Arc<MethodPolicy>]>,
) -> Result<Rules, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut rules = Vec::with_capacity(schema.rules().count());
    let mut builder = RouterBuilder::for_routes(schema.rules().count());
    for method in schema.methods() {
        let settings = &policies[method.index].parameters;
        for (rule, index) in method.rules.iter().zip(0..) {
            match bind(method, rule, plans, settings) {
                Ok((_, template)) => {
                    builder.insert(&rule.method, &template, rules.len());
                    rules.push(Source { method: method.clone(), index });
                }
                Err(problem) => problems.push(problem),
            }
        }
    }
    match builder.build() {
        Ok(router) if problems.is_empty() => {
            let (plans, policies) = (plans.clone(), policies.clone());
            let used = FirstUse::of(rules.len());
            return Ok(Rules { router, rules: rules.into(), used, plans, policies });
        }
        Ok(_) => {}
        Err(conflicts) => problems.extend(conflicts.iter().map(|one| tell(&rules, one))),
    }
    Err(problems)
}

fn tell(rules: &[Source], conflict: &Conflict) -> Problem {
    let [(first_method, first), (method, second)] =
        [rules[conflict.first].parts(), rules[conflict.second].parts()];
    let message = format!(
        "`{} {}` matches the same requests as `{} {}` of {}",
        second.method,
        second.template,
        first.method,
        first.template,
        place(first_method, first),
    );
    Problem::error(place(method, second), message).mend("change the path or the HTTP method of one")
}

pub(super) fn bind(
    method: &Arc<Method>,
    rule: &HttpRule,
    plans: &Plans,
    settings: &Settings,
) -> Result<(Rule, Template), Problem> {
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
    let variables = template.variables().iter().zip(&bound).map(|(variable, slot)| Variable {
        numbers: numbers(method, variable.field_path()).into(),
        leaf: leaf(slot),
    });
    let variables = variables.collect();
    bound.extend(body_slots(method, &rule.body, &input));
    let bound = Rule {
        method: method.clone(),
        source: rule.clone(),
        input,
        settings: settings.clone(),
        bound: bound.into(),
        variables,
    };
    Ok((bound, template))
}

impl Rule {
    /// The rule of a method's own path, `/package.Service/Method`: no captures, and a query may set
    /// every field. `None` where the plans don't know the method's message.
    pub fn of_method(method: &Arc<Method>, plans: &Plans, settings: &Settings) -> Option<Self> {
        let source = HttpRule {
            method: HttpMethod::Any,
            template: method.path.as_str().into(),
            body: Body::None,
            response_body: Box::default(),
            origin: "the method's own path".into(),
        };
        Some(Self {
            method: method.clone(),
            source,
            input: plans.message(&method.input)?,
            settings: settings.clone(),
            bound: Box::default(),
            variables: Box::default(),
        })
    }
}

/// The fields that the body fills, so that no query parameter may.
fn body_slots(method: &Method, body: &Body, input: &Plan) -> Vec<Slot> {
    let fields: Vec<_> = match body {
        Body::None => Vec::new(),
        Body::Whole => method.input.fields().map(|field| field.name().to_owned()).collect(),
        Body::Field(name) => vec![name.to_string()],
    };
    fields.iter().filter_map(|name| Slot::to_field(input, name).ok()).collect()
}

fn leaf(slot: &Slot) -> Leaf {
    match () {
        () if slot.is_list() => Leaf::List,
        () if slot.is_message() => Leaf::Message,
        () => Leaf::Scalar,
    }
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

/// Where a rule stands: its origin, and the method.
pub fn place(method: &Method, rule: &HttpRule) -> String {
    format!("{}: {}", rule.origin, method.full_name)
}
