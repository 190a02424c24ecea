//! Finds the services and methods of the pool, with the rules of their annotations.

use std::collections::{HashMap, HashSet};

use http::uri::PathAndQuery;
use prost_reflect::{DescriptorPool, MethodDescriptor, ServiceDescriptor};

use super::{
    annotation,
    descriptor::{join, records},
    method::{Idempotency, Method},
    source::{Loaded, Origin},
};
use crate::problem::Problem;

/// What the pool doesn't keep about the files: who brought them, and their methods' raw options.
pub(super) struct Sources {
    /// Files in the order in which they were given, that is the order of their services.
    files: Vec<(String, Origin)>,
    /// Full name of a method to its options.
    options: HashMap<String, Vec<u8>>,
}

impl Sources {
    pub(super) fn of(files: &[Loaded]) -> Self {
        let mut options = HashMap::new();
        for loaded in files {
            let file = &loaded.file;
            for service in &file.service {
                let scope = join(&file.package, &service.name);
                for method in &service.method {
                    let bytes = method.options.clone().unwrap_or_default();
                    options.insert(format!("{scope}.{}", method.name), bytes);
                }
            }
        }
        let files = files.iter().map(|loaded| (loaded.file.name.clone(), loaded.origin.clone()));
        Self { files: files.collect(), options }
    }
}

/// A service, still changeable.
pub(super) struct Found {
    pub(super) full_name: String,
    pub(super) origin: Origin,
    /// Whether the gateway answers it itself.
    pub(super) own: bool,
    pub(super) methods: Vec<Method>,
}

/// The services of the sources, sorted by file and then as they stand there, as far as callers
/// may know of them.
pub(super) fn find(
    pool: &DescriptorPool,
    sources: &Sources,
    own: &HashSet<String>,
    is_exposed: impl Fn(&str) -> bool,
    problems: &mut Vec<Problem>,
) -> Vec<Found> {
    let mut found = Vec::new();
    let mut index = 0;
    for (name, origin) in &sources.files {
        let Some(file) = pool.get_file_by_name(name).filter(|_| *origin != Origin::Bundled) else {
            continue;
        };
        for service in file.services().filter(|service| is_offered(service, origin, own)) {
            let mut methods = Vec::new();
            for method in service.methods().filter(|method| is_exposed(method.full_name())) {
                let options =
                    sources.options.get(method.full_name()).map_or(&[][..], Vec::as_slice);
                if let Some(method) = read(&method, index, options, origin, problems) {
                    methods.push(method);
                    index += 1;
                }
            }
            let full_name = service.full_name().to_owned();
            if methods.is_empty() && service.methods().len() > 0 {
                continue;
            }
            let own = own.contains(&full_name);
            found.push(Found { full_name, origin: origin.clone(), own, methods });
        }
    }
    found
}

/// A backend's reflection and health services tell of that backend alone; a caller of the gateway
/// gets the gateway's own in their place.
fn is_offered(service: &ServiceDescriptor, origin: &Origin, own: &HashSet<String>) -> bool {
    let private = ["grpc.reflection.", "grpc.health."];
    match origin {
        Origin::Reflection(_) => {
            let is_private = private.iter().any(|package| service.full_name().starts_with(package));
            !is_private || own.contains(service.full_name())
        }
        _ => true,
    }
}

fn read(
    method: &MethodDescriptor,
    index: usize,
    options: &[u8],
    origin: &Origin,
    problems: &mut Vec<Problem>,
) -> Option<Method> {
    let service = method.parent_service().full_name();
    let path = PathAndQuery::try_from(format!("/{service}/{}", method.name())).ok()?;
    let file = method.parent_file();
    let mut faults = Vec::new();
    let place = format!("{}: {}", file.name(), method.full_name());
    let rules = annotation::read(options, &place, &mut faults);
    problems.extend(faults.into_iter().map(|fault| {
        let problem = origin.error(&place, fault.message).mend(fault.mend);
        Problem { severity: fault.severity, ..problem }
    }));
    Some(Method {
        index,
        service: service.to_owned(),
        name: method.name().to_owned(),
        full_name: method.full_name().to_owned(),
        path,
        input: method.input(),
        output: method.output(),
        client_streaming: method.is_client_streaming(),
        server_streaming: method.is_server_streaming(),
        idempotency: idempotency(options),
        rules,
    })
}

/// `MethodOptions.idempotency_level`.
fn idempotency(options: &[u8]) -> Idempotency {
    let level = records(options).filter(|record| record.number == 34).last();
    match level.and_then(|record| record.varint()) {
        Some(1) => Idempotency::NoSideEffects,
        Some(2) => Idempotency::Idempotent,
        _ => Idempotency::Unknown,
    }
}

/// Some servers lose custom options on the way into reflection, and with them every HTTP rule.
pub(super) fn warn_of_stripped_options(services: &[Found], problems: &mut Vec<Problem>) {
    let mut seen = HashSet::new();
    for Found { origin, .. } in services {
        let Origin::Reflection(name) = origin else { continue };
        let same = || services.iter().filter(|one| one.origin == *origin && !one.own);
        let bare =
            same().flat_map(|service| &service.methods).all(|method| method.rules.is_empty());
        if bare && same().count() > 0 && seen.insert(name) {
            let message = format!(
                "{} services came without a single HTTP rule, so none has a REST route; \
                 some servers strip the options when they answer reflection",
                same().count()
            );
            let mend = "add the rules with `rules`, let `auto_map: true` make them, or give a \
                        descriptor set instead";
            problems.push(Problem::warning(origin.to_string(), message).mend(mend));
        }
    }
}

/// Sources without a service leave nothing to serve, which nobody means.
pub(super) fn warn_of_nothing(services: &[Found], sources: &Sources, problems: &mut Vec<Problem>) {
    let is_given = |origin: &Origin| !matches!(origin, Origin::Bundled | Origin::Own);
    let given = sources.files.iter().any(|(_, origin)| is_given(origin));
    if given && services.iter().all(|service| service.own) {
        let mend = "add the descriptors of the files that declare your services";
        problems.push(Problem::warning("schema", "no source declares a service").mend(mend));
    }
}
