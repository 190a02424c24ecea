//! From the selectors to one policy a method, with everything checked.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
    sync::Arc,
};

use serde_json::{Map, Value};

use super::{
    File, Policy,
    places::{Places, Step, descend, join_key},
    policy::{self, Written},
    selector::Selector,
    sources::unknown_upstream,
    wording,
};
use crate::{
    callout::Upstreams,
    lasting::Lasting,
    problem::Problem,
    schema::{Method, Schema, Service},
    stage::{Blueprint, STAGES, Stage},
    upstream::Destination,
};

/// A method, what holds for it, and its stages in run order.
pub struct Resolved {
    /// The method.
    pub method: Arc<Method>,
    /// What holds for it; shared by the methods that the same selectors fit. It names no upstream
    /// where the gateway answers itself.
    pub policy: Arc<Policy>,
    /// Its stages.
    pub stages: Vec<Box<dyn Stage>>,
}

/// The policies as written, by selector, the least specific first.
#[derive(Clone)]
pub(super) struct Rules(Vec<(Selector, Map<String, Value>)>);

impl Rules {
    /// Reads the selectors; one that can't be read is reported and left out.
    pub(super) fn of(
        services: &BTreeMap<String, Written>,
        places: &Places,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut rules = Vec::new();
        for (text, Written(policy)) in services {
            match Selector::parse(text) {
                Ok(selector) => rules.push((selector, policy.clone())),
                Err((message, mend)) => {
                    let problem = Problem::error(join_key("services", text), message).mend(mend);
                    problems.push(places.settle(problem));
                }
            }
        }
        rules.sort_by(|(one, _), (other, _)| one.cmp(other));
        Self(rules)
    }

    /// Whether the policy of the method of this name wants a route where the schema has none.
    pub(super) fn maps_automatically(&self, method: &str) -> bool {
        let fitting = |rule: &usize| self.0[*rule].0.selects_name(method);
        policy::maps_automatically(
            &self.merge(&(0..self.0.len()).filter(fitting).collect::<Vec<_>>()),
        )
    }

    /// Whether callers may know of the method of this name.
    pub(super) fn exposes(&self, method: &str) -> bool {
        let fitting = |rule: &usize| self.0[*rule].0.selects_name(method);
        policy::exposes(&self.merge(&(0..self.0.len()).filter(fitting).collect::<Vec<_>>()))
    }

    fn fitting(&self, method: &Method) -> Vec<usize> {
        (0..self.0.len()).filter(|rule| self.0[*rule].0.selects(method)).collect()
    }

    fn merge(&self, fitting: &[usize]) -> Map<String, Value> {
        let mut merged = Map::new();
        for rule in fitting {
            super::merge::lay_over(&mut merged, &self.0[*rule].1);
        }
        merged
    }

    /// The path of a key, in the most specific of the fitting selectors that has it.
    fn path(&self, fitting: &[usize], key: &str, rest: &str) -> String {
        let owner = fitting.iter().rev().find(|rule| {
            let policy = self.0[**rule].1.get(key);
            policy.is_some_and(|value| has(value, rest))
        });
        let owner =
            owner.or_else(|| fitting.iter().rev().find(|rule| self.0[**rule].1.contains_key(key)));
        let Some(owner) = owner else { return "services".into() };
        let base = join_key(&join_key("services", &self.0[*owner].0.to_string()), key);
        let separator = if rest.is_empty() || rest.starts_with('[') { "" } else { "." };
        format!("{base}{separator}{rest}")
    }

    /// A problem for every selector that selects nothing.
    fn unused(&self, schema: &Schema) -> impl Iterator<Item = Problem> {
        let is_unused = |(selector, policy): &&(Selector, Map<_, _>)| {
            // What a selector hides is not there to be selected.
            policy::exposes(policy)
                && !schema.methods().iter().any(|method| selector.selects(method))
        };
        let unused: Vec<_> =
            self.0.iter().filter(is_unused).map(|(selector, _)| selector).collect();
        unused
            .into_iter()
            .map(|selector| unused_problem(selector, schema))
            .collect::<Vec<_>>()
            .into_iter()
    }
}

/// The steps of a path such as `request.remove[0]`.
fn steps(path: &str) -> Vec<Step> {
    let parts = path.split(['.', '[']).filter(|part| !part.is_empty());
    let step = |part: &str| {
        let index = part.strip_suffix(']').and_then(|index| index.parse().ok());
        index.map_or_else(|| Step::Key(part.trim_matches('"').to_owned()), Step::Index)
    };
    parts.map(step).collect()
}

/// Whether a value has something at a path such as `request.set`.
fn has(value: &Value, path: &str) -> bool {
    steps(path)
        .iter()
        .try_fold(value, |value, step| match step {
            Step::Key(key) => value.get(key),
            Step::Index(index) => value.get(index),
        })
        .is_some()
}

fn unused_problem(selector: &Selector, schema: &Schema) -> Problem {
    let text = selector.to_string();
    let problem =
        Problem::error(join_key("services", &text), format!("`{text}` selects no method"));
    let below = format!("{text}.");
    if schema.methods().iter().any(|method| method.full_name.starts_with(&below)) {
        return problem.mend(format!("write `{text}.*` for every method below it"));
    }
    let (name, suffix) = match text.strip_suffix(".*") {
        Some(name) => (name, ".*"),
        None => (text.as_str(), ""),
    };
    let services = schema.services().iter().map(|service| service.full_name.as_str());
    let methods = schema.methods().iter().map(|method| &*method.full_name);
    let packages =
        schema.services().iter().filter_map(|service| service.full_name.rsplit_once('.'));
    let known: Vec<_> = match suffix {
        "" => services.clone().chain(methods).collect(),
        _ => services.clone().chain(packages.map(|(package, _)| package)).collect(),
    };
    let services: Vec<_> = services.map(|name| format!("`{name}`")).collect();
    match wording::nearest(name, &known) {
        Some(meant) => problem.mend(format!("did you mean `{meant}{suffix}`?")),
        None if services.is_empty() => problem.mend("the schema has no service"),
        None => problem.mend(format!("the services are {}", services.join(", "))),
    }
}

/// Gives every method its policy and its stages, in the order of the schema; tells every problem.
pub(super) fn resolve(
    file: &File,
    places: &Places,
    rules: &Rules,
    schema: &Schema,
    (lasting, upstreams): (&Lasting, &Upstreams),
    problems: &mut Vec<Problem>,
) -> Vec<Resolved> {
    let mut found: Vec<Problem> = rules.unused(schema).collect();
    let kept = (places.folder(), lasting, upstreams);
    let mut merged: HashMap<Vec<usize>, Map<String, Value>> = HashMap::new();
    // Methods with the same policy share it: there may be thousands.
    let mut bases: HashMap<Vec<usize>, Policy> = HashMap::new();
    let mut policies: HashMap<(Vec<usize>, Destination), Arc<Policy>> = HashMap::new();
    let mut resolved = Vec::with_capacity(schema.methods().len());
    let own = schema.own_services().iter().map(|service| (service, true));
    let theirs = schema.services().iter().map(|service| (service, false));
    for (service, is_own) in theirs.chain(own) {
        let default = default_upstream(file, service);
        let mut homeless = false;
        for method in &service.methods {
            let fitting = rules.fitting(method);
            let merged =
                merged.entry(fitting.clone()).or_insert_with_key(|fitting| rules.merge(fitting));
            let base = bases.entry(fitting.clone()).or_insert_with(|| Policy::of(merged));
            let mut upstream = base.upstream.clone();
            if is_own {
                upstream = Destination::default();
            } else if upstream.is_nobody() {
                upstream = default.clone().unwrap_or_default().into();
                homeless |= default.is_none();
            } else {
                let names = upstream.names().into_iter();
                let unknown = names.filter(|(_, name)| !exists(file, places, name));
                found.extend(unknown.map(|(inside, name)| {
                    unknown_upstream(&rules.path(&fitting, "upstream", &inside), name, file)
                }));
            }
            for (inside, message) in base.misdirections() {
                found.push(wording::problem(&rules.path(&fitting, "upstream", &inside), &message));
            }
            if let Some((key, inside, message)) = base.contradiction() {
                found.push(wording::problem(&rules.path(&fitting, key, inside), &message));
            }
            let stages = stages(rules, &fitting, merged, method, kept, &mut found);
            let policy = policies.entry((fitting, upstream)).or_insert_with_key(|(_, upstream)| {
                Arc::new(Policy { upstream: upstream.clone(), ..base.clone() })
            });
            let policy = policy.clone();
            resolved.push(Resolved { method: method.clone(), policy, stages });
        }
        if homeless {
            found.extend(homeless_problem(file, service));
        }
    }
    // Methods that share a selector share its problems.
    let mut told = HashSet::new();
    let problem = found.into_iter().map(|problem| places.settle(problem));
    problems.extend(problem.filter(|problem| told.insert(problem.to_string())));
    // No two have the same index, and no second list is needed.
    resolved.sort_unstable_by_key(|resolved| resolved.method.index);
    resolved
}

fn stages(
    rules: &Rules,
    fitting: &[usize],
    merged: &Map<String, Value>,
    method: &Method,
    (folder, lasting, upstreams): (&Path, &Lasting, &Upstreams),
    found: &mut Vec<Problem>,
) -> Vec<Box<dyn Stage>> {
    let mut stages = Vec::new();
    for entry in STAGES {
        let mut value = merged.get(entry.name).cloned();
        let place = &rules.path(fitting, entry.name, "");
        let places = &|inside: &str| rules.path(fitting, entry.name, inside);
        // As everywhere, what is wrong is reported and left out, to see what else is wrong.
        let mut left_out = String::new();
        loop {
            let settings = value.as_ref();
            let blueprint =
                Blueprint { settings, method, place, places, folder, lasting, upstreams };
            match (entry.build)(&blueprint) {
                Ok(stage) => stages.extend(stage),
                Err((inside, message)) => {
                    let missing = wording::missing_key(&message);
                    if missing.is_some_and(|key| join_key(&inside, key) == left_out) {
                        break;
                    }
                    let path = rules.path(fitting, entry.name, &inside);
                    found.push(wording::problem(&path, &message));
                    left_out.clone_from(&inside);
                    if value.as_mut().is_some_and(|settings| remove(settings, &inside)) {
                        continue;
                    }
                }
            }
            break;
        }
    }
    // There may be thousands of methods, and most have one stage.
    stages.shrink_to_fit();
    stages
}

/// Takes out of a value what stands at a path such as `request.set`.
fn remove(value: &mut Value, path: &str) -> bool {
    let mut steps = steps(path);
    let Some(last) = steps.pop() else { return false };
    match (descend(value, &steps), last) {
        (Some(Value::Object(object)), Step::Key(key)) => object.remove(&key).is_some(),
        // Only the last, so that the others keep their places.
        (Some(Value::Array(elements)), Step::Index(index)) if index + 1 == elements.len() => {
            elements.pop().is_some()
        }
        _ => false,
    }
}

/// The upstream of a service that no selector gives one: the one that told of it, or the only one.
fn default_upstream(file: &File, service: &Service) -> Option<String> {
    let mut names = file.upstreams.keys();
    let told = names.clone().find(|name| service.origin == format!("reflection of {name}"));
    match (told, names.next(), names.next()) {
        (Some(name), ..) | (None, Some(name), None) => Some(name.clone()),
        _ => None,
    }
}

/// Whether an upstream has this name, if only one that could not be read.
fn exists(file: &File, places: &Places, name: &str) -> bool {
    file.upstreams.contains_key(name) || places.knows(&join_key("upstreams", name))
}

/// The problem of a service without an upstream; where there is none at all, that is the problem.
fn homeless_problem(file: &File, service: &Service) -> Option<Problem> {
    let name = &service.full_name;
    let upstreams: Vec<_> = file.upstreams.keys().map(|name| format!("`{name}`")).collect();
    file.upstreams.keys().next().map(|first| {
        let message = format!("nothing says which upstream answers `{name}`");
        let there = upstreams.join(", ");
        let mend = format!("add `\"{name}\": {{ upstream: {first} }}`; there are {there}");
        Problem::error("services", message).mend(mend)
    })
}
