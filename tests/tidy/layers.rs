//! Who may know whom.

use super::{assert_tidy, code::Source, findings};

/// What every module of the second level may know.
const WAIST: &[&str] = &[
    "error",
    "problem",
    "duration",
    "secret",
    "authorities",
    "lasting",
    "first_use",
    "coding",
    "cork",
    "frame",
    "meter",
    "store",
    "schema",
    "exchange",
    "route",
    "transcode",
    "callout",
];

/// The modules in the order of `lib.rs`, lowest first: name, level, what it may know besides
/// itself. An empty list above level 3 means every module of a level that is not higher.
const LAYERS: &[(&str, u8, &[&str])] = &[
    ("error", 0, &[]),
    ("problem", 0, &[]),
    ("duration", 0, &[]),
    ("secret", 0, &[]),
    ("authorities", 0, &[]),
    ("lasting", 0, &[]),
    ("first_use", 0, &[]),
    ("coding", 1, &["error"]),
    ("cork", 1, &[]),
    ("frame", 1, &[]),
    ("meter", 1, &["error", "lasting", "first_use"]),
    // A Redis or Valkey that gateways share.
    ("store", 1, &["duration", "secret", "authorities", "lasting", "meter"]),
    ("schema", 1, &["error", "problem", "coding"]),
    ("exchange", 1, &["error", "problem", "coding", "frame", "schema"]),
    // Pure, and strangers to each other.
    ("route", 1, &["error", "problem", "schema", "exchange"]),
    ("transcode", 1, &["error", "problem", "schema", "exchange"]),
    // Asks others for the stages: over HTTP itself, over gRPC by an upstream that it is given.
    ("callout", 1, &["error", "problem", "authorities", "schema", "exchange", "coding"]),
    // Strangers to each other.
    ("protocol", 2, WAIST),
    ("stage", 2, WAIST),
    ("upstream", 2, WAIST),
    // What listeners show and ask for; the configuration checks it, the listener uses it.
    ("tls", 2, &["error", "problem", "duration", "exchange"]),
    // Sees requests from outside, as the gateway walks them.
    ("observe", 2, &["error", "problem", "meter", "schema", "exchange", "protocol"]),
    ("config", 3, &[]),
    ("gateway", 4, &[]),
    ("listener", 5, &[]),
    ("reload", 5, &[]),
    ("admin", 5, &[]),
    ("cli", 5, &[]),
    ("main", 5, &[]),
];

/// Packages that stay in some rooms: the package's path name, the rooms.
const CONFINED: &[(&str, &[&str])] = &[
    ("prost_reflect", &["src/schema", "src/transcode", "src/route", "src/stage/validate"]),
    ("cel", &["src/stage/expression", "src/stage/authorize/condition", "src/stage/validate"]),
    ("tonic", &["src/upstream", "src/cli/demo"]),
    ("hyper", &["src/listener", "src/gateway", "src/protocol", "src/upstream", "src/admin"]),
    (
        "hyper_util",
        &["src/listener", "src/protocol", "src/upstream", "src/admin", "src/callout/http"],
    ),
    ("hyper_rustls", &["src/callout/http"]),
    ("h2", &["src/listener", "src/protocol", "src/upstream"]),
    ("prometheus", &["src/meter"]),
    ("tungstenite", &["src/protocol/websocket"]),
    ("tokio_tungstenite", &["src/protocol/websocket"]),
    (
        "rustls",
        &[
            "src/authorities",
            "src/listener",
            "src/tls",
            "src/upstream",
            "src/store",
            "src/callout/http",
        ],
    ),
    ("redis", &["src/store"]),
    ("jsonwebtoken", &["src/stage/auth/jwt"]),
];

/// Files that may name a confined package all the same, and why. This list should shrink.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    (
        "src/config/runtime.rs",
        "hyper",
        "asks each door whether it knows a request, and a request that has come in is hyper's",
    ),
    (
        "src/stage/testing.rs",
        "prost_reflect",
        "the stages' tests need a method, and a method has message descriptors",
    ),
    (
        "src/stage/authorize/condition/tests.rs",
        "prost_reflect",
        "the conditions' tests need messages of a type of their own",
    ),
    (
        "src/upstream/tests/mod.rs",
        "prost_reflect",
        "the clusters' tests need a method, and a method has message descriptors",
    ),
];

/// Modules whose children are strangers to each other, and the table that names these children.
const TABLES: &[(&str, &str)] = &[("stage", "STAGES"), ("protocol", "PROTOCOLS")];

fn layer(name: &str) -> Option<&'static (&'static str, u8, &'static [&'static str])> {
    LAYERS.iter().find(|(module, ..)| *module == name)
}

fn may_know(from: &str, to: &str) -> bool {
    match (layer(from), layer(to)) {
        _ if from == to => true,
        (Some((_, level, [])), Some((_, other, _))) if *level >= 3 => other <= level,
        (Some((.., known)), Some(_)) => known.contains(&to),
        _ => false,
    }
}

/// A module names one that stands higher, or a stranger of its own level.
fn upward(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        let module = source.module();
        let Some(own) = module.first() else { continue };
        if layer(own).is_none() {
            found.push(format!("{}: `{own}` has no place among the layers", source.path));
            continue;
        }
        for (line, path) in source.paths() {
            let Some(target) = path.first() else { continue };
            if layer(target).is_some() && !may_know(own, target) {
                found.push(format!("{}:{line}: `{own}` may not know `{target}`", source.path));
            }
        }
    }
    found
}

/// The children that a table names: `timeout::ENTRY` in the text of `STAGES`.
fn children(sources: &[Source], module: &str, table: &str) -> Vec<String> {
    let path = format!("src/{module}/mod.rs");
    let Some(source) = sources.iter().find(|source| source.path == path) else { return Vec::new() };
    let Some(start) = source.code.find(&format!("static {table}:")) else { return Vec::new() };
    let body = &source.code[start..];
    let body = &body[..body.find("];").unwrap_or(body.len())];
    let words = body.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | ':'));
    words.filter_map(|word| Some(word.split_once("::")?.0.to_owned())).collect()
}

/// A stage names a sibling stage, or a protocol a sibling protocol.
fn siblings(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for (parent, table) in TABLES {
        let children = children(sources, parent, table);
        let is_child = |name: &str| children.iter().any(|child| child == name);
        for source in sources {
            let [top, own, ..] = source.module()[..] else { continue };
            if top != *parent || !is_child(own) {
                continue;
            }
            for (line, path) in source.paths() {
                let [top, other, ..] = &path[..] else { continue };
                if top == parent && other != own && is_child(other) {
                    let place = format!("{}:{line}", source.path);
                    found.push(format!("{place}: `{own}` may not know its sibling `{other}`"));
                }
            }
        }
    }
    found
}

/// A package is named outside its rooms, or an exception that nobody needs.
fn confined(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for (package, rooms) in CONFINED {
        for source in sources {
            let Some(line) = source.names_package(package) else { continue };
            let inside = rooms.iter().any(|room| {
                source.path.strip_prefix(room).is_some_and(|rest| rest.starts_with(['/', '.']))
            });
            let excepted = EXCEPTIONS
                .iter()
                .any(|(path, excepted, _)| *path == source.path && excepted == package);
            if !inside && !excepted {
                let place = format!("{}:{line}", source.path);
                found.push(format!("{place}: `{package}` stays in {}", rooms.join(", ")));
            }
        }
    }
    found
}

/// Exceptions whose file no longer names the package.
fn idle_exceptions(sources: &[Source]) -> Vec<String> {
    let needed = |path: &str, package: &str| {
        sources.iter().any(|source| source.path == path && source.names_package(package).is_some())
    };
    EXCEPTIONS
        .iter()
        .filter(|(path, package, _)| !needed(path, package))
        .map(|(path, package, _)| format!("{path} needs no exception for `{package}` any more"))
        .collect()
}

/// `lib.rs` declares a module before one that it may know.
fn declared_upward(library: &str) -> Vec<String> {
    let names: Vec<&str> = library
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    let place = |name: &str| LAYERS.iter().position(|(module, ..)| *module == name);
    names
        .windows(2)
        .filter(|pair| place(pair[0]) > place(pair[1]) || place(pair[0]).is_none())
        .map(|pair| format!("src/lib.rs: `{}` stands before `{}`", pair[0], pair[1]))
        .collect()
}

#[test]
fn modules_know_only_what_stands_below() {
    assert_tidy(upward(&Source::tree("src")));
}

#[test]
fn stages_and_protocols_know_no_sibling() {
    let sources = Source::tree("src");
    assert!(children(&sources, "stage", "STAGES").len() >= 2, "the table of stages was not found");
    assert_tidy(siblings(&sources));
}

#[test]
fn packages_stay_in_their_rooms() {
    let sources = Source::tree("src");
    assert_tidy(confined(&sources));
    assert_tidy(idle_exceptions(&sources));
}

#[test]
fn library_declares_its_modules_lowest_first() {
    let library = Source::tree("src").into_iter().find(|source| source.path == "src/lib.rs");
    assert_tidy(declared_upward(&library.unwrap().code));
}

#[test]
fn a_path_upward_is_found() {
    for (path, text) in [
        ("src/error.rs", "use crate::exchange::Exchange;"),
        ("src/exchange.rs", "use crate::{error::Error, route::Router};"),
        ("src/route/mod.rs", "fn f() -> crate::transcode::Plans {}"),
        ("src/stage/timeout/mod.rs", "use super::super::upstream;"),
        ("src/protocol/rest/mod.rs", "use crate::{\n    error,\n    config::File,\n};"),
        ("src/config/mod.rs", "use crate::gateway::Gateway;"),
        ("src/lounge/mod.rs", ""),
    ] {
        assert_eq!(findings(upward, path, text).len(), 1, "{path}: {text}");
    }
}

#[test]
fn a_path_downward_is_no_finding() {
    for (path, text) in [
        ("src/route/mod.rs", "use crate::{error::Error, schema::Method};"),
        ("src/gateway.rs", "use crate::{config, protocol, stage, upstream, observe};"),
        ("src/error.rs", "//! [see](crate::gateway)\nconst A: &str = \"crate::cli\";"),
        ("src/cli/serve.rs", "use crate::listener;"),
    ] {
        assert_eq!(findings(upward, path, text), [""; 0], "{path}: {text}");
    }
}

#[test]
fn a_sibling_stage_is_found() {
    let table = "pub static STAGES: &[Entry] = &[timeout::ENTRY, headers::ENTRY];";
    let text = "use super::{headers::Settings, Entry};\nuse crate::stage::testing;";
    let sources =
        [Source::new("src/stage/mod.rs", table), Source::new("src/stage/timeout/mod.rs", text)];
    let want = "src/stage/timeout/mod.rs:1: `timeout` may not know its sibling `headers`";
    assert_eq!(siblings(&sources), [want]);
}

#[test]
fn a_package_out_of_its_room_is_found() {
    for (path, text) in [
        ("src/route/mod.rs", "use hyper::Request;"),
        ("src/config/mod.rs", "fn f(_: ::prost_reflect::DescriptorPool) {}"),
        ("src/upstreams.rs", "use tonic::Status;"),
    ] {
        assert_eq!(findings(confined, path, text).len(), 1, "{path}: {text}");
    }
    assert_eq!(findings(confined, "src/upstream/pool.rs", "use hyper::Request;"), [""; 0]);
    assert_eq!(findings(confined, "src/route/mod.rs", "my_hyper::x(); a::hyper::x()"), [""; 0]);
}

#[test]
fn a_library_out_of_order_is_found() {
    assert_eq!(declared_upward("pub mod schema;\npub mod error;").len(), 1);
    assert_eq!(declared_upward("pub mod error;\n\npub mod schema;").len(), 0);
}
