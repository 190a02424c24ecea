//! Services, methods and routes that are gone or mean something else.

use std::collections::HashMap;

use prost_reflect::MessageDescriptor;

use super::note;
use crate::{
    problem::Problem,
    schema::{Body, HttpMethod, HttpRule, Method, Schema, Service},
};

/// Pairs of messages of the same name that a method of both schemas takes or gives.
pub(super) type Reached = Vec<(MessageDescriptor, MessageDescriptor)>;

/// Which method answers a route.
type Routes<'s> = HashMap<(&'s HttpMethod, &'s str), &'s Method>;

/// Compares all methods; gives the messages by which they are called.
pub(super) fn compare(old: &Schema, new: &Schema, problems: &mut Vec<Problem>) -> Reached {
    let services: HashMap<&str, &Service> =
        new.services().iter().map(|service| (service.full_name.as_str(), service)).collect();
    let routes = new.rules().map(|(method, rule)| ((&rule.method, &*rule.template), method));
    let routes: Routes<'_> = routes.collect();
    let mut reached = Vec::new();
    for service in old.services() {
        let Some(now) = services.get(service.full_name.as_str()) else {
            note(problems, &service.full_name, "the service is gone".into());
            gone_routes(service, &routes, problems);
            continue;
        };
        let methods: HashMap<&str, &Method> =
            now.methods.iter().map(|method| (method.name(), &**method)).collect();
        for method in &service.methods {
            let now = methods.get(method.name()).copied();
            match now {
                Some(now) => compare_method(method, now, &mut reached, problems),
                None => note(problems, &method.full_name, "the method is gone".into()),
            }
            compare_routes(method, now, &routes, problems);
        }
    }
    reached
}

fn compare_method(old: &Method, new: &Method, reached: &mut Reached, problems: &mut Vec<Problem>) {
    let place = &old.full_name;
    let sides = [
        ("request", &old.input, &new.input, old.client_streaming, new.client_streaming),
        ("response", &old.output, &new.output, old.server_streaming, new.server_streaming),
    ];
    for (side, before, now, was_stream, is_stream) in sides {
        if was_stream != is_stream {
            let kind = |stream| if stream { "a stream" } else { "one message" };
            let (was, is) = (kind(was_stream), kind(is_stream));
            note(problems, place, format!("the {side} was {was} and is {is}"));
        }
        if before.full_name() == now.full_name() {
            reached.push((before.clone(), now.clone()));
        } else {
            let (was, is) = (before.full_name(), now.full_name());
            note(problems, place, format!("the {side} was a `{was}` and is a `{is}`"));
        }
    }
}

/// The routes of a service that is gone, as far as another answers them now.
fn gone_routes(service: &Service, routes: &Routes<'_>, problems: &mut Vec<Problem>) {
    for method in &service.methods {
        for rule in &method.rules {
            if routes.contains_key(&(&rule.method, &*rule.template)) {
                compare_route(method, rule, None, routes, problems);
            }
        }
    }
}

fn compare_routes(
    method: &Method,
    now: Option<&Method>,
    routes: &Routes<'_>,
    problems: &mut Vec<Problem>,
) {
    for rule in &method.rules {
        compare_route(method, rule, now, routes, problems);
    }
}

fn compare_route(
    method: &Method,
    rule: &HttpRule,
    now: Option<&Method>,
    routes: &Routes<'_>,
    problems: &mut Vec<Problem>,
) {
    let place = &method.full_name;
    let route = format!("`{} {}`", rule.method, rule.template);
    let is_same =
        |other: &&HttpRule| other.method == rule.method && other.template == rule.template;
    if let Some(same) = now.and_then(|now| now.rules.iter().find(is_same)) {
        if same.body != rule.body {
            let (was, is) = (body(&rule.body), body(&same.body));
            note(problems, place, format!("the body of {route} held {was} and holds {is}"));
        }
        if same.response_body != rule.response_body {
            let (was, is) = (answer(&rule.response_body), answer(&same.response_body));
            note(problems, place, format!("the answer of {route} held {was} and holds {is}"));
        }
        return;
    }
    match routes.get(&(&rule.method, &*rule.template)) {
        Some(other) => {
            let other = &other.full_name;
            note(problems, place, format!("the route {route} calls `{other}` now"));
        }
        // A method that is gone takes its routes along.
        None if now.is_none() => {}
        None => note(problems, place, format!("the route {route} is gone")),
    }
}

fn body(body: &Body) -> String {
    match body {
        Body::None => "nothing".into(),
        Body::Whole => "the whole message".into(),
        Body::Field(field) => format!("the field `{field}`"),
    }
}

fn answer(field: &str) -> String {
    if field.is_empty() { "the whole message".into() } else { format!("the field `{field}`") }
}
