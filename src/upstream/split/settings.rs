//! What a policy says about who answers: one upstream, or which of several.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

/// The largest weight in a split.
const MAX_WEIGHT: u32 = 1_000_000;

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// The upstream of this name; the empty one is nobody's.
    Upstream(String),
    /// One of several.
    Among(Box<Among>),
}

/// One of several upstreams, by the call's headers, by chance or both: who is asked for by a header
/// answers, else `default` or `split` says who does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Upstreams")]
pub struct Among {
    /// Upstreams that are asked for by a header; the first that fits.
    #[serde(rename = "match")]
    pub matches: Vec<Match>,
    /// Who answers what nothing in `match` fits.
    pub default: Option<String>,
    /// Upstreams that share the rest by weight, in place of `default`.
    pub split: Vec<Share>,
    /// A request header: calls of the same value go to the same upstream of the `split`, as long as
    /// the weights stay. Those without it go by chance.
    pub sticky: Option<String>,
}

/// An upstream that is asked for by a header.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// The request header's name.
    pub header: String,
    /// The value that it must have; any, if it is left out.
    #[serde(default)]
    pub value: Option<String>,
    /// The upstream's name.
    pub upstream: String,
}

/// An upstream and its share.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// The upstream's name.
    pub upstream: String,
    /// Its share, in proportion to the others' weights; 0 is none.
    #[schemars(range(max = 1_000_000))]
    pub weight: u32,
}

impl Default for Destination {
    fn default() -> Self {
        Self::Upstream(String::new())
    }
}

impl From<String> for Destination {
    fn from(name: String) -> Self {
        Self::Upstream(name)
    }
}

impl Destination {
    /// Whether it names no upstream.
    pub fn is_nobody(&self) -> bool {
        matches!(self, Self::Upstream(name) if name.is_empty())
    }

    /// Every upstream's name and where it stands in the settings.
    pub fn names(&self) -> Vec<(String, &str)> {
        let among = match self {
            Self::Upstream(name) => return vec![(String::new(), name)],
            Self::Among(among) => among,
        };
        let matches = among.matches.iter().enumerate();
        let matches = matches.map(|(at, one)| (format!("match[{at}].upstream"), &*one.upstream));
        let default = among.default.iter().map(|name| ("default".to_owned(), name.as_str()));
        let shares = among.split.iter().enumerate();
        let shares = shares.map(|(at, one)| (format!("split[{at}].upstream"), &*one.upstream));
        matches.chain(default).chain(shares).collect()
    }

    /// Everything that is wrong apart from names that nobody has: where, and a sentence with its
    /// mend.
    pub fn check(&self) -> Vec<(String, String)> {
        let Self::Among(among) = self else { return Vec::new() };
        let mut found = Vec::new();
        let mut wrong = |path: String, message: &str| found.push((path, message.to_owned()));
        let Among { matches, default, split, sticky } = &**among;
        let is_header = |name: &str| http::HeaderName::try_from(name).is_ok();
        for (at, Match { header, value, .. }) in matches.iter().enumerate() {
            if !is_header(header) {
                let message = "the name can't be a header's; write `x-version` for example";
                wrong(format!("match[{at}].header"), message);
            }
            if value.as_ref().is_some_and(|value| http::HeaderValue::try_from(value).is_err()) {
                let message = "no header can have this value; write plain text";
                wrong(format!("match[{at}].value"), message);
            }
        }
        match (default, split.is_empty()) {
            (Some(_), false) => {
                let message = "there are both `default` and `split`; take one of them away";
                wrong(String::new(), message);
            }
            (None, true) => {
                let message = "nothing says who answers the rest; add `default: NAME` or `split`";
                wrong(String::new(), message);
            }
            _ => {}
        }
        let total: u64 = split.iter().map(|share| u64::from(share.weight)).sum();
        if !split.is_empty() && total == 0 {
            wrong("split".into(), "all weights are 0; give one of them a weight");
        }
        for (at, _) in split.iter().enumerate().filter(|(_, one)| one.weight > MAX_WEIGHT) {
            wrong(format!("split[{at}].weight"), "the weight is too large; write 0 to 1000000");
        }
        if let Some(sticky) = sticky {
            if !is_header(sticky) {
                let message = "the name can't be a header's; write `x-user` for example";
                wrong("sticky".into(), message);
            }
            if split.is_empty() {
                wrong("sticky".into(), "only a `split` can be sticky; take `sticky` away");
            }
        }
        found
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.names().into_iter().map(|(_, name)| name).collect();
        f.write_str(&names.join(", "))
    }
}

impl<'de> Deserialize<'de> for Destination {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Destination;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "the name of an upstream or a mapping with `match`, `default` or `split`",
                )
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Destination, E> {
                Ok(name.to_owned().into())
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Destination, M::Error> {
                let among = Among::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Destination::Among(Box::new(among)))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Destination {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Destination".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        // Where policies are described, no definition can be pointed at.
        let among = Among::json_schema(generator);
        json_schema!({ "anyOf": [{ "type": "string" }, among] })
    }
}
