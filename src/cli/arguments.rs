//! The arguments that say what to serve: a file, or flags that stand for one.
//!
//! ```text
//! --upstream 127.0.0.1:1 --upstream 127.0.0.1:2      upstreams: { default: { endpoints: [both] } }
//! --upstream a=127.0.0.1:1 --upstream b=127.0.0.1:2  upstreams: { a: …, b: … }
//! --descriptor-set X --proto DIR --rules Y           schema: [in this order]
//! ```

use std::{collections::BTreeMap, num::NonZeroUsize, path::PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::{
    config::{Address, File, Listen, Loaded, Places, Source, Written},
    problem::Problem,
    upstream,
};

/// The upstream that flags without a name speak of.
const DEFAULT_UPSTREAM: &str = "default";

/// What to serve.
#[derive(Clone, Debug, Default, Args)]
pub struct Arguments {
    /// The configuration file (YAML); flags may replace its listeners and workers.
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where to listen, 127.0.0.1:8080 by default; `unix:PATH` is a Unix socket. May be repeated.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Vec<String>,
    /// A backend: `host:port` or `http://…` for cleartext HTTP/2, `https://…` for TLS; may be
    /// repeated. Those without a name, or with the same, share the calls; `NAME=URL` gives one.
    #[arg(long, value_name = "[NAME=]URL", conflicts_with = "config")]
    pub upstream: Vec<String>,
    /// A FileDescriptorSet or buf image; may be repeated. Without any source the upstreams are
    /// asked by reflection.
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub descriptor_set: Vec<PathBuf>,
    /// A folder of .proto sources, the root of their imports; may be repeated.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub proto: Vec<PathBuf>,
    /// A google.api.Service file whose `http:` rules are laid over the schema; may be repeated.
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub rules: Vec<PathBuf>,
    /// Give methods without an HTTP rule one: `POST /package.Service/Method`.
    #[arg(long, conflicts_with = "config")]
    pub auto_map: bool,
    /// How many worker threads serve; the CPUs available by default.
    #[arg(long, value_name = "N")]
    pub workers: Option<NonZeroUsize>,
    /// Write a line of JSON for each request to standard output.
    #[arg(long)]
    pub access_log: bool,
}

impl Arguments {
    /// The configuration that they stand for.
    pub fn load(&self) -> Loaded {
        let mut loaded = match &self.config {
            Some(path) => File::load(path),
            None => self.without_file(),
        };
        self.replace_listeners(&mut loaded);
        loaded.file.workers = self.workers.or(loaded.file.workers);
        loaded.file.access_log |= self.access_log;
        self.show_over(&mut loaded.shown);
        loaded
    }

    /// Whether they name nobody to call.
    pub fn have_no_upstream(&self) -> bool {
        self.config.is_none() && self.upstream.is_empty()
    }

    fn without_file(&self) -> Loaded {
        let mut problems = Vec::new();
        if self.have_no_upstream() {
            let problem = Problem::error("", "nothing says what to serve");
            problems.push(problem.mend("give `--upstream URL`, or `--config FILE`"));
        }
        let sets = self.descriptor_set.iter().cloned().map(Source::DescriptorSet);
        let protos = self.proto.iter().cloned().map(Source::Protos);
        let rules = self.rules.iter().cloned().map(Source::Rules);
        let mut file = File {
            upstreams: self.upstreams(),
            schema: sets.chain(protos).chain(rules).collect(),
            ..File::default()
        };
        if self.auto_map {
            let policy = Written::of([("auto_map", true.into())]);
            file.services = BTreeMap::from([("*".to_owned(), policy)]);
        }
        Loaded { file, places: Places::in_arguments(), problems, shown: self.shown() }
    }

    /// The file that they stand for.
    fn shown(&self) -> Value {
        let upstreams = self.upstreams().into_iter();
        let upstreams = upstreams.map(|(name, settings)| {
            let endpoints: Vec<_> = settings.endpoints.iter().map(ToString::to_string).collect();
            (name, json!({ "endpoints": endpoints }))
        });
        let source = |key: &'static str| move |path: &PathBuf| json!({ key: path });
        let sets = self.descriptor_set.iter().map(source("descriptor_set"));
        let protos = self.proto.iter().map(source("protos"));
        let rules = self.rules.iter().map(source("rules"));
        json!({
            "schema": sets.chain(protos).chain(rules).collect::<Vec<_>>(),
            "upstreams": upstreams.collect::<serde_json::Map<_, _>>(),
            "services": { "*": { "auto_map": self.auto_map } },
        })
    }

    /// Lays the flags over a file that is shown.
    fn show_over(&self, shown: &mut Value) {
        let Value::Object(shown) = shown else { return };
        if !self.listen.is_empty() {
            let listen = self.listen.iter().map(|address| json!({ "address": address }));
            shown.insert("listen".into(), listen.collect());
        }
        if let Some(workers) = self.workers {
            shown.insert("workers".into(), workers.get().into());
        }
        if self.access_log {
            shown.insert("access_log".into(), true.into());
        }
    }

    fn upstreams(&self) -> BTreeMap<String, upstream::Settings> {
        let mut upstreams = BTreeMap::<String, upstream::Settings>::new();
        for text in &self.upstream {
            let (name, url) = match text.split_once('=') {
                Some((name, url)) if is_name(name) => (name, url),
                _ => (DEFAULT_UPSTREAM, text.as_str()),
            };
            upstreams.entry(name.to_owned()).or_default().endpoints.push(url.into());
        }
        upstreams
    }

    fn replace_listeners(&self, loaded: &mut Loaded) {
        if self.listen.is_empty() {
            return;
        }
        loaded.file.listen.clear();
        for text in &self.listen {
            match text.parse::<Address>() {
                Ok(address) => loaded.file.listen.push(Listen::at(address)),
                Err(error) => {
                    let (message, mend) = error.split_once("; ").unwrap_or((&error, ""));
                    loaded.problems.push(Problem::error("--listen", message).mend(mend));
                }
            }
        }
    }
}

fn is_name(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !text.is_empty() && text.bytes().all(known)
}
