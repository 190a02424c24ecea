//! All that serving needs, made from a configuration in one go, or all that is wrong with it.

use std::{collections::HashMap, fmt, sync::Arc};

use super::{
    File, Loaded, Places, Reflections, Resolved, listeners, operate,
    places::join_key,
    resolve::{self, Rules},
    sources,
};
use crate::{
    callout::Upstreams,
    lasting::Lasting,
    meter::Meter,
    problem::Problem,
    protocol::{
        Compiled, Door, Material, MethodPolicy, Methods, PROTOCOLS,
        cors::{self, Cors},
        rule,
    },
    schema::Schema,
    transcode::Plans,
    upstream::Cluster,
};

/// The ingredients of the runtime. Nothing in it is invalid.
pub struct Prepared {
    /// The configuration, paths resolved.
    pub file: File,
    /// The services.
    pub schema: Arc<Schema>,
    /// What holds for each method; the position is [`Method::index`](crate::schema::Method::index).
    pub methods: Vec<Resolved>,
    /// The protocols, compiled for the schema, in the order of their table.
    pub doors: Vec<Box<dyn Door>>,
    /// What web pages of other origins may call.
    pub cors: Cors,
    /// What upstreams told of their schema.
    pub reflections: Arc<Reflections>,
    /// Where everything is counted.
    pub meter: Arc<Meter>,
    /// The upstreams that stages ask.
    pub upstreams: Upstreams,
    /// What is worth knowing.
    pub warnings: Vec<Problem>,
}

/// Why there is nothing to serve.
#[derive(Debug)]
pub struct Failure {
    /// Everything that is wrong, warnings too.
    pub problems: Vec<Problem>,
    /// Whether all errors are of upstreams that could not be asked for their schema: the
    /// configuration may be sound, and a later attempt may succeed.
    pub only_unreachable: bool,
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("schema", &self.schema)
            .field("doors", &self.doors.len())
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

/// Checks everything, asks upstreams for their schema where the configuration says so, and puts
/// the ingredients together.
///
/// # Errors
/// Every problem of the configuration, of the descriptors and of the rules.
pub async fn prepare(loaded: Loaded, lasting: &Lasting) -> Result<Prepared, Failure> {
    let draft = Draft::check(loaded, lasting)?;
    // Asking takes time; there may be enough to mend before.
    if draft.is_sound() {
        draft.reflections.ask(&draft.file).await;
    }
    draft.finish(lasting)
}

/// The same by what upstreams have told [`Reflections`] of `lasting` already.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_again(loaded: Loaded, lasting: &Lasting) -> Result<Prepared, Failure> {
    Draft::check(loaded, lasting)?.finish(lasting)
}

/// A configuration that has been looked at as far as that needs no schema.
struct Draft {
    file: File,
    places: Places,
    problems: Vec<Problem>,
    rules: Rules,
    meter: Arc<Meter>,
    reflections: Arc<Reflections>,
}

impl Draft {
    fn check(loaded: Loaded, lasting: &Lasting) -> Result<Self, Failure> {
        let Loaded { file, places, mut problems, .. } = loaded;
        // A file that can't be read as a whole says nothing, so nothing can be missing in it.
        if problems.iter().any(|problem| problem.is_error() && problem.place.path.is_empty()) {
            return Err(Failure { problems, only_unreachable: false });
        }
        // Held from now on, so that what stages count is counted here.
        let protocols = PROTOCOLS.iter().map(|protocol| protocol.name);
        let meter = Meter::of(lasting, protocols.chain([cors::NAME]));
        let reflections = Reflections::of(lasting);
        listeners::check(&file, &places, &mut problems);
        operate::check(&file, &places, &mut problems);
        check_log(&file, &places, &mut problems);
        check_upstreams(&file, &places, &mut problems);
        let rules = Rules::of(&file.services, &places, &mut problems);
        Ok(Self { file, places, problems, rules, meter, reflections })
    }

    fn is_sound(&self) -> bool {
        count_errors(&self.problems) == 0
    }

    fn finish(self, lasting: &Lasting) -> Result<Prepared, Failure> {
        let was_sound = self.is_sound();
        let Self { file, places, mut problems, rules, meter, reflections } = self;
        let asked = was_sound.then_some(&*reflections);
        let gathered = sources::gather(&file, &places, &rules, asked, &mut problems);
        let only_unreachable = gathered.unreachable && was_sound;
        let Some(schema) = gathered.schema else {
            return Err(Failure { problems: in_order(problems), only_unreachable });
        };
        // One that can't be read is there all the same: it has its own problem.
        let broken = places.children("upstreams");
        let upstreams = Upstreams::new(file.upstreams.keys().cloned().chain(broken));
        let kept = (lasting, &upstreams);
        let methods = resolve::resolve(&file, &places, &rules, &schema, kept, &mut problems);
        let schema = Arc::new(schema);
        let protocols = compile_protocols(&schema, &methods, &mut problems);
        warn_of_nothing(&schema, &mut problems);
        let warnings = in_order(problems);
        match protocols {
            Some((doors, cors)) if count_errors(&warnings) == 0 => Ok(Prepared {
                file,
                schema,
                methods,
                doors,
                cors,
                reflections,
                meter,
                upstreams,
                warnings,
            }),
            _ => Err(Failure { problems: warnings, only_unreachable: false }),
        }
    }
}

/// Compiles every protocol for the schema and its policies.
fn compile_protocols(
    schema: &Arc<Schema>,
    methods: &[Resolved],
    problems: &mut Vec<Problem>,
) -> Option<(Vec<Box<dyn Door>>, Cors)> {
    let plans = Arc::new(Plans::compile(schema.pool(), schema.features()));
    let mut shared = HashMap::new();
    let policy = |one: &Resolved| {
        let policy = shared.entry(Arc::as_ptr(&one.policy));
        policy.or_insert_with(|| Arc::new(MethodPolicy::from(&*one.policy))).clone()
    };
    let policies: Arc<[_]> = methods.iter().map(policy).collect();
    let rules = match rule::compile(schema, &plans, &policies) {
        Ok(rules) => Arc::new(rules),
        Err(found) => {
            problems.extend(found);
            return None;
        }
    };
    let methods = Arc::new(Methods::new(schema, &plans, &policies));
    let material = Material { methods: &methods, rules: &rules };
    let compiled = PROTOCOLS.iter().filter_map(|protocol| {
        let Compiled { door, problems: found } = (protocol.compile)(&material);
        problems.extend(found);
        door
    });
    Some((compiled.collect(), Cors::compile(&material)))
}

fn count_errors(problems: &[Problem]) -> usize {
    problems.iter().filter(|problem| problem.is_error()).count()
}

/// The problems in the order of files and lines.
fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by(|one, other| {
        let place = |problem: &Problem| (problem.place.file.clone(), problem.place.line);
        place(one).cmp(&place(other))
    });
    problems
}

fn check_log(file: &File, places: &Places, problems: &mut Vec<Problem>) {
    if let Err(error) =
        crate::observe::subscriber(&file.observe(), false, std::io::sink, std::io::sink)
    {
        let error = error.to_string();
        let (message, mend) = error.split_once("; ").unwrap_or((&error, ""));
        problems.push(places.settle(Problem::error("log", message).mend(mend)));
    }
}

fn check_upstreams(file: &File, places: &Places, problems: &mut Vec<Problem>) {
    if file.upstreams.is_empty() && !places.knows_below("upstreams") {
        let problem = Problem::error("upstreams", "there is no upstream to call");
        let mend = "add `upstreams: { NAME: { endpoints: [http://host:port] } }`";
        problems.push(places.settle(problem.mend(mend)));
    }
    for (name, settings) in &file.upstreams {
        let base = join_key("upstreams", name);
        let Err(found) = Cluster::check(settings) else { continue };
        problems.extend(found.into_iter().map(|mut problem| {
            problem.place.path = places.original(&join_path(&base, &problem.place.path));
            places.settle(problem)
        }));
    }
}

/// The path of what stands at `inside` of what stands at `base`.
pub(super) fn join_path(base: &str, inside: &str) -> String {
    if inside.is_empty() { base.to_owned() } else { format!("{base}.{inside}") }
}

fn warn_of_nothing(schema: &Schema, problems: &mut Vec<Problem>) {
    if schema.services().is_empty() {
        let problem = Problem::warning("schema", "the schema has no service, so nothing is served");
        problems.push(problem.mend("name sources that declare one"));
    }
}
