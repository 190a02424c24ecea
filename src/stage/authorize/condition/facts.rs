//! What a condition may know of a call, read when its expression gets there.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use cel::{
    common::{
        types::{
            CelBool, CelBytes, CelDouble, CelDuration, CelInt, CelList, CelMap, CelMapKey, CelNull,
            CelString, CelTimestamp, CelUInt,
        },
        value::{CowVal, Val},
    },
    context::VariableResolver,
};
use chrono::{DateTime, TimeDelta};
use http::{HeaderMap, HeaderName};
use serde_json::Value as Json;

use super::{MOST, Variable};
use crate::{
    exchange::{Approach, Exchange, Principal},
    transcode::field::{Field, Found, Kind, Value},
};

/// What is known of a call.
#[derive(Clone)]
pub(in crate::stage::authorize) struct Facts<'c> {
    principal: Option<Arc<Principal>>,
    metadata: &'c HeaderMap,
    address: Option<IpAddr>,
    message: &'c [u8],
}

/// The same, of a call that has gone on.
#[derive(Clone)]
pub(in crate::stage::authorize) struct Kept {
    principal: Option<Arc<Principal>>,
    metadata: HeaderMap,
    address: Option<IpAddr>,
}

impl<'c> Facts<'c> {
    /// Of a call, and of one of its messages.
    pub(in crate::stage::authorize) fn new(exchange: &'c Exchange, message: &'c [u8]) -> Self {
        let principal = exchange.extensions.get::<Arc<Principal>>().cloned();
        let approach = exchange.extensions.get::<Arc<Approach>>();
        let address = approach.and_then(|approach| approach.client);
        Self { principal, metadata: &exchange.metadata, address, message }
    }

    /// Whether anybody is known to call.
    pub(in crate::stage::authorize) fn has_principal(&self) -> bool {
        self.principal.is_some()
    }

    /// For judging messages that come later.
    pub(in crate::stage::authorize) fn keep(&self) -> Kept {
        let Self { principal, metadata, address, .. } = self.clone();
        Kept { principal, metadata: metadata.clone(), address }
    }

    pub(super) fn of<'f>(&'f self, variables: &'f [Variable]) -> Reading<'f> {
        Reading { facts: self, variables, fault: OnceLock::new() }
    }
}

impl Kept {
    /// With one of the messages.
    pub(in crate::stage::authorize) fn with<'c>(&'c self, message: &'c Bytes) -> Facts<'c> {
        let principal = self.principal.clone();
        Facts { principal, metadata: &self.metadata, address: self.address, message }
    }
}

/// One evaluation.
pub(super) struct Reading<'f> {
    facts: &'f Facts<'f>,
    variables: &'f [Variable],
    /// Why a variable could not be read.
    fault: OnceLock<String>,
}

impl Reading<'_> {
    pub(super) fn fault(&self) -> Option<String> {
        self.fault.get().cloned()
    }

    fn missing<T>(&self, what: impl Into<String>) -> Option<T> {
        let _ = self.fault.set(what.into());
        None
    }

    fn principal(&self) -> Option<&Principal> {
        let principal = self.facts.principal.as_deref();
        principal.or_else(|| self.missing("nobody is known to call"))
    }

    fn claim(&self, path: &[String]) -> Option<&Json> {
        let claims = &self.facts.principal.as_deref()?.claims;
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(claims.get(first)?, |inside, name| inside.get(name))
    }

    /// All lines of a name, joined as RFC 9110 §5.3 joins them: a second line can't hide.
    fn metadata<'b>(&'b self, name: &HeaderName) -> Option<CowVal<'b, 'b>> {
        let mut lines = self.facts.metadata.get_all(name).into_iter();
        let first = lines.next().or_else(|| self.missing(format!("`{name}` isn't there")))?;
        let text = |line: &'b http::HeaderValue| {
            line.to_str().ok().or_else(|| self.missing(format!("`{name}` is no text")))
        };
        let mut joined = std::borrow::Cow::Borrowed(text(first)?);
        for line in lines {
            let joined = joined.to_mut();
            joined.push_str(", ");
            joined.push_str(text(line)?);
        }
        Some(CowVal::owned(CelString::from(joined)))
    }

    fn found(&self, field: &Field) -> Option<Found<'_>> {
        let found = field.read(self.facts.message, MOST);
        found.map_err(|fault| self.missing::<()>(fault.to_string())).ok()
    }

    fn field<'b>(&'b self, field: &'b Field) -> Option<CowVal<'b, 'b>> {
        let boxed: Box<dyn Val + 'b> = match self.found(field)? {
            Found::Absent => match field.default() {
                Some(value) => boxed(value),
                None => moment(field.kind(), &[]).or_else(|| self.missing("it isn't there"))?,
            },
            Found::One(Value::Message(message)) => {
                let moment = moment(field.kind(), &message);
                moment.or_else(|| self.missing("a time is out of range"))?
            }
            Found::One(value) => boxed(value),
            Found::List(values) => {
                let values: Vec<Box<dyn Val + 'b>> = values.into_iter().map(boxed).collect();
                Box::new(CelList::from(values))
            }
            Found::Map(entries) => {
                let mut map: HashMap<CelMapKey<'b>, Box<dyn Val + 'b>> = HashMap::new();
                for (key, value) in entries {
                    map.insert(key_of(key)?, boxed(value));
                }
                Box::new(CelMap::from(map))
            }
        };
        Some(CowVal::Owned(boxed))
    }
}

impl VariableResolver for Reading<'_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        let index: usize = name.strip_prefix('$')?.parse().ok()?;
        let is = |holds: bool| Some(CowVal::owned(CelBool::from(holds)));
        let text = |text: &'b str| Some(CowVal::owned(CelString::from(text)));
        match self.variables.get(index)? {
            Variable::Id => text(&self.principal()?.id),
            Variable::Issuer => text(&self.principal()?.issuer),
            Variable::Kind => text(self.principal()?.kind.name()),
            Variable::Scopes => {
                let scopes = self.principal()?.scopes.iter();
                let scopes: Vec<Box<dyn Val + 'b>> =
                    scopes.map(|one| Box::new(CelString::from(one.as_str())) as _).collect();
                Some(CowVal::owned(CelList::from(scopes)))
            }
            Variable::IsKnown => is(self.facts.principal.is_some()),
            Variable::Claim(path) => {
                self.principal()?;
                let missing = || self.missing(format!("the claim `{}` is missing", path.join(".")));
                Some(CowVal::Owned(json(self.claim(path).or_else(missing)?)))
            }
            Variable::HasClaim(path) => is(self.claim(path).is_some()),
            Variable::Metadata(name) => self.metadata(name),
            Variable::HasMetadata(name) => is(self.facts.metadata.contains_key(name)),
            Variable::Address => {
                let address = self.facts.address;
                let address = address.or_else(|| self.missing("the caller has no address"))?;
                Some(CowVal::owned(CelString::from(address.to_string())))
            }
            Variable::Request(field) => self.field(field),
            Variable::HasRequest(field) => is(field.is_set(&self.found(field)?)),
        }
    }
}

fn boxed<'b>(value: Value<'b>) -> Box<dyn Val + 'b> {
    match value {
        Value::Bool(value) => Box::new(CelBool::from(value)),
        Value::Int(value) => Box::new(CelInt::from(value)),
        Value::Uint(value) => Box::new(CelUInt::from(value)),
        Value::Double(value) => Box::new(CelDouble::from(value)),
        Value::Text(value) => Box::new(CelString::from(value)),
        Value::Bytes(value) => Box::new(CelBytes::from(value)),
        Value::Enum(value) => Box::new(CelInt::from(i64::from(value))),
        // No expression is compiled that takes one.
        Value::Message(_) => Box::new(CelNull),
    }
}

fn key_of<'b>(key: Value<'b>) -> Option<CelMapKey<'b>> {
    Some(match key {
        Value::Bool(value) => value.into(),
        Value::Int(value) => value.into(),
        Value::Uint(value) => value.into(),
        Value::Text(value) => value.into(),
        _ => return None,
    })
}

/// A Timestamp or Duration: seconds and nanoseconds.
fn moment<'b>(kind: &Kind, message: &[u8]) -> Option<Box<dyn Val + 'b>> {
    // Both types have the same two fields.
    let prost_types::Timestamp { seconds, nanos } = prost::Message::decode(message).ok()?;
    match kind {
        Kind::Message(name) if name == "google.protobuf.Timestamp" => {
            let moment = DateTime::from_timestamp(seconds, u32::try_from(nanos).ok()?)?;
            Some(Box::new(CelTimestamp::from(moment.fixed_offset())))
        }
        Kind::Message(name) if name == "google.protobuf.Duration" => {
            let whole = TimeDelta::try_seconds(seconds)?;
            let span = whole.checked_add(&TimeDelta::nanoseconds(nanos.into()))?;
            Some(Box::new(CelDuration::from(span)))
        }
        _ => None,
    }
}

fn json<'b>(value: &'b Json) -> Box<dyn Val + 'b> {
    match value {
        Json::Null => Box::new(CelNull),
        Json::Bool(value) => Box::new(CelBool::from(*value)),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Box::new(CelInt::from(number)),
            (None, Some(number)) => Box::new(CelUInt::from(number)),
            (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        },
        Json::String(text) => Box::new(CelString::from(text.as_str())),
        Json::Array(list) => {
            let list: Vec<Box<dyn Val + 'b>> = list.iter().map(json).collect();
            Box::new(CelList::from(list))
        }
        Json::Object(object) => {
            let mut map: HashMap<CelMapKey<'b>, Box<dyn Val + 'b>> = HashMap::new();
            for (name, value) in object {
                map.insert(name.as_str().into(), json(value));
            }
            Box::new(CelMap::from(map))
        }
    }
}
