//! Rules to bindings, once a schema: everything that can be wrong with their bodies is found here,
//! and serving only sees what is right.

use std::sync::Arc;

use super::{
    binding::{Binding, BodyField, RequestShape, ResponseShape},
    http_body,
    trailers::Declared,
};
use crate::{
    problem::Problem,
    protocol::{
        Material, MethodPolicy,
        rule::{Rule, place},
    },
    schema::{Body, HttpRule, Method},
    transcode::{Plan, Plans},
};

/// The bindings of all rules, in their order.
///
/// # Errors
/// Every problem of every rule.
pub(super) fn bindings(material: &Material<'_>) -> Result<Vec<Arc<Binding>>, Vec<Problem>> {
    let mut bindings = Vec::new();
    let mut problems = Vec::new();
    for rule in material.rules.iter() {
        match bind(rule, material.plans, &material.policies[rule.method.index]) {
            Ok(binding) => bindings.push(Arc::new(binding)),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(bindings) } else { Err(problems) }
}

fn bind(bound: &Arc<Rule>, plans: &Arc<Plans>, policy: &MethodPolicy) -> Result<Binding, Problem> {
    let (method, rule) = (&bound.method, bound.source());
    let problem = |message: String| Problem::error(place(method, rule), message);
    let output = plans.message(&method.output);
    let output = output
        .ok_or_else(|| problem(format!("type `{}` is not known", method.output.full_name())))?;
    let trailers = Declared::parse(&policy.rest.response_trailers).map_err(|name| {
        problem(format!("`response_trailers`: `{name}` is no name of a header"))
            .mend("name trailers as the backend sends them, `x-cost` for example")
    })?;
    Ok(Binding {
        trailers,
        rule: bound.clone(),
        plans: plans.clone(),
        settings: policy.rest.clone(),
        limits: policy.limits,
        json: policy.json.clone(),
        request: request_shape(method, rule, plans, &bound.input)?,
        response: response_shape(method, rule, &output)?,
        output,
    })
}

fn request_shape(
    method: &Method,
    rule: &HttpRule,
    plans: &Plans,
    input: &Plan,
) -> Result<RequestShape, Problem> {
    let name = match &rule.body {
        Body::None => return Ok(RequestShape::Nothing),
        Body::Whole if method.input.full_name() == http_body::NAME => {
            return Ok(RequestShape::RawWhole);
        }
        Body::Whole => return Ok(RequestShape::Message),
        Body::Field(name) => name,
    };
    let descriptor = method.input.get_field_by_name(name);
    let found = descriptor.zip(input.field(name));
    let (descriptor, place) = found
        .ok_or_else(|| no_field("body", name, &place(method, rule), method.input.full_name()))?;
    let message = descriptor.kind().as_message().filter(|_| !descriptor.is_list()).cloned();
    let field = BodyField {
        place,
        number: descriptor.number(),
        plan: message
            .as_ref()
            .filter(|_| !descriptor.is_map())
            .and_then(|message| plans.message(message)),
    };
    let raw = message.is_some_and(|message| message.full_name() == http_body::NAME);
    Ok(if raw { RequestShape::RawField(field) } else { RequestShape::Field(field) })
}

fn response_shape(
    method: &Method,
    rule: &HttpRule,
    output: &Plan,
) -> Result<ResponseShape, Problem> {
    let name = &rule.response_body;
    if name.is_empty() {
        let raw = method.output.full_name() == http_body::NAME;
        return Ok(if raw { ResponseShape::RawWhole } else { ResponseShape::Message });
    }
    let descriptor = method.output.get_field_by_name(name);
    let found = descriptor.zip(output.field(name));
    let (descriptor, place) = found.ok_or_else(|| {
        no_field("response_body", name, &place(method, rule), method.output.full_name())
    })?;
    let message = descriptor.kind().as_message().filter(|_| !descriptor.is_list()).cloned();
    let raw = message.is_some_and(|message| message.full_name() == http_body::NAME);
    Ok(if raw { ResponseShape::RawField(descriptor.number()) } else { ResponseShape::Field(place) })
}

fn no_field(option: &str, name: &str, place: &str, message: &str) -> Problem {
    Problem::error(place, format!("`{option}: \"{name}\"` names no field of `{message}`"))
        .mend("name one of its top-level fields, as the .proto file has it")
}
