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
        Material, MethodPolicy, Methods,
        rule::{Rule, place},
    },
    schema::{Body, HttpRule, Method},
    transcode::{Plan, Plans},
};

/// Every problem of every rule.
pub(super) fn check(material: &Material<'_>) -> Vec<Problem> {
    let methods = material.methods;
    let check = |(method, rule): (&Arc<Method>, &HttpRule)| {
        Parts::of(method, rule, &methods.plans, methods.policy(method)).err()
    };
    material.rules.sources().filter_map(check).collect()
}

/// The binding of a rule.
///
/// # Errors
/// What is wrong with its bodies or its policy.
pub(super) fn bind(rule: &Arc<Rule>, methods: &Methods) -> Result<Binding, Problem> {
    let (plans, policy) = (&methods.plans, methods.policy(&rule.method));
    let Parts { trailers, output, request, response } =
        Parts::of(&rule.method, &rule.source, plans, policy)?;
    Ok(Binding {
        trailers,
        rule: rule.clone(),
        plans: plans.clone(),
        settings: policy.rest.clone(),
        limits: policy.limits,
        compression: policy.compression.clone(),
        json: policy.json.clone(),
        request,
        response,
        output,
    })
}

/// What can be wrong in a binding.
struct Parts {
    trailers: Declared,
    output: Plan,
    request: RequestShape,
    response: ResponseShape,
}

impl Parts {
    fn of(
        method: &Method,
        rule: &HttpRule,
        plans: &Plans,
        policy: &MethodPolicy,
    ) -> Result<Self, Problem> {
        let problem = |message: String| Problem::error(place(method, rule), message);
        let known = |plan: Option<Plan>, name: &str| {
            plan.ok_or_else(|| problem(format!("type `{name}` is not known")))
        };
        let input = known(plans.message(&method.input), method.input.full_name())?;
        let output = known(plans.message(&method.output), method.output.full_name())?;
        let trailers = Declared::parse(&policy.rest.response_trailers).map_err(|name| {
            problem(format!("`response_trailers`: `{name}` is no name of a header"))
                .mend("name trailers as the backend sends them, `x-cost` for example")
        })?;
        let request = request_shape(method, rule, plans, &input)?;
        let response = response_shape(method, rule, &output)?;
        Ok(Self { trailers, output, request, response })
    }
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
