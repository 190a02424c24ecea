//! Rules to bindings, once a schema: everything that can be wrong with a rule is found here, and
//! serving only sees what is right.

use std::sync::Arc;

use super::{
    binding::{Binding, BodyField, RequestShape, ResponseShape},
    http_body,
    trailers::Declared,
};
use crate::{
    problem::Problem,
    protocol::MethodPolicy,
    route::{Conflict, Router, RouterBuilder, Template},
    schema::{Body, HttpMethod, HttpRule, Method, Schema},
    transcode::{Plan, Plans, Slot},
};

/// Every rule of the schema that can be served, in the order of methods, with its template and
/// where it was written.
pub(super) struct Bound {
    pub(super) binding: Arc<Binding>,
    http_method: HttpMethod,
    template: Template,
    /// Where the rule was written.
    place: String,
}

/// Compiles every rule, and tells every problem.
pub(super) fn bindings(
    schema: &Schema,
    plans: &Arc<Plans>,
    policies: &[MethodPolicy],
) -> (Vec<Bound>, Vec<Problem>) {
    let mut bound = Vec::new();
    let mut problems = Vec::new();
    for method in schema.methods() {
        let policy = policies.get(method.index).cloned().unwrap_or_default();
        for rule in &method.rules {
            match bind(method, rule, plans, &policy) {
                Ok(one) => bound.push(one),
                Err(problem) => problems.push(problem),
            }
        }
    }
    (bound, problems)
}

/// Puts the bindings into a router, by their place in the list.
pub(super) fn router(bound: &[Bound]) -> (Option<Router>, Vec<Problem>) {
    let mut builder = RouterBuilder::new();
    for (id, one) in bound.iter().enumerate() {
        builder.insert(&one.http_method, &one.template, id);
    }
    match builder.build() {
        Ok(router) => (Some(router), Vec::new()),
        Err(conflicts) => {
            let tell = |conflict: &Conflict| {
                let [first, second] = [&bound[conflict.first], &bound[conflict.second]];
                let message = format!(
                    "`{} {}` matches the same requests as `{} {}` of {}",
                    second.http_method,
                    second.template,
                    first.http_method,
                    first.template,
                    first.place,
                );
                Problem::error(&second.place, message)
                    .mend("change the path or the HTTP method of one")
            };
            (None, conflicts.iter().map(tell).collect())
        }
    }
}

fn bind(
    method: &Arc<Method>,
    rule: &HttpRule,
    plans: &Arc<Plans>,
    policy: &MethodPolicy,
) -> Result<Bound, Problem> {
    let problem = |message: String| Problem::error(place(method, rule), message);
    let template = Template::parse(&rule.template).map_err(|error| problem(error.to_string()))?;
    let plan = |descriptor| {
        let plan = plans.message(descriptor);
        plan.ok_or_else(|| problem(format!("type `{}` is not known", descriptor.full_name())))
    };
    let (input, output) = (plan(&method.input)?, plan(&method.output)?);
    let mut bound = Vec::new();
    for variable in template.variables() {
        let field_path = variable.field_path().join(".");
        let slot = Slot::compile(&input, &field_path);
        bound.push(slot.map_err(|error| problem(format!("variable `{{{field_path}}}`: {error}")))?);
    }
    let numbers = template.variables().iter().map(|one| numbers(method, one.field_path()).into());
    let request = request_shape(method, rule, plans, &input)?;
    bound.extend(body_slots(method, &rule.body, &input));
    let trailers = Declared::parse(&policy.rest.response_trailers).map_err(|name| {
        problem(format!("`response_trailers`: `{name}` is no name of a header"))
            .mend("name trailers as the backend sends them, `x-cost` for example")
    })?;
    let binding = Binding {
        trailers,
        method: method.clone(),
        template: rule.template.as_str().into(),
        plans: plans.clone(),
        settings: policy.rest.clone(),
        limits: policy.limits,
        json: policy.json.clone(),
        request,
        response: response_shape(method, rule, &output)?,
        input,
        output,
        bound: bound.into(),
        numbers: numbers.collect(),
    };
    Ok(Bound {
        binding: Arc::new(binding),
        http_method: rule.method.clone(),
        template,
        place: place(method, rule),
    })
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

/// Where a rule stands: its origin, which names the method or is named beside it.
fn place(method: &Method, rule: &HttpRule) -> String {
    if rule.origin.contains(&method.full_name) {
        rule.origin.clone()
    } else {
        format!("{}: {}", rule.origin, method.full_name)
    }
}
