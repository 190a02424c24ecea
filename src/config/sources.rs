//! The schema from the sources that the configuration names.

use super::{
    File, Source,
    places::{Places, join_index, join_key},
    reflections::{Reflections, Told},
    resolve::Rules,
};
use crate::{
    problem::Problem,
    schema::{Schema, SchemaBuilder},
    upstream::{own, reflection},
};

/// What came of the sources.
pub(super) struct Gathered {
    /// None if there are errors.
    pub(super) schema: Option<Schema>,
    /// Whether an upstream that was to be asked could not be.
    pub(super) unreachable: bool,
}

/// Reads all sources, takes what upstreams have told if they were asked, and puts the schema
/// together.
pub(super) fn gather(
    file: &File,
    places: &Places,
    rules: &Rules,
    reflections: Option<&Reflections>,
    problems: &mut Vec<Problem>,
) -> Gathered {
    let before = problems.len();
    let mut sound = true;
    let mut unreachable = false;
    let mut builder = Schema::builder();
    for (index, source) in file.sources().iter().enumerate() {
        let path = places.original(&join_index("schema", index));
        builder = match source {
            Source::Reflection { upstream, .. } => {
                if !file.upstreams.contains_key(upstream) {
                    if !places.knows(&join_key("upstreams", upstream)) {
                        let path = join_key(&path, "reflection");
                        problems.push(places.settle(unknown_upstream(&path, upstream, file)));
                    }
                    continue;
                }
                let Some(reflections) = reflections else {
                    sound = false;
                    continue;
                };
                let Told { answer, failure } = reflections.told(upstream);
                unreachable |= answer.is_none();
                if let Some(failure) = failure {
                    let problem = unanswered(upstream, failure, answer.is_some());
                    problems.push(places.settle(problem));
                }
                match answer {
                    Some(reflected) => {
                        problems.extend(undescribed(upstream, &reflected));
                        builder.add_files(upstream, &reflected.files)
                    }
                    None => builder,
                }
            }
            source => add_file(builder, source, &path, places, problems),
        };
    }
    sound &= !problems[before..].iter().any(Problem::is_error);
    let (automatic, exposing) = (rules.clone(), rules.clone());
    let builder = builder
        .auto_map(move |method| automatic.maps_automatically(method))
        .expose(move |method| exposing.exposes(method));
    let builder = own::DESCRIPTORS.into_iter().fold(builder, SchemaBuilder::add_own);
    let (schema, found) = builder.build();
    // What is missing because a source could not be read is no finding of its own.
    if sound {
        problems.extend(found);
    } else {
        problems.extend(found.into_iter().filter(|problem| problem.place.file.is_some()));
    }
    Gathered { schema: schema.filter(|_| sound), unreachable }
}

fn add_file(
    builder: SchemaBuilder,
    source: &Source,
    path: &str,
    places: &Places,
    problems: &mut Vec<Problem>,
) -> SchemaBuilder {
    let (key, file, is_folder) = match source {
        Source::DescriptorSet(file) => ("descriptor_set", file, false),
        Source::Rules(file) => ("rules", file, false),
        Source::Protos(folder) => ("protos", folder, true),
        Source::Reflection { .. } => return builder,
    };
    let what = if is_folder { "folder" } else { "file" };
    if if is_folder { file.is_dir() } else { file.is_file() } {
        return match source {
            Source::DescriptorSet(file) => builder.add_descriptor_file(file),
            Source::Protos(folder) => builder.add_proto_folder(folder),
            _ => builder.add_rules_file(file),
        };
    }
    let message = if file.exists() {
        format!("`{}` is not a {what}", file.display())
    } else {
        format!("there is no {what} `{}`", file.display())
    };
    problems
        .push(places.settle(Problem::error(join_key(path, key), message).mend(places.path_mend())));
    builder
}

/// The problem of a name that no upstream has.
pub(super) fn unknown_upstream(path: &str, name: &str, file: &File) -> Problem {
    let known: Vec<_> = file.upstreams.keys().map(String::as_str).collect();
    if known.is_empty() {
        let mend = format!("add `upstreams: {{ {name}: {{ endpoints: [http://host:port] }} }}`");
        return Problem::error(path, format!("no upstream is named `{name}`")).mend(mend);
    }
    super::wording::unknown(path, "upstream", name, &known)
}

fn unanswered(upstream: &str, failure: String, has_answered: bool) -> Problem {
    let path = join_key("upstreams", upstream);
    if has_answered {
        let message = format!("{failure}; what it told before stands");
        return Problem::warning(path, message).mend("see why it does not answer");
    }
    Problem::error(path, failure)
        .mend("start it with reflection, or give a descriptor set or .proto sources")
}

fn undescribed(upstream: &str, reflected: &reflection::Reflected) -> Option<Problem> {
    let names = &reflected.undescribed;
    (!names.is_empty()).then(|| {
        let message = format!("it lists services that it doesn't describe: {}", names.join(", "));
        Problem::warning(join_key("upstreams", upstream), message)
            .mend("give their descriptors in `schema`")
    })
}
