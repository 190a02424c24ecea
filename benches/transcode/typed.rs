//! The bench messages as Rust structs with the readers of numbers and bytes that pbjson generates
//! calls of: what someone gets who knows the types beforehand.
#![allow(unreachable_pub, reason = "prost's derive makes the structs' helpers public")]

use std::collections::HashMap;

use pbjson::private::NumberDeserialize;
use serde::{Deserialize, Deserializer, Serialize};

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Item {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(string, tag = "2")]
    pub title: String,
    #[prost(int32, tag = "3")]
    #[serde(deserialize_with = "number")]
    pub quantity: i32,
    #[prost(int64, tag = "4")]
    #[serde(with = "long")]
    pub price_micros: i64,
    #[prost(double, tag = "5")]
    #[serde(deserialize_with = "number")]
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
    #[serde(deserialize_with = "number")]
    pub width: f64,
    #[prost(double, tag = "2")]
    #[serde(deserialize_with = "number")]
    pub height: f64,
    #[prost(double, tag = "3")]
    #[serde(deserialize_with = "number")]
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
    #[serde(deserialize_with = "number")]
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
#[allow(clippy::enum_variant_names, reason = "named as in the .proto file")]
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
    #[serde(deserialize_with = "numbers")]
    pub doubles: Vec<f64>,
    #[prost(int64, repeated, tag = "2")]
    #[serde(with = "longs")]
    pub longs: Vec<i64>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Maps {
    #[prost(map = "string, int32", tag = "1")]
    #[serde(deserialize_with = "counts")]
    pub counts: HashMap<String, i32>,
    #[prost(map = "string, string", tag = "2")]
    pub labels: HashMap<String, String>,
    #[prost(map = "int32, message", tag = "3")]
    #[serde(deserialize_with = "authors")]
    pub authors: HashMap<i32, Author>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Blob {
    #[prost(bytes = "vec", tag = "1")]
    #[serde(with = "blob")]
    pub data: Vec<u8>,
}

fn number<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    NumberDeserialize<T>: Deserialize<'de>,
{
    NumberDeserialize::deserialize(deserializer).map(|number| number.0)
}

fn numbers<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    NumberDeserialize<T>: Deserialize<'de>,
{
    let numbers = Vec::<NumberDeserialize<T>>::deserialize(deserializer)?;
    Ok(numbers.into_iter().map(|number| number.0).collect())
}

fn counts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HashMap<String, i32>, D::Error> {
    let counts = HashMap::<String, NumberDeserialize<i32>>::deserialize(deserializer)?;
    Ok(counts.into_iter().map(|(key, value)| (key, value.0)).collect())
}

fn authors<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HashMap<i32, Author>, D::Error> {
    let authors = HashMap::<NumberDeserialize<i32>, Author>::deserialize(deserializer)?;
    Ok(authors.into_iter().map(|(key, value)| (key.0, value)).collect())
}

mod long {
    use serde::Serializer;

    pub fn serialize<S: Serializer>(value: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&value.to_string())
    }

    pub(super) use super::number as deserialize;
}

mod longs {
    use serde::Serializer;

    pub fn serialize<S: Serializer>(values: &[i64], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(ToString::to_string))
    }

    pub(super) use super::numbers as deserialize;
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
