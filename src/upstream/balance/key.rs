//! What calls have in common that belong together, read out of a call and hashed.

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{HeaderMap, HeaderName, header::COOKIE};

use super::{Key, dice::mix};
use crate::{
    exchange::Exchange,
    schema::Method,
    transcode::field::{self, Found, Kind, Label},
};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Reads a call's key.
pub(in super::super) enum KeyReader {
    /// The value of a header.
    Header(HeaderName),
    /// The value of a cookie.
    Cookie(String),
    /// The first address of `x-forwarded-for`.
    ClientAddress,
    /// The value of a field of the request's message.
    Field(Field),
}

/// A field, and where the methods that were called have it.
pub(in super::super) struct Field {
    path: String,
    /// By `Method::index`; none for methods that were not called yet.
    known: ArcSwap<Vec<Option<Arc<Option<field::Field>>>>>,
}

impl KeyReader {
    /// What reads such a key, if its settings are sound.
    pub(in super::super) fn new(key: &Key) -> Option<Self> {
        Some(match key {
            Key::Header(name) => Self::Header(HeaderName::try_from(name).ok()?),
            Key::Cookie(name) => Self::Cookie(name.clone()),
            Key::ClientAddress(_) => Self::ClientAddress,
            Key::Field(path) => {
                Self::Field(Field { path: path.clone(), known: ArcSwap::from_pointee(Vec::new()) })
            }
        })
    }

    /// The key of a call, if it has one.
    pub(in super::super) fn read(&self, exchange: &Exchange) -> Option<u64> {
        match self {
            Self::Header(name) => exchange.metadata.get(name).map(|value| hash(value.as_bytes())),
            Self::Cookie(name) => cookie(&exchange.metadata, name).map(hash),
            Self::ClientAddress => {
                let list = exchange.metadata.get(FORWARDED_FOR)?.as_bytes();
                let first = list.split(|byte| *byte == b',').next()?.trim_ascii();
                (!first.is_empty()).then(|| hash(first))
            }
            Self::Field(field) => {
                let message = exchange.messages.as_one()?;
                let path = field.of(&exchange.method);
                // Lists are none of the fields that are read, so that no limit is reached.
                match path.as_ref().as_ref()?.read(message, 0) {
                    Ok(Found::One(value)) => Some(hash(&value.as_key())),
                    _ => None,
                }
            }
        }
    }
}

impl Field {
    /// Where the method has the field.
    fn of(&self, method: &Method) -> Arc<Option<field::Field>> {
        if let Some(Some(path)) = self.known.load().get(method.index) {
            return path.clone();
        }
        let path = field::Field::compile(&method.input, &self.path).ok();
        let plain = |field: &field::Field| {
            field.label() == Label::One && !matches!(field.kind(), Kind::Message(_))
        };
        let path = Arc::new(path.filter(plain));
        self.known.rcu(|known| {
            let mut known = known.to_vec();
            known.resize(known.len().max(method.index + 1), None);
            known[method.index] = Some(path.clone());
            known
        });
        path
    }
}

/// The value of a cookie (RFC 6265 §4.2.1).
fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h [u8]> {
    let lists = headers.get_all(COOKIE).into_iter().map(http::HeaderValue::as_bytes);
    let mut pairs = lists.flat_map(|list| list.split(|byte| *byte == b';'));
    pairs.find_map(|pair| {
        let pair = pair.trim_ascii();
        let value = pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        (!value.is_empty()).then_some(value)
    })
}

/// The hash of some bytes: the same in each process and on each machine, so that several gateways
/// choose alike. FNV-1a, mixed at the end so that all bits depend on all bytes.
pub(in super::super) fn hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    mix(fnv)
}

/// One of many hashes that belong to one.
pub(super) fn combine(hash: u64, number: u64) -> u64 {
    mix(hash ^ mix(number.wrapping_add(1)))
}
