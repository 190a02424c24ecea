//! The configuration file as written.
//!
//! ```yaml
//! listen:
//!   - address: 0.0.0.0:8080
//! schema:
//!   - descriptor_set: api.binpb
//!   - reflection: bookshelf
//!     refresh: 30s
//! upstreams:
//!   bookshelf:
//!     endpoints: [http://127.0.0.1:50051]
//! services:
//!   "bookshelf.v1.*":
//!     upstream: bookshelf
//!     timeout: 5s
//! ```

use std::{
    borrow::Cow,
    collections::BTreeMap,
    env, fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::{Address, Admin, Listen, Places, Reload, document, policy::Written, read, shown};
use crate::{duration::optional_duration, observe, problem::Problem, upstream};

/// All that can be configured.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Transom's configuration")]
pub struct File {
    /// Where downstream comes in; `127.0.0.1:8080` if there is none.
    pub listen: Vec<Listen>,
    /// What the services look like: any mix of sources, merged. If there is none, every upstream is
    /// asked by reflection.
    pub schema: Vec<Source>,
    /// Who answers: clusters of backends by name.
    pub upstreams: BTreeMap<String, upstream::Settings>,
    /// What holds for which methods: a policy by selector. `*` selects every method, `a.b.*` every
    /// one below the package (or service) `a.b`, `a.b.Service` those of a service and
    /// `a.b.Service.Method` one. Of two selectors that fit a method the more specific wins, key by
    /// key: mappings are merged, lists and plain values replaced, and `null` takes a key away.
    #[schemars(schema_with = "super::json_schema::services")]
    pub services: BTreeMap<String, Written>,
    /// The operator's port; none by default.
    pub admin: Option<Admin>,
    /// How a configuration that has changed is taken while the gateway serves.
    pub reload: Reload,
    /// How many worker threads serve; the CPUs available by default. With 1 the whole data path
    /// runs on one thread.
    pub workers: Option<NonZeroUsize>,
    /// How long requests in flight may take to end after SIGTERM or SIGINT; `20s` by default.
    #[serde(deserialize_with = "optional_duration")]
    #[schemars(with = "Option<String>")]
    pub drain_timeout: Option<Duration>,
    /// What the program's own log on standard error says: a level (`error`, `warn`, `info`,
    /// `debug`, `trace`, `off`) or a list of levels a module; `info` by default.
    pub log: Option<String>,
    /// How the program's own log looks.
    pub log_format: observe::LogFormat,
    /// Whether each request gets a line of JSON on standard output.
    pub access_log: bool,
}

/// One place that descriptors or rules come from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenSource")]
pub enum Source {
    /// A `FileDescriptorSet` or buf image, with imports.
    DescriptorSet(PathBuf),
    /// A folder of `.proto` sources, the root of their imports.
    Protos(PathBuf),
    /// An upstream to ask by reflection.
    Reflection {
        /// The upstream's name.
        upstream: String,
        /// How often it is asked again, if ever.
        refresh: Option<Duration>,
    },
    /// A `google.api.Service` file whose `http:` rules are laid over the others.
    Rules(PathBuf),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSource {
    descriptor_set: Option<PathBuf>,
    protos: Option<PathBuf>,
    reflection: Option<String>,
    #[serde(default, deserialize_with = "optional_duration")]
    refresh: Option<Duration>,
    rules: Option<PathBuf>,
}

impl TryFrom<WrittenSource> for Source {
    type Error = String;

    fn try_from(written: WrittenSource) -> Result<Self, String> {
        const KINDS: &str = "`descriptor_set`, `protos`, `reflection` or `rules`";
        let WrittenSource { descriptor_set, protos, reflection, refresh, rules } = written;
        if refresh.is_some() && reflection.is_none() {
            return Err("`refresh` stands without `reflection`; only an upstream can be asked \
                        again, so take it away"
                .into());
        }
        let mut sources = [
            descriptor_set.map(Source::DescriptorSet),
            protos.map(Source::Protos),
            reflection.map(|upstream| Source::Reflection { upstream, refresh }),
            rules.map(Source::Rules),
        ]
        .into_iter()
        .flatten();
        match (sources.next(), sources.next()) {
            (Some(source), None) => Ok(source),
            (None, _) => Err(format!("the source says not what it is; write one of {KINDS}")),
            (Some(_), Some(_)) => Err(format!(
                "the source is of two kinds; write each of {KINDS} as an entry of its own"
            )),
        }
    }
}

impl JsonSchema for Source {
    fn schema_name() -> Cow<'static, str> {
        "Source".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let kind = |name: &str, description: &str| {
            json_schema!({
                "properties": { name: { "description": description, "type": "string" } },
                "required": [name],
                "additionalProperties": false,
            })
        };
        let mut reflection =
            kind("reflection", "The name of an upstream that is asked by reflection.");
        reflection.ensure_object()["properties"]["refresh"] = serde_json::json!({
            "description": "How often it is asked again, such as `30s`; never by default.",
            "type": "string",
        });
        json_schema!({
            "description": "One place that descriptors or rules come from.",
            "type": "object",
            "oneOf": [
                kind("descriptor_set", "A file with a FileDescriptorSet or buf image, with imports."),
                kind("protos", "A folder of .proto sources, the root of their imports."),
                reflection,
                kind("rules", "A google.api.Service file whose `http:` rules are laid over the others."),
            ],
        })
    }
}

/// A file as read, where its parts stand, and what is wrong with it so far.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What could be read.
    pub file: File,
    /// Where everything stands.
    pub places: Places,
    /// What could not be read.
    pub problems: Vec<Problem>,
    /// The file for people to see, secrets left out.
    pub shown: serde_json::Value,
}

impl File {
    /// Reads a file. Whatever is wrong with it is among the problems of the result.
    pub fn load(path: &Path) -> Loaded {
        Self::load_with(path, &|name| env::var(name).ok())
    }

    /// The same with another environment than the process's own.
    pub fn load_with(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Loaded {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(path, &text, environment),
            Err(error) => {
                let problem = Problem::error("", format!("the file can't be read: {error}"))
                    .mend("name a YAML file that exists and may be read")
                    .in_file(path);
                Loaded {
                    file: File::default(),
                    places: Places::in_file(path),
                    problems: vec![problem],
                    shown: serde_json::Value::Null,
                }
            }
        }
    }

    pub(super) fn parse(
        path: &Path,
        text: &str,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Loaded {
        let mut problems = Vec::new();
        let (mut value, mut places) = document::parse(path, text, environment, &mut problems);
        let mut file: File = read::read(&mut value, "", &mut places, &mut problems);
        for (selector, policy) in &mut file.services {
            policy.check(selector, &mut places, &mut problems);
        }
        if let Some(folder) = path.parent() {
            file.stand_in(folder);
        }
        Loaded { file, places, problems, shown: shown::shown(text) }
    }

    /// Makes relative paths start from this folder.
    fn stand_in(&mut self, folder: &Path) {
        let join = |path: &mut PathBuf| *path = folder.join(&*path);
        for source in &mut self.schema {
            match source {
                Source::DescriptorSet(path) | Source::Protos(path) | Source::Rules(path) => {
                    join(path)
                }
                Source::Reflection { .. } => {}
            }
        }
        for listen in &mut self.listen {
            if let Address::Unix(path) = &mut listen.address {
                join(path);
            }
            listen.tls.iter_mut().flat_map(|tls| tls.files_mut()).for_each(join);
        }
        if let Some(Admin { address: Address::Unix(path) }) = &mut self.admin {
            join(path);
        }
        for upstream in self.upstreams.values_mut() {
            if let Some(upstream::Discovery::File(file)) = &mut upstream.discovery {
                join(&mut file.path);
            }
        }
        let tls = self.upstreams.values_mut().filter_map(|upstream| upstream.tls.as_mut());
        for tls in tls {
            [&mut tls.ca, &mut tls.certificate, &mut tls.key].into_iter().flatten().for_each(join);
        }
    }

    /// Where to listen, and how.
    pub fn listeners(&self) -> Vec<Listen> {
        match self.listen.as_slice() {
            [] => vec![Listen::at(Address::Ip(([127, 0, 0, 1], 8080).into()))],
            listen => listen.to_vec(),
        }
    }

    /// How many worker threads serve.
    pub fn worker_count(&self) -> usize {
        let available = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.workers.unwrap_or_else(available).get()
    }

    /// How long requests in flight may take to end.
    pub fn drain_timeout(&self) -> Duration {
        self.drain_timeout.unwrap_or(Duration::from_secs(20))
    }

    /// What is logged, and how.
    pub fn observe(&self) -> observe::Settings {
        let default = observe::Settings::default();
        observe::Settings {
            log: self.log.clone().unwrap_or(default.log),
            log_format: self.log_format,
            access_log: self.access_log,
        }
    }

    /// The sources of the schema, those that go without saying included.
    pub fn sources(&self) -> Cow<'_, [Source]> {
        let only_rules = self.schema.iter().all(|source| matches!(source, Source::Rules(_)));
        if !only_rules {
            return Cow::Borrowed(&self.schema);
        }
        let asked = self.upstreams.keys().cloned();
        let reflections = asked.map(|upstream| Source::Reflection { upstream, refresh: None });
        reflections.chain(self.schema.iter().cloned()).collect()
    }
}
