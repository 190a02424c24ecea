//! Finds the services and methods of the pool, with the rules of their annotations.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use bytes::Bytes;
use http::uri::PathAndQuery;
use prost_reflect::{DescriptorPool, MessageDescriptor};

use super::{
    annotation,
    descriptor::{MethodType, join, records},
    method::{Idempotency, Method},
    pool::Declared,
    source::{Loaded, Origin},
};
use crate::problem::Problem;

/// Who brought which file, in the order in which they were given, that is the order of their
/// services.
pub(super) struct Sources {
    files: Vec<(String, Origin)>,
}

impl Sources {
    pub(super) fn of(files: &[Loaded]) -> Self {
        let files = files.iter().map(|loaded| (loaded.file.name.clone(), loaded.origin.clone()));
        Self { files: files.collect() }
    }
}

/// A service, whose methods nobody else has yet.
pub(super) struct Found {
    pub(super) full_name: String,
    pub(super) origin: Origin,
    /// Whether the gateway answers it itself.
    pub(super) own: bool,
    pub(super) methods: Vec<Arc<Method>>,
}

/// The services of the sources, sorted by file and then as they stand there, as far as callers
/// may know of them.
pub(super) fn find(
    pool: &DescriptorPool,
    sources: &Sources,
    mut declared: HashMap<String, Declared>,
    own: &HashSet<String>,
    is_exposed: impl Fn(&str) -> bool,
    problems: &mut Vec<Problem>,
) -> Vec<Found> {
    let mut found = Vec::new();
    let mut index = 0;
    for (name, origin) in &sources.files {
        let Some(Declared { package, own: all }) = declared.remove(name) else { continue };
        let file = Place { name: name.as_str().into(), origin };
        for service in all.into_iter().filter(|_| *origin != Origin::Bundled) {
            let full_name: Arc<str> = join(&package, &service.name).into();
            if !is_offered(&full_name, origin, own) {
                continue;
            }
            let is_bare = service.method.is_empty();
            let mut methods = Vec::with_capacity(service.method.len());
            for method in service.method {
                if !is_exposed(&join(&full_name, &method.name)) {
                    continue;
                }
                let Some(types) = types(pool, &full_name, &method) else { continue };
                let method = file.read(&full_name, method, types, index, problems);
                index += usize::from(method.is_some());
                methods.extend(method.map(Arc::new));
            }
            if methods.is_empty() && !is_bare {
                continue;
            }
            let (full_name, own) = (full_name.to_string(), own.contains(&*full_name));
            found.push(Found { full_name, origin: origin.clone(), own, methods });
        }
    }
    found
}

/// A backend's reflection and health services tell of that backend alone; a caller of the gateway
/// gets the gateway's own in their place.
fn is_offered(service: &str, origin: &Origin, own: &HashSet<String>) -> bool {
    let private = ["grpc.reflection.", "grpc.health."];
    match origin {
        Origin::Reflection(_) => {
            let is_private = private.iter().any(|package| service.starts_with(package));
            !is_private || own.contains(service)
        }
        _ => true,
    }
}

/// What a method takes and gives. The pool knows the method itself where it had to resolve names.
fn types(
    pool: &DescriptorPool,
    service: &str,
    method: &MethodType,
) -> Option<(MessageDescriptor, MessageDescriptor)> {
    if let Some(service) = pool.get_service_by_name(service) {
        let known = service.methods().find(|known| known.name() == method.name)?;
        return Some((known.input(), known.output()));
    }
    let message = |name: &str| pool.get_message_by_name(name.trim_start_matches('.'));
    message(&method.input_type).zip(message(&method.output_type))
}

/// Where a service stands.
struct Place<'a> {
    name: Arc<str>,
    origin: &'a Origin,
}

impl Place<'_> {
    fn read(
        &self,
        service: &Arc<str>,
        method: MethodType,
        (input, output): (MessageDescriptor, MessageDescriptor),
        index: usize,
        problems: &mut Vec<Problem>,
    ) -> Option<Method> {
        let path = format!("/{service}/{}", method.name).into_boxed_str().into_boxed_bytes();
        let path = PathAndQuery::from_maybe_shared(Bytes::from(path)).ok()?;
        let options = method.options.as_deref().unwrap_or_default();
        let full_name = format!("{service}.{}", method.name);
        let mut faults = Vec::new();
        let rules = annotation::read(options, &self.name, &mut faults);
        problems.extend(faults.into_iter().map(|fault| {
            let place = format!("{}: {full_name}", self.name);
            let problem = self.origin.error(&place, fault.message).mend(fault.mend);
            Problem { severity: fault.severity, ..problem }
        }));
        Some(Method {
            index,
            service: service.clone(),
            idempotency: idempotency(options),
            full_name: full_name.into(),
            path,
            input,
            output,
            client_streaming: method.client_streaming,
            server_streaming: method.server_streaming,
            rules: rules.into(),
        })
    }
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
