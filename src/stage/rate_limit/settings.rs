//! What a policy's `rate_limit` may say.

use std::{collections::BTreeMap, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::amount::{Quota, Rate};
use crate::{duration::duration, store};

/// How often, how much and how many at once may be called. All limits hold together.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "RateLimit")]
pub struct Settings {
    /// The limits by their names, which callers see in `RateLimit` and operators in metrics.
    pub limits: BTreeMap<String, Limit>,
    /// What callers have besides, by their plan: the API key's `plan`, or the claim of that name.
    /// The limits of a plan tell callers apart by `principal` unless they say otherwise.
    pub plans: BTreeMap<String, BTreeMap<String, Limit>>,
    /// The plan of callers that have none, or one that isn't among `plans`; nobody's by default,
    /// and the limits of plans then don't hold for them.
    pub default_plan: Option<String>,
    /// What a call costs; 1 by default. Calls in flight cost 1 each whatever this says.
    #[serde(deserialize_with = "positive")]
    pub cost: u64,
    /// Whether answers have `RateLimit` and `RateLimit-Policy`; `true` by default.
    pub headers: bool,
    /// Who counts; `local`, which is this process, by default. Calls in flight are always counted by
    /// this process.
    pub store: Store,
    /// What holds while whoever counts gives no answer; `local` by default.
    pub on_failure: OnFailure,
    /// How many callers a limit tells apart at most, 16 bytes each; 131072 by default. Callers
    /// beyond that share what is left.
    pub max_keys: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: BTreeMap::new(),
            plans: BTreeMap::new(),
            default_plan: None,
            cost: 1,
            headers: true,
            store: Store::default(),
            on_failure: OnFailure::default(),
            max_keys: 1 << 17,
        }
    }
}

/// Who counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "RateLimitStore")]
pub enum Store {
    /// This process, which loses what it counted when it ends.
    #[default]
    Local,
    /// A Redis or Valkey, for all gateways that have the same limits at the same places.
    Redis(store::Settings),
    /// A service that speaks Envoy's protocol for that, `envoy.service.ratelimit.v3`.
    Service(Service),
}

/// A rate limit service.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RateLimitService")]
pub struct Service {
    /// The upstream that it is.
    pub upstream: String,
    /// The domain that it is asked for; `transom` by default.
    #[serde(default = "domain")]
    pub domain: String,
    /// How long an answer may take; `50ms` by default.
    #[serde(default = "answer_timeout", deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub answer_timeout: Duration,
}

/// What holds while whoever counts gives no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "RateLimitOnFailure")]
pub enum OnFailure {
    /// This process counts by itself.
    #[default]
    Local,
    /// Calls are allowed.
    Open,
    /// Calls are refused with 503, UNAVAILABLE.
    Closed,
}

/// One limit: a `rate`, a `quota` or a `concurrency`, and for whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "RateLimitLimit")]
pub struct Limit {
    /// How much in which time, evenly: `100/min`, `10/s`, `5000/h`, `20/30s`.
    #[schemars(with = "Option<String>")]
    pub rate: Option<Rate>,
    /// With `rate`: how much at once after a pause; as much as the rate's number by default.
    pub burst: Option<u64>,
    /// How much in a day or a month of the calendar, by UTC: `10000/day`, `200000/month`.
    #[schemars(with = "Option<String>")]
    pub quota: Option<Quota>,
    /// How many calls at once; a stream is one for as long as it lives.
    pub concurrency: Option<u64>,
    /// By what callers are told apart, one thing or several; all share the limit by default.
    #[serde(deserialize_with = "one_or_several")]
    #[schemars(schema_with = "keys")]
    pub key: Option<Vec<Part>>,
    /// Whether only calls count that `auth` and `authorize` have let in. Always so where the key
    /// needs to know the caller; `false` otherwise, so that attempts to get in are limited too.
    pub admitted: bool,
    /// Whether the limit is only counted and told in metrics and the log; `false` by default.
    pub shadow: bool,
}

/// Something by which callers are told apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "RateLimitKey")]
pub enum Part {
    /// The caller's address behind trusted proxies; of IPv6 its network of 64 bits, which one
    /// caller has to itself.
    Address,
    /// The network that the caller's address is in.
    Network(Network),
    /// The verified caller: its id and who vouches for it.
    Principal,
    /// The API key's public id.
    ApiKey,
    /// The caller's plan.
    Plan,
    /// The claim at this path.
    Claim(String),
    /// The request header of this name.
    Header(String),
    /// The field at this path of the call's first message, which is waited for: `shelf.id`.
    Field(String),
}

/// How many bits of an address are the network's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "RateLimitNetwork")]
pub struct Network {
    /// Of IPv4's 32; 32 by default.
    pub v4: u8,
    /// Of IPv6's 128; 64 by default.
    pub v6: u8,
}

impl Default for Network {
    fn default() -> Self {
        Self { v4: 32, v6: 64 }
    }
}

/// One thing, or a list.
fn keys(generator: &mut SchemaGenerator) -> Schema {
    let one = generator.subschema_for::<Part>();
    let several = generator.subschema_for::<Vec<Part>>();
    json_schema!({ "anyOf": [one, several] })
}

fn one_or_several<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<Part>>, D::Error> {
    let written = serde_json::Value::deserialize(deserializer)?;
    let several = match written {
        serde_json::Value::Array(several) => several,
        one => vec![one],
    };
    let read = several.into_iter().map(|one| Part::deserialize(one).map_err(de::Error::custom));
    read.collect::<Result<_, _>>().map(Some)
}

fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match u64::deserialize(deserializer)? {
        0 => Err(de::Error::custom("a call that costs nothing is not limited; write at least 1")),
        cost => Ok(cost),
    }
}

fn domain() -> String {
    "transom".to_owned()
}

fn answer_timeout() -> Duration {
    Duration::from_millis(50)
}
