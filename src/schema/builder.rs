//! Gathers sources and makes them one [`Schema`], or says all that is wrong with them.

use std::{
    collections::{HashMap, HashSet},
    fmt, fs, mem,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

use super::{
    Schema, annotation, imports, merge,
    method::{Body, HttpMethod, HttpRule, Method},
    methods, original,
    overlay::{self, Overlay},
    pool, protos,
    source::{self, Loaded, Origin},
};
use crate::problem::Problem;

/// Gathers sources. Nothing is refused before [`SchemaBuilder::build`], which tells every problem.
#[derive(Default)]
pub struct SchemaBuilder {
    loaded: Vec<Loaded>,
    folders: Vec<PathBuf>,
    rules: Vec<(String, Overlay)>,
    auto_map: Option<Box<Accepts>>,
    expose: Option<Box<Accepts>>,
    own: Vec<Loaded>,
    problems: Vec<Problem>,
    /// Kept apart: they don't stand in the way of checking selectors.
    rule_problems: Vec<Problem>,
}

/// Whether something holds for the method of this full name.
type Accepts = dyn Fn(&str) -> bool + Send;

impl SchemaBuilder {
    /// Adds a `google.protobuf.FileDescriptorSet` or a buf image, in binary. `origin` names it in
    /// problems, as a path usually.
    #[must_use]
    pub fn add_descriptor_set(self, origin: &str, bytes: &[u8]) -> Self {
        self.add_set(Origin::Set(origin.to_owned()), Bytes::copy_from_slice(bytes))
    }

    fn add_set(mut self, origin: Origin, bytes: Bytes) -> Self {
        self.loaded.extend(source::read_set(&origin, bytes, &mut self.problems));
        self
    }

    /// Adds the descriptor set in a file.
    #[must_use]
    pub fn add_descriptor_file(mut self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        match fs::read(path) {
            Ok(bytes) => self.add_set(Origin::Set(path.display().to_string()), bytes.into()),
            Err(error) => {
                self.problems.push(unreadable(path, &error));
                self
            }
        }
    }

    /// Adds all `.proto` sources below a folder, which is the root that their imports start from.
    #[must_use]
    pub fn add_proto_folder(mut self, path: impl AsRef<Path>) -> Self {
        self.folders.push(path.as_ref().to_owned());
        self
    }

    /// Adds files that a server gave by reflection: each the bytes of a `FileDescriptorProto`.
    /// `origin` names the server in problems.
    #[must_use]
    pub fn add_files(mut self, origin: &str, files: &[impl AsRef<[u8]>]) -> Self {
        let origin = Origin::Reflection(origin.to_owned());
        self.loaded.extend(source::read_files(&origin, files, &mut self.problems));
        self
    }

    /// Lays the `http:` rules of a `google.api.Service` YAML (or JSON) text over the methods' own.
    /// A rule replaces what its method had, a later rule an earlier one.
    #[must_use]
    pub fn add_rules(mut self, origin: &str, text: &str) -> Self {
        let rules = overlay::read(origin, text, &mut self.rule_problems);
        self.rules.extend(rules.into_iter().map(|rule| (origin.to_owned(), rule)));
        self
    }

    /// The same from a file.
    #[must_use]
    pub fn add_rules_file(mut self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        match fs::read_to_string(path) {
            Ok(text) => self.add_rules(&path.display().to_string(), &text),
            Err(error) => {
                self.rule_problems.push(unreadable(path, &error));
                self
            }
        }
    }

    /// Gives each method that is left without a rule, and whose full name (`a.b.Service.Method`)
    /// the predicate accepts, the rule `POST /a.b.Service/Method` with `body: "*"`.
    #[must_use]
    pub fn auto_map(mut self, accepts: impl Fn(&str) -> bool + Send + 'static) -> Self {
        self.auto_map = Some(Box::new(accepts));
        self
    }

    /// Keeps only the methods whose full name (`a.b.Service.Method`) the predicate accepts; for
    /// callers there are no others.
    #[must_use]
    pub fn expose(mut self, accepts: impl Fn(&str) -> bool + Send + 'static) -> Self {
        self.expose = Some(Box::new(accepts));
        self
    }

    /// Adds a descriptor set of services that the gateway answers itself. Where a source other
    /// than reflection declares a service of the same name, that one is meant.
    #[must_use]
    pub fn add_own(mut self, bytes: &[u8]) -> Self {
        let bytes = Bytes::copy_from_slice(bytes);
        self.own.extend(source::read_set(&Origin::Own, bytes, &mut self.problems));
        self
    }

    /// Makes the schema and tells all problems, errors and warnings; no schema if there are errors.
    pub fn build(mut self) -> (Option<Schema>, Vec<Problem>) {
        let mut rule_problems = mem::take(&mut self.rule_problems);
        let (schema, mut problems) = self.build_from_sources(&mut rule_problems);
        problems.append(&mut rule_problems);
        let refused = problems.iter().any(Problem::is_error);
        (schema.filter(|_| !refused), problems)
    }

    fn build_from_sources(
        self,
        rule_problems: &mut Vec<Problem>,
    ) -> (Option<Schema>, Vec<Problem>) {
        let Self { mut loaded, folders, rules, auto_map, expose, own, mut problems, .. } = self;
        let bundled = source::bundled();
        if !folders.is_empty() {
            let importable: Vec<Loaded> = loaded.iter().chain(&bundled).cloned().collect();
            loaded.extend(protos::compile(&folders, &importable, &mut problems));
        }

        let own = add_own(&mut loaded, own);
        let mut files = merge::merge(loaded, &mut problems);
        imports::add_bundled(&mut files, bundled);
        imports::check_missing(&files, &mut problems);
        imports::check_duplicates(&files, &mut problems);
        let sources = methods::Sources::of(&files);
        let mut files = imports::order(files, &mut problems);
        let is_exposed = |method: &str| expose.as_ref().is_none_or(|accepts| accepts(method));
        let original = original::pack(&files, &is_exposed);
        imports::flatten(&mut files);
        if problems.iter().any(Problem::is_error) {
            return (None, problems);
        }
        let pool::Built { pool, features, services } = pool::build(files, &mut problems);
        if problems.iter().any(Problem::is_error) {
            return (None, problems);
        }
        let mut found = methods::find(&pool, &sources, services, &own, is_exposed, &mut problems);
        lay_over(&mut found, rules, rule_problems);
        if let Some(accepts) = auto_map {
            map_automatically(&mut found, &*accepts);
        }
        methods::warn_of_stripped_options(&found, &mut problems);
        methods::warn_of_nothing(&found, &sources, &mut problems);
        (Some(Schema::new(pool, features, found, original)), problems)
    }
}

impl fmt::Debug for SchemaBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SchemaBuilder")
            .field("files", &self.loaded.len())
            .field("folders", &self.folders)
            .field("rules", &self.rules.len())
            .field("problems", &self.problems)
            .finish_non_exhaustive()
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    let message = format!("the file can't be read: {error}");
    Problem::error("", message).mend("name a file that exists and may be read").in_file(path)
}

/// Replaces the rules of the methods that the overlays name.
fn lay_over(
    services: &mut [methods::Found],
    rules: Vec<(String, Overlay)>,
    problems: &mut Vec<Problem>,
) {
    if rules.is_empty() {
        // The names of thousands of methods would need room.
        return;
    }
    let mut by_name: HashMap<String, &mut Method> = services
        .iter_mut()
        .flat_map(|service| &mut service.methods)
        .filter_map(Arc::get_mut)
        .map(|method| (method.full_name.to_string(), method))
        .collect();
    for (file, Overlay { rule, line }) in rules {
        let mut faults = Vec::new();
        let origin = format!("{file}:{line}").into();
        let bindings = annotation::flatten(&rule, &origin, &mut faults);
        match by_name.get_mut(&rule.selector) {
            Some(method) => method.rules = bindings.into(),
            None => {
                let message = format!("selector `{}` names no method", rule.selector);
                let mend = "name one as `package.Service.Method`, without wildcards";
                let problem = Problem::error("http.rules", message).mend(mend);
                problems.push(problem.in_file(&file).at_line(line));
            }
        }
        problems.extend(faults.into_iter().map(|fault| {
            let problem = Problem::error(&*rule.selector, fault.message).mend(fault.mend);
            let problem = problem.in_file(&file).at_line(line);
            Problem { severity: fault.severity, ..problem }
        }));
    }
}

/// Adds the gateway's own files, but for those whose services a source has already; gives the
/// names of the services that the gateway answers.
fn add_own(loaded: &mut Vec<Loaded>, own: Vec<Loaded>) -> HashSet<String> {
    let mut names = HashSet::new();
    for file in own {
        let services = source::services(&file.file);
        let declares = |one: &&Loaded| {
            let theirs = source::services(&one.file);
            services.iter().any(|name| theirs.contains(name))
        };
        let declaring = loaded.iter().filter(declares);
        let (reflected, wished): (Vec<_>, Vec<_>) =
            declaring.partition(|one| matches!(one.origin, Origin::Reflection(_)));
        if !wished.is_empty() {
            continue;
        }
        names.extend(services);
        if reflected.is_empty() {
            loaded.push(file);
        }
    }
    names
}

fn map_automatically(services: &mut [methods::Found], accepts: &Accepts) {
    let theirs = services.iter_mut().filter(|service| !service.own);
    let methods = theirs.flat_map(|service| &mut service.methods);
    // Nobody else has them yet.
    for method in methods.filter_map(Arc::get_mut) {
        if method.rules.is_empty() && accepts(&method.full_name) {
            method.rules = Box::new([HttpRule {
                method: HttpMethod::One(http::Method::POST),
                template: method.path.as_str().into(),
                body: Body::Whole,
                response_body: Box::default(),
                origin: "auto_map".into(),
            }]);
        }
    }
}
