//! What holds for a method: one flat mapping, whose keys belong to the modules.
//!
//! Each module has its own settings type and so its own keys; a stage has one key, its name. The
//! keys, their JSON Schema and their checks all come from those types and the table of stages.

use std::{fmt, sync::LazyLock};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{
    compression, keys,
    limits::Limits,
    places::{Places, join_key},
    read::read,
    wording,
};
use crate::{
    exchange,
    problem::Problem,
    protocol::{MethodPolicy, cors, rest, rule, websocket},
    stage::STAGES,
    transcode,
    upstream::Destination,
};

/// A policy as written for one selector.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Written(pub(super) Map<String, Value>);

/// Without the values, among which are secrets.
impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What holds for a method, all selectors merged.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Who answers; nobody where the gateway itself does.
    pub upstream: Destination,
    /// Whether the method gets the route `POST /package.Service/Method` if it has no rule.
    pub auto_map: bool,
    /// How JSON is read and written.
    pub transcode: transcode::Settings,
    /// What becomes of path and query parameters.
    pub parameters: rule::Settings,
    /// How REST answers.
    pub rest: rest::Settings,
    /// How WebSocket sessions are held.
    pub websocket: websocket::Settings,
    /// How large messages may be.
    pub limits: exchange::Limits,
    /// How REST's answers are compressed, if they are.
    pub compression: Option<rest::Compression>,
    /// What web pages of other origins may do.
    pub cors: Option<cors::Permission>,
}

/// The keys that are the configuration's own.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Own {
    /// Who answers: the name of an upstream, or which of several. May be left out where there is
    /// only one upstream, or where the service was found by asking one.
    upstream: Option<Destination>,
    /// Whether methods without an HTTP rule get one: `POST /package.Service/Method` with the whole
    /// message as body.
    auto_map: bool,
    /// Whether callers may know of the methods at all. What is not exposed answers no protocol, as
    /// if no source had it: `"*": { expose: false }` publishes only what other selectors name.
    expose: bool,
}

impl Default for Own {
    fn default() -> Self {
        Self { upstream: None, auto_map: false, expose: true }
    }
}

/// The keys of one module.
struct Part {
    keys: &'static [&'static str],
    schema: fn(&mut SchemaGenerator) -> Schema,
    check: fn(&mut Value, &str, &mut Places, &mut Vec<Problem>),
}

struct Parts {
    own: Part,
    limits: Part,
    transcode: Part,
    parameters: Part,
    rest: Part,
    compression: Part,
    cors: Part,
    websocket: Part,
}

static PARTS: LazyLock<Parts> = LazyLock::new(|| Parts {
    own: Part::of::<Own>(),
    limits: Part::of::<Limits>(),
    transcode: Part::of::<transcode::Settings>(),
    parameters: Part::of::<rule::Settings>(),
    rest: Part::of::<rest::Settings>(),
    compression: Part::of::<compression::Settings>(),
    cors: Part::of::<cors::Settings>(),
    websocket: Part::of::<websocket::Keys>(),
});

impl Parts {
    fn all(&self) -> [&Part; 8] {
        let Self { own, limits, transcode, parameters, rest, compression, cors, websocket } = self;
        [own, transcode, parameters, rest, websocket, limits, compression, cors]
    }
}

impl Part {
    fn of<T: DeserializeOwned + Default + JsonSchema>() -> Self {
        Self {
            keys: keys::of::<T>(),
            schema: T::json_schema,
            check: |value, base, places, problems| {
                read::<T>(value, base, places, problems);
            },
        }
    }

    fn has(&self, key: &str) -> bool {
        self.keys.contains(&key)
    }

    /// The part's keys and values; those without a value are as good as left out.
    fn select(&self, policy: &Map<String, Value>) -> Value {
        let own = policy.iter().filter(|(key, _)| self.has(key));
        let own = own.map(|(key, value)| (key.clone(), value.clone())).collect();
        let mut selected = Map::new();
        super::merge::lay_over(&mut selected, &own);
        Value::Object(selected)
    }

    /// The typed settings of a merged policy, which has been checked selector by selector.
    fn settings<T: DeserializeOwned + Default>(&self, policy: &Map<String, Value>) -> T {
        T::deserialize(self.select(policy)).unwrap_or_default()
    }
}

impl Written {
    /// A policy that comes from no file, key by key.
    pub fn of<const N: usize>(keys: [(&str, Value); N]) -> Self {
        Self(keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// Reports unknown keys and values that don't fit, and takes them out.
    pub(super) fn check(
        &mut self,
        selector: &str,
        places: &mut Places,
        problems: &mut Vec<Problem>,
    ) {
        let base = join_key("services", selector);
        for part in PARTS.all() {
            let before = part.select(&self.0);
            let mut after = before.clone();
            (part.check)(&mut after, &base, places, problems);
            if before != after {
                self.0.retain(|key, value| value.is_null() || !part.has(key));
                self.0.extend(
                    after.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())),
                );
            }
        }
        let known: Vec<_> = all_keys().collect();
        self.0.retain(|key, _| {
            let is_known = known.contains(&key.as_str());
            if !is_known {
                let path = join_key(&base, key);
                problems.push(places.settle(wording::unknown(&path, "key", key, &known)));
            }
            is_known
        });
    }
}

/// Every key that a policy may have.
fn all_keys() -> impl Iterator<Item = &'static str> {
    let parts = PARTS.all().into_iter().flat_map(|part| part.keys).copied();
    let mut stages: Vec<_> = STAGES.iter().map(|stage| stage.name).collect();
    // One may stand in the table twice.
    stages.sort_unstable();
    stages.dedup();
    parts.chain(stages)
}

impl Policy {
    /// The policy that a merged mapping tells, but for its upstream.
    pub(super) fn of(merged: &Map<String, Value>) -> Self {
        let own: Own = PARTS.own.settings(merged);
        let limits: Limits = PARTS.limits.settings(merged);
        let compression: compression::Settings = PARTS.compression.settings(merged);
        let cors: cors::Settings = PARTS.cors.settings(merged);
        let websocket: websocket::Keys = PARTS.websocket.settings(merged);
        Self {
            upstream: own.upstream.unwrap_or_default(),
            auto_map: own.auto_map,
            transcode: PARTS.transcode.settings(merged),
            parameters: PARTS.parameters.settings(merged),
            rest: PARTS.rest.settings(merged),
            websocket: websocket.websocket,
            limits: (&limits).into(),
            compression: compression.compression.as_ref().map(Into::into),
            cors: cors.cors,
        }
    }

    /// Everything that is wrong about who answers, but for names that nobody has: the path inside,
    /// and a sentence.
    pub(super) fn misdirections(&self) -> Vec<(String, String)> {
        self.upstream.check()
    }

    /// What can't be meant together although each selector may say its part: the key, the path
    /// inside its value, and a sentence.
    pub(super) fn contradiction(&self) -> Option<(&'static str, &'static str, String)> {
        let (inside, message) = self.cors.as_ref()?.contradiction()?;
        Some(("cors", inside, message))
    }
}

impl From<&Policy> for MethodPolicy {
    fn from(policy: &Policy) -> Self {
        let Policy { transcode, parameters, rest, websocket, limits, compression, cors, .. } =
            policy.clone();
        Self { json: transcode, parameters, rest, websocket, limits, compression, cors }
    }
}

/// Whether a merged mapping asks for a route where the schema has none.
pub(super) fn maps_automatically(merged: &Map<String, Value>) -> bool {
    merged.get("auto_map").and_then(Value::as_bool).unwrap_or_default()
}

/// Whether a merged mapping lets callers know of a method.
pub(super) fn exposes(merged: &Map<String, Value>) -> bool {
    merged.get("expose").and_then(Value::as_bool).unwrap_or(true)
}

/// The JSON Schema of a policy.
pub(super) fn json_schema(generator: &mut SchemaGenerator) -> Value {
    let mut properties = Map::new();
    for part in PARTS.all() {
        let schema = (part.schema)(generator);
        let own = schema.get("properties").and_then(Value::as_object).cloned();
        properties.extend(own.into_iter().flatten());
    }
    for stage in STAGES {
        let mut schema = (stage.json_schema)(generator);
        schema.insert("description".into(), stage.summary.into());
        properties.insert(stage.name.into(), schema.to_value());
    }
    serde_json::json!({
        "description": "What holds for the methods that the selector selects.",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_key_belongs_to_two_modules() {
        let mut seen = HashSet::new();
        for key in all_keys() {
            assert!(seen.insert(key), "`{key}` belongs to two modules");
        }
        for key in ["upstream", "depth", "on_collision", "max_request_message", "timeout"] {
            assert!(seen.contains(key), "`{key}` belongs to none");
        }
    }

    #[test]
    fn every_key_is_described() {
        let schema = json_schema(&mut SchemaGenerator::default());
        let described: HashSet<_> =
            schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(described, all_keys().collect());
        for (key, schema) in schema["properties"].as_object().unwrap() {
            assert!(schema["description"].is_string(), "`{key}` has no description");
        }
    }
}
