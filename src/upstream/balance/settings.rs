//! What the configuration says about balancing.

use std::{borrow::Cow, fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{duration::duration, problem::Problem};

/// How calls are spread over the endpoints: a kind alone, or a mapping with more to say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Balance(pub Spread);

/// How calls are spread over the endpoints.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Spread {
    /// The kind of balancing; `least_request` by default.
    pub kind: Kind,
    /// What calls have in common that go to the same endpoint, for `ring_hash` and `maglev`. Calls
    /// without it are spread by chance.
    pub key: Option<Key>,
    /// How an endpoint that is new, or is back, gets its share little by little; not in `ring_hash`
    /// and `maglev`.
    pub slow_start: Option<SlowStart>,
    /// If fewer than this many percent of the endpoints may be called, by their health and
    /// ejections, all are called; 0 never does. 50 by default.
    pub panic_threshold: u8,
}

impl Default for Spread {
    fn default() -> Self {
        Self { kind: Kind::default(), key: None, slow_start: None, panic_threshold: 50 }
    }
}

/// A kind of balancing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Of two endpoints by chance, the one with fewer calls in flight.
    #[default]
    LeastRequest,
    /// One after the other.
    RoundRobin,
    /// By chance.
    Random,
    /// Of two endpoints by chance, the one that is likely to answer sooner, by its latency lately
    /// and its calls in flight.
    Ewma,
    /// Calls of one key go to one endpoint; when an endpoint leaves, only its keys move.
    RingHash,
    /// The same by another algorithm: keys spread more evenly, and a few more of them move.
    Maglev,
}

/// What calls have in common that go to the same endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// The value of this request header.
    Header(String),
    /// The value of this cookie.
    Cookie(String),
    /// The value of this field of the request, `name` or `shelf.name`, whether path, query or body
    /// set it. Where the caller streams, and in messages that come packed, it is not looked at.
    Field(String),
    /// The caller's address, as `x-forwarded-for` tells it first. A trusted proxy may tell another.
    ClientAddress(Yes),
}

/// `true`, which is all that can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "bool")]
pub struct Yes;

impl TryFrom<bool> for Yes {
    type Error = &'static str;

    fn try_from(yes: bool) -> Result<Self, Self::Error> {
        if yes { Ok(Self) } else { Err("write `true`, or leave it out") }
    }
}

impl JsonSchema for Yes {
    fn schema_name() -> Cow<'static, str> {
        "Yes".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "const": true })
    }
}

/// How an endpoint that is new gets its share little by little, as Envoy's slow start.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlowStart {
    /// How long it takes until it has its whole share, `60s` for example.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub window: Duration,
    /// How the share grows: in a line at 1, which is the default; quicker in the beginning above it.
    #[serde(default = "one")]
    pub aggression: f32,
    /// The share in the beginning, in percent of the whole one; 10 by default.
    #[serde(default = "ten")]
    pub min_weight: u8,
}

fn one() -> f32 {
    1.0
}

fn ten() -> u8 {
    10
}

impl SlowStart {
    /// The share of an endpoint that takes calls since then, from 0 to 1.
    pub(super) fn warmth(&self, since: Duration) -> f32 {
        if since >= self.window {
            return 1.0;
        }
        let passed = since.as_secs_f32() / self.window.as_secs_f32();
        passed.powf(1.0 / self.aggression).max(f32::from(self.min_weight) / 100.0)
    }
}

impl Balance {
    /// Balancing of this kind, all else as by default.
    pub fn of(kind: Kind) -> Self {
        Self(Spread { kind, ..Spread::default() })
    }

    /// Tells what is wrong.
    pub(in super::super) fn check(&self, problems: &mut Vec<Problem>) {
        let Spread { kind, key, slow_start, panic_threshold } = &self.0;
        let hashes = matches!(kind, Kind::RingHash | Kind::Maglev);
        let mut wrong = |path: &str, message: &str, mend: &str| {
            problems.push(Problem::error(path, message).mend(mend));
        };
        match key {
            None if hashes => wrong(
                "balance",
                "balancing by hash needs a `key`",
                "add `key: { header: NAME }`, or `cookie`, `field` or `client_address: true`",
            ),
            Some(_) if !hashes => wrong(
                "balance.key",
                "only `ring_hash` and `maglev` look at a key",
                "choose one of these as `kind`, or take `key` away",
            ),
            Some(Key::Header(name)) if http::HeaderName::try_from(name).is_err() => wrong(
                "balance.key.header",
                "the name can't be a header's",
                "write a header's name, `x-user` for example",
            ),
            Some(Key::Cookie(name) | Key::Field(name)) if name.is_empty() => {
                wrong("balance.key", "the name is empty", "write the name to look for");
            }
            _ => {}
        }
        if *panic_threshold > 100 {
            wrong("balance.panic_threshold", "it is above 100 percent", "write 0 to 100");
        }
        let Some(slow_start) = slow_start else { return };
        if hashes {
            let mend = "take `slow_start` away, or choose another kind";
            wrong(
                "balance.slow_start",
                "a hash gives every endpoint its whole share at once",
                mend,
            );
        }
        if slow_start.window.is_zero() {
            let mend = "write a duration like `60s`, or take `slow_start` away";
            wrong("balance.slow_start.window", "the time must not be zero", mend);
        }
        if !slow_start.aggression.is_finite() || slow_start.aggression <= 0.0 {
            let message = "it must be above 0";
            wrong("balance.slow_start.aggression", message, "write 1 for a line");
        }
        if slow_start.min_weight > 100 {
            wrong("balance.slow_start.min_weight", "it is above 100 percent", "write 0 to 100");
        }
    }
}

impl<'de> Deserialize<'de> for Balance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Balance;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a kind of balancing or a mapping with `kind`")
            }

            fn visit_str<E: serde::de::Error>(self, kind: &str) -> Result<Balance, E> {
                Kind::deserialize(serde::de::value::StrDeserializer::new(kind)).map(Balance::of)
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Balance, M::Error> {
                Spread::deserialize(MapAccessDeserializer::new(map)).map(Balance)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Balance {
    fn schema_name() -> Cow<'static, str> {
        "Balance".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How calls are spread over the endpoints: a kind alone, or a mapping.",
            "anyOf": [generator.subschema_for::<Kind>(), generator.subschema_for::<Spread>()],
        })
    }
}
