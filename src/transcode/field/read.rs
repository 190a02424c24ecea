//! Walks over a message's wire bytes and keeps one field.
//!
//! Every byte is looked at once: a message on the way is walked into, all others are passed over by
//! their length, groups by their tags.

use std::{borrow::Cow, str};

use super::{Element, Fault, Field, Found, Label, Value};
use crate::transcode::plan::Kind;

/// How deep groups may nest, as everywhere.
const DEPTH: usize = 100;

type Read<T> = Result<T, Fault>;

pub(super) fn read<'m>(field: &Field, message: &'m [u8], most: usize) -> Read<Found<'m>> {
    let mut walk = Walk { field, most, found: empty(field.leaf.label) };
    walk.message(0, message)?;
    Ok(walk.found)
}

fn empty<'m>(label: Label) -> Found<'m> {
    match label {
        Label::One => Found::Absent,
        Label::List => Found::List(Vec::new()),
        Label::Map => Found::Map(Vec::new()),
    }
}

struct Walk<'f, 'm> {
    field: &'f Field,
    most: usize,
    found: Found<'m>,
}

impl<'m> Walk<'_, 'm> {
    fn message(&mut self, level: usize, mut rest: &'m [u8]) -> Read<()> {
        let step = &self.field.steps[level];
        let is_last = level + 1 == self.field.steps.len();
        while !rest.is_empty() {
            let (number, wire) = tag(&mut rest)?;
            if number == step.number && is_last {
                self.leaf(number, wire, &mut rest)?;
            } else if number == step.number && wire == step.wire {
                let inside = body(&mut rest, number, wire)?;
                self.message(level + 1, inside)?;
            } else {
                // Of a oneof the last member stays, with all that is in it.
                if step.rivals.contains(&(number, wire)) {
                    self.found = empty(self.field.leaf.label);
                }
                skip(&mut rest, number, wire, 0)?;
            }
        }
        Ok(())
    }

    /// One appearance of the field itself.
    fn leaf(&mut self, number: u32, wire: u32, rest: &mut &'m [u8]) -> Read<()> {
        let leaf = &self.field.leaf;
        let element = &leaf.element;
        match &mut self.found {
            Found::Map(entries) => {
                if wire != 2 {
                    return skip(rest, number, wire, 0);
                }
                let key = leaf.key.as_ref().ok_or(Fault::Malformed)?;
                let pair = entry(key, element, delimited(rest)?)?;
                if entries.len() == self.most {
                    return Err(Fault::TooMany);
                }
                entries.push(pair);
            }
            Found::List(elements) => {
                let mut push = |value| {
                    if elements.len() == self.most {
                        return Err(Fault::TooMany);
                    }
                    elements.push(value);
                    Ok(())
                };
                if wire == element.kind.wire() {
                    push(element.value(rest, number)?)?;
                } else if wire == 2 && element.kind.is_packable() {
                    let mut packed = delimited(rest)?;
                    while !packed.is_empty() {
                        push(element.value(&mut packed, number)?)?;
                    }
                } else {
                    skip(rest, number, wire, 0)?;
                }
            }
            single => {
                if wire != element.kind.wire() {
                    return skip(rest, number, wire, 0);
                }
                let value = element.value(rest, number)?;
                merge(single, value);
            }
        }
        Ok(())
    }
}

/// The last value wins, but messages merge, which is what their bytes do one behind the other.
fn merge<'m>(found: &mut Found<'m>, value: Value<'m>) {
    match (&mut *found, value) {
        (Found::One(Value::Message(before)), Value::Message(piece)) => {
            before.to_mut().extend_from_slice(&piece);
        }
        (_, value) => *found = Found::One(value),
    }
}

/// An entry of a map: the last key and the last value, or what stands for those that are absent.
fn entry<'m>(key: &Element, value: &Element, mut rest: &'m [u8]) -> Read<(Value<'m>, Value<'m>)> {
    let (mut found_key, mut found_value) = (Found::Absent, Found::Absent);
    while !rest.is_empty() {
        let (number, wire) = tag(&mut rest)?;
        match number {
            1 if wire == key.kind.wire() => merge(&mut found_key, key.value(&mut rest, number)?),
            2 if wire == value.kind.wire() => {
                merge(&mut found_value, value.value(&mut rest, number)?);
            }
            _ => skip(&mut rest, number, wire, 0)?,
        }
    }
    let or_zero = |found, element: &Element| match found {
        Found::One(value) => value,
        _ => element.zero(),
    };
    Ok((or_zero(found_key, key), or_zero(found_value, value)))
}

impl Element {
    fn value<'m>(&self, rest: &mut &'m [u8], number: u32) -> Read<Value<'m>> {
        let wire = self.kind.wire();
        Ok(match self.kind {
            Kind::Double => Value::Double(f64::from_le_bytes(fixed(rest)?)),
            Kind::Float => Value::Double(f32::from_le_bytes(fixed(rest)?).into()),
            Kind::Fixed32 => Value::Uint(u32::from_le_bytes(fixed(rest)?).into()),
            Kind::Fixed64 => Value::Uint(u64::from_le_bytes(fixed(rest)?)),
            Kind::Sfixed32 => Value::Int(i32::from_le_bytes(fixed(rest)?).into()),
            Kind::Sfixed64 => Value::Int(i64::from_le_bytes(fixed(rest)?)),
            Kind::Int32 => Value::Int((varint(rest)? as i32).into()),
            Kind::Int64 => Value::Int(varint(rest)? as i64),
            Kind::Uint32 => Value::Uint((varint(rest)? as u32).into()),
            Kind::Uint64 => Value::Uint(varint(rest)?),
            Kind::Sint32 => {
                let bits = varint(rest)? as u32;
                Value::Int(((bits >> 1) as i32 ^ -((bits & 1) as i32)).into())
            }
            Kind::Sint64 => {
                let bits = varint(rest)?;
                Value::Int((bits >> 1) as i64 ^ -((bits & 1) as i64))
            }
            Kind::Bool => Value::Bool(varint(rest)? != 0),
            Kind::Enum => {
                let value = varint(rest)? as i32;
                if self.closed.as_ref().is_some_and(|known| !known.contains(&value)) {
                    return Err(Fault::Malformed);
                }
                Value::Enum(value)
            }
            Kind::String => {
                let text = str::from_utf8(delimited(rest)?);
                Value::Text(text.map_err(|_| Fault::Malformed)?)
            }
            Kind::Bytes => Value::Bytes(delimited(rest)?),
            Kind::Message | Kind::Group => Value::Message(Cow::Borrowed(body(rest, number, wire)?)),
        })
    }

    /// What an entry of a map has where it says nothing.
    fn zero(&self) -> Value<'static> {
        match self.kind {
            Kind::Double | Kind::Float => Value::Double(0.0),
            Kind::Fixed32 | Kind::Fixed64 | Kind::Uint32 | Kind::Uint64 => Value::Uint(0),
            Kind::Bool => Value::Bool(false),
            // Of a closed enum the first value, which is told before the others are.
            Kind::Enum => {
                let known = self.closed.as_ref();
                Value::Enum(known.and_then(|known| known.first().copied()).unwrap_or(0))
            }
            Kind::String => Value::Text(""),
            Kind::Bytes => Value::Bytes(&[]),
            Kind::Message | Kind::Group => Value::Message(Cow::Borrowed(&[])),
            _ => Value::Int(0),
        }
    }
}

/// A field's number and wire type. Parsers don't agree on tags of more than 32 bits.
fn tag(rest: &mut &[u8]) -> Read<(u32, u32)> {
    let tag = u32::try_from(varint(rest)?).map_err(|_| Fault::Malformed)?;
    match tag >> 3 {
        0 => Err(Fault::Malformed),
        number => Ok((number, tag & 7)),
    }
}

fn varint(rest: &mut &[u8]) -> Read<u64> {
    let mut number = 0;
    for at in 0..10 {
        let byte = *rest.split_off_first().ok_or(Fault::Malformed)?;
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            // The tenth byte has room for one bit.
            return if at == 9 && byte > 1 { Err(Fault::Malformed) } else { Ok(number) };
        }
    }
    Err(Fault::Malformed)
}

fn fixed<const N: usize>(rest: &mut &[u8]) -> Read<[u8; N]> {
    let bytes = rest.split_off(..N).ok_or(Fault::Malformed)?;
    bytes.try_into().map_err(|_| Fault::Malformed)
}

fn delimited<'m>(rest: &mut &'m [u8]) -> Read<&'m [u8]> {
    let length = usize::try_from(varint(rest)?).map_err(|_| Fault::Malformed)?;
    rest.split_off(..length).ok_or(Fault::Malformed)
}

/// What is inside of a message or a group.
fn body<'m>(rest: &mut &'m [u8], number: u32, wire: u32) -> Read<&'m [u8]> {
    if wire == 2 {
        return delimited(rest);
    }
    let start = *rest;
    let end = group(rest, number, 0)?;
    Ok(&start[..start.len() - end])
}

/// Passes over a group; gives how much was left where its end tag began.
fn group(rest: &mut &[u8], number: u32, depth: usize) -> Read<usize> {
    if depth == DEPTH {
        return Err(Fault::Malformed);
    }
    loop {
        let left = rest.len();
        match tag(rest)? {
            (ended, 4) if ended == number => return Ok(left),
            (inner, wire) => skip(rest, inner, wire, depth + 1)?,
        }
    }
}

fn skip(rest: &mut &[u8], number: u32, wire: u32, depth: usize) -> Read<()> {
    match wire {
        0 => varint(rest).map(drop),
        1 => fixed::<8>(rest).map(drop),
        2 => delimited(rest).map(drop),
        3 => group(rest, number, depth).map(drop),
        5 => fixed::<4>(rest).map(drop),
        _ => Err(Fault::Malformed),
    }
}
