//! An endpoint as it is listed: an address alone, or one with its weight.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

/// One endpoint: an address alone, or a mapping with its weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Where it is.
    pub address: String,
    /// Its share of the calls, in proportion to the others' weights.
    pub weight: u32,
}

/// An endpoint's mapping.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Endpoint")]
struct WrittenEndpoint {
    /// `host:port`, `http://host:port` or `https://host:port`.
    address: String,
    /// Its share of the calls, in proportion to the others' weights: 1 to 1000, 1 by default.
    #[serde(default = "default_weight")]
    #[schemars(range(min = 1, max = 1000))]
    weight: u32,
}

/// The largest weight of an endpoint.
pub(in crate::upstream) const MAX_WEIGHT: u32 = 1000;

fn default_weight() -> u32 {
    1
}

impl<T: Into<String>> From<T> for Listed {
    fn from(address: T) -> Self {
        Self { address: address.into(), weight: default_weight() }
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Listed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address or a mapping with `address` and `weight`")
            }

            fn visit_str<E: serde::de::Error>(self, address: &str) -> Result<Listed, E> {
                Ok(address.into())
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Listed, M::Error> {
                let written = WrittenEndpoint::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Listed { address: written.address, weight: written.weight })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Listed {
    fn schema_name() -> Cow<'static, str> {
        "Listed".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "type": "string" }, generator.subschema_for::<WrittenEndpoint>()],
        })
    }
}
