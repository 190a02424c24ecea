//! The bench messages as Rust structs: what someone would write who knows the types beforehand.
#![allow(unreachable_pub, reason = "prost's derive makes the structs' helpers public")]

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Item {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(string, tag = "2")]
    pub title: String,
    #[prost(int32, tag = "3")]
    pub quantity: i32,
    #[prost(int64, tag = "4")]
    #[serde(with = "long")]
    pub price_micros: i64,
    #[prost(double, tag = "5")]
    pub rating: f64,
    #[prost(bool, tag = "6")]
    pub available: bool,
    #[prost(enumeration = "Kind", tag = "7")]
    #[serde(with = "kind")]
    pub kind: i32,
    #[prost(string, repeated, tag = "8")]
    pub tags: Vec<String>,
    #[prost(message, optional, tag = "9")]
    pub dimensions: Option<Dimensions>,
    #[prost(message, optional, tag = "10")]
    pub author: Option<Author>,
    #[prost(int64, tag = "11")]
    #[serde(with = "long")]
    pub updated_at_millis: i64,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Dimensions {
    #[prost(double, tag = "1")]
    pub width: f64,
    #[prost(double, tag = "2")]
    pub height: f64,
    #[prost(double, tag = "3")]
    pub depth: f64,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Author {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub country_code: String,
    #[prost(uint32, tag = "3")]
    pub born: u32,
}

#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    prost::Enumeration,
    Serialize,
    Deserialize,
)]
#[repr(i32)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(clippy::enum_variant_names)]
pub enum Kind {
    KindUnspecified = 0,
    KindBook = 1,
    KindMagazine = 2,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Items {
    #[prost(message, repeated, tag = "1")]
    pub items: Vec<Item>,
    #[prost(string, tag = "2")]
    pub next_page_token: String,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Texts {
    #[prost(string, repeated, tag = "1")]
    pub texts: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Numbers {
    #[prost(double, repeated, tag = "1")]
    pub doubles: Vec<f64>,
    #[prost(int64, repeated, tag = "2")]
    #[serde(with = "longs")]
    pub longs: Vec<i64>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Maps {
    #[prost(map = "string, int32", tag = "1")]
    pub counts: HashMap<String, i32>,
    #[prost(map = "string, string", tag = "2")]
    pub labels: HashMap<String, String>,
    #[prost(map = "int32, message", tag = "3")]
    pub authors: HashMap<i32, Author>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Blob {
    #[prost(bytes = "vec", tag = "1")]
    #[serde(with = "blob")]
    pub data: Vec<u8>,
}

mod long {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        pbjson::private::NumberDeserialize::<i64>::deserialize(deserializer).map(|number| number.0)
    }
}

mod longs {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(values: &[i64], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(ToString::to_string))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i64>, D::Error> {
        let numbers = Vec::<pbjson::private::NumberDeserialize<i64>>::deserialize(deserializer)?;
        Ok(numbers.into_iter().map(|number| number.0).collect())
    }
}

mod kind {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Kind;

    pub fn serialize<S: Serializer>(value: &i32, serializer: S) -> Result<S::Ok, S::Error> {
        Kind::try_from(*value).unwrap_or(Kind::KindUnspecified).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
        Kind::deserialize(deserializer).map(|kind| kind as i32)
    }
}

mod blob {
    use pbjson::private::base64::{Engine, prelude::BASE64_STANDARD};
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(value))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        pbjson::private::BytesDeserialize::<Vec<u8>>::deserialize(deserializer).map(|bytes| bytes.0)
    }
}
