//! Messages and their fields as expressions see them.
//!
//! A message stays what it is: a field is made a value when an expression asks for it, and text and
//! bytes stay where they are. The well-known types are CEL's own: times, and wrappers as what they
//! wrap. `has(x.f)` is compiled to a look-up of `?f`, since an absent field has a value all the same.

use std::{any::Any, collections::HashMap, sync::Arc};

use cel::{
    ExecutionError,
    common::{
        traits::Indexer,
        types::{
            CelBool, CelBytes, CelDouble, CelDuration, CelInt, CelList, CelMap, CelMapKey, CelNull,
            CelString, CelTimestamp, CelUInt, Type,
        },
        value::{CowVal, Val},
    },
};
use chrono::{DateTime, TimeDelta};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage, Value};

static MESSAGE: Type = Type::new_unspecified_type("message");

/// A message.
#[derive(Clone, Debug)]
enum Whole<'m> {
    There(&'m DynamicMessage),
    /// It stands for one that isn't there.
    Absent(Arc<DynamicMessage>),
}

impl Whole<'_> {
    fn message(&self) -> &DynamicMessage {
        match self {
            Self::There(message) => message,
            Self::Absent(message) => message,
        }
    }
}

/// A value of a message as an expression takes it.
pub(super) fn value_of<'m>(value: &'m Value) -> Box<dyn Val + 'm> {
    match value {
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::I32(value) => Box::new(CelInt::from(i64::from(*value))),
        Value::I64(value) => Box::new(CelInt::from(*value)),
        Value::U32(value) => Box::new(CelUInt::from(u64::from(*value))),
        Value::U64(value) => Box::new(CelUInt::from(*value)),
        Value::F32(value) => Box::new(CelDouble::from(f64::from(*value))),
        Value::F64(value) => Box::new(CelDouble::from(*value)),
        Value::String(value) => Box::new(CelString::from(value.as_str())),
        Value::Bytes(value) => Box::new(CelBytes::from(&value[..])),
        Value::EnumNumber(value) => Box::new(CelInt::from(i64::from(*value))),
        Value::Message(message) => message_of(message),
        Value::List(values) => {
            let values: Vec<Box<dyn Val + 'm>> = values.iter().map(value_of).collect();
            Box::new(CelList::from(values))
        }
        Value::Map(entries) => {
            let mut map: HashMap<CelMapKey<'m>, Box<dyn Val + 'm>> = HashMap::new();
            for (key, value) in entries {
                map.insert(key_of(key), value_of(value));
            }
            Box::new(CelMap::from(map))
        }
    }
}

/// A map's key as an expression takes it.
pub(super) fn key_value<'m>(key: &'m MapKey) -> Box<dyn Val + 'm> {
    match key {
        MapKey::Bool(key) => Box::new(CelBool::from(*key)),
        MapKey::I32(key) => Box::new(CelInt::from(i64::from(*key))),
        MapKey::I64(key) => Box::new(CelInt::from(*key)),
        MapKey::U32(key) => Box::new(CelUInt::from(u64::from(*key))),
        MapKey::U64(key) => Box::new(CelUInt::from(*key)),
        MapKey::String(key) => Box::new(CelString::from(key.as_str())),
    }
}

fn key_of(key: &MapKey) -> CelMapKey<'_> {
    match key {
        MapKey::Bool(key) => (*key).into(),
        MapKey::I32(key) => i64::from(*key).into(),
        MapKey::I64(key) => (*key).into(),
        MapKey::U32(key) => u64::from(*key).into(),
        MapKey::U64(key) => (*key).into(),
        MapKey::String(key) => key.as_str().into(),
    }
}

/// A message as an expression takes it.
pub(super) fn message_of<'m>(message: &'m DynamicMessage) -> Box<dyn Val + 'm> {
    well_known(message).unwrap_or_else(|| Box::new(Whole::There(message)))
}

/// Whether values of this type wrap another one.
pub(super) fn is_wrapper(full_name: &str) -> bool {
    let name = full_name.strip_prefix("google.protobuf.").unwrap_or_default();
    matches!(
        name,
        "BoolValue"
            | "BytesValue"
            | "DoubleValue"
            | "FloatValue"
            | "Int32Value"
            | "Int64Value"
            | "StringValue"
            | "UInt32Value"
            | "UInt64Value"
    )
}

fn well_known<'v>(message: &DynamicMessage) -> Option<Box<dyn Val + 'v>> {
    let descriptor = message.descriptor();
    let name = descriptor.full_name();
    if is_wrapper(name) {
        let value = message.get_field_by_name("value")?;
        return Some(value_of(&value).clone_static());
    }
    let part = |name: &str| message.get_field_by_name(name);
    match name {
        "google.protobuf.Timestamp" => {
            let (seconds, nanos) = (part("seconds")?.as_i64()?, part("nanos")?.as_i32()?);
            let moment = DateTime::from_timestamp(seconds, u32::try_from(nanos).ok()?)?;
            Some(Box::new(CelTimestamp::from(moment.fixed_offset())))
        }
        "google.protobuf.Duration" => {
            let (seconds, nanos) = (part("seconds")?.as_i64()?, part("nanos")?.as_i32()?);
            let span = TimeDelta::try_seconds(seconds)?;
            let span = span.checked_add(&TimeDelta::nanoseconds(nanos.into()))?;
            Some(Box::new(CelDuration::from(span)))
        }
        _ => None,
    }
}

/// A copy of a scalar that borrows nothing.
trait CloneStatic {
    fn clone_static<'v>(&self) -> Box<dyn Val + 'v>;
}

impl CloneStatic for Box<dyn Val + '_> {
    fn clone_static<'v>(&self) -> Box<dyn Val + 'v> {
        if let Some(text) = self.downcast_ref::<CelString<'_>>() {
            return Box::new(CelString::from(text.inner().to_owned()));
        }
        if let Some(bytes) = self.downcast_ref::<CelBytes<'_>>() {
            return Box::new(CelBytes::from(bytes.inner().to_vec()));
        }
        let value: Result<cel::Value, _> = (&**self).try_into();
        let value = value.unwrap_or(cel::Value::Null);
        let boxed: Result<Box<dyn Val>, _> = value.try_into();
        boxed.unwrap_or_else(|_| Box::new(CelNull))
    }
}

/// What an absent field has: its default; nothing for a wrapper.
fn absent<'v>(field: &FieldDescriptor) -> Box<dyn Val + 'v> {
    match (field.default_value(), field.kind()) {
        (Value::Message(_), Kind::Message(kind)) if is_wrapper(kind.full_name()) => {
            Box::new(CelNull)
        }
        (Value::Message(message), _) => match well_known(&message) {
            Some(value) => value,
            None => Box::new(Whole::Absent(Arc::new(message))),
        },
        (Value::List(_), _) => Box::new(CelList::from(Vec::<Box<dyn Val + 'v>>::new())),
        (Value::Map(_), _) => {
            Box::new(CelMap::from(HashMap::<CelMapKey<'v>, Box<dyn Val + 'v>>::new()))
        }
        (scalar, _) => value_of(&scalar).clone_static(),
    }
}

impl Val for Whole<'_> {
    fn get_type(&self) -> &Type {
        &MESSAGE
    }

    fn cel_type() -> &'static Type {
        &MESSAGE
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        None
    }
}

impl<'m> Whole<'m> {
    fn field<'v>(&self, name: &str) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        'm: 'v,
    {
        let (name, is_test) = match name.strip_prefix('?') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let no_such = || ExecutionError::NoSuchKey(Arc::new(name.to_owned()));
        let descriptor = self.message().descriptor();
        let field = descriptor.get_field_by_name(name).ok_or_else(no_such)?;
        let is_there = self.message().has_field(&field);
        if is_test {
            return is_there.then(|| Box::new(CelBool::from(true)) as _).ok_or_else(no_such);
        }
        match self {
            Self::There(message) if is_there => match message.get_field(&field) {
                std::borrow::Cow::Borrowed(value) => Ok(value_of(value)),
                std::borrow::Cow::Owned(_) => Ok(absent(&field)),
            },
            _ => Ok(absent(&field)),
        }
    }
}

impl Indexer for Whole<'_> {
    fn get<'b, 'v>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let name = index.downcast_ref::<CelString<'_>>();
        let name = name.ok_or_else(|| ExecutionError::NoSuchKey(Arc::default()))?;
        self.field(name.inner()).map(CowVal::Owned)
    }

    fn steal<'v>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let name = index.downcast_ref::<CelString<'_>>();
        let name = name.ok_or_else(|| ExecutionError::NoSuchKey(Arc::default()))?;
        self.field(name.inner())
    }
}
