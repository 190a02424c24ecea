//! Query parameters onto the wire, by the rules of google/api/http.proto.
//!
//! ```text
//!     spot.depth=3 & tags=a & tags=b & labels[x]=1
//!  -> 1A 02 08 03    12 01 "a"  12 01 "b"  22 05 0A 01 "x" 10 01
//! ```
//!
//! A parameter names a field by proto or JSON names with dots between; a list by giving the
//! parameter again; a map's entry by its key in brackets. What the path or the body binds is not
//! written, since the path's value wins.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use super::{kernel::Buffer, plan::*, slot::Path, slot::Slot, steps::count_steps};

/// The parameters of one request.
pub struct Parameters<'a> {
    plan: &'a Plan,
    bound: &'a [Slot],
    /// Single fields that were given.
    given: HashSet<Path>,
    /// The member of each oneof that was given: the path of the message, then the oneof's bit.
    members: HashMap<Path, u32>,
    /// Map entries that were given, with their keys as on the wire.
    entries: HashSet<(Path, Vec<u8>)>,
}

/// What became of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// Its value was written.
    Written,
    /// Its field is bound by this one of the bound slots, and nothing was written.
    Bound(usize),
}

/// What is wrong with a parameter or a path variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no such field, or none that can be set from text.
    Unknown,
    /// The text is no value of the field.
    Value,
    /// A field that holds one value, or a map's key, was given twice.
    Twice,
    /// Another member of the same oneof was given before.
    Oneof,
}

/// A parameter or a path variable that can't be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterError {
    /// Which of the faults it is.
    pub fault: Fault,
    /// The parameter's name as it was given.
    pub name: String,
    /// What is wrong, without the name and without a full stop.
    pub message: String,
}

impl ParameterError {
    pub(super) fn new(fault: Fault, name: &str, message: impl Into<String>) -> Self {
        Self { fault, name: name.to_owned(), message: message.into() }
    }
}

impl fmt::Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\": {}", self.name, self.message)
    }
}

impl std::error::Error for ParameterError {}

/// Where a parameter's name leads.
struct Target<'a> {
    path: Path,
    field: &'a FieldPlan,
    key: Option<&'a str>,
}

impl<'a> Parameters<'a> {
    /// Parameters of a message, of which the path (and the body, see [`Slot::to_field`]) bind
    /// some fields.
    pub fn new(plan: &'a Plan, bound: &'a [Slot]) -> Self {
        let mut parameters = Self {
            plan,
            bound,
            given: HashSet::new(),
            members: HashMap::new(),
            entries: HashSet::new(),
        };
        for slot in bound {
            // Only one member of a oneof can be bound; a template that binds two is its own fault.
            let _ = parameters.choose_members(&slot.path, &slot.path);
        }
        parameters
    }

    /// Appends wire bytes that set the field which `name` leads to.
    ///
    /// # Errors
    /// One of the [`Fault`]s; `out` is as it was.
    pub fn set(
        &mut self,
        name: &str,
        value: &str,
        out: &mut Vec<u8>,
    ) -> Result<Given, ParameterError> {
        let error = |fault, message: String| Err(ParameterError::new(fault, name, message));
        let target = match self.resolve(name) {
            Ok(target) => target,
            Err(message) => return error(Fault::Unknown, message),
        };
        count_steps(self.bound.len());
        let covers = |slot: &Slot| target.path.starts_with(&slot.path);
        if let Some(index) = self.bound.iter().position(covers) {
            return Ok(Given::Bound(index));
        }
        let start = out.len();
        let mut buffer = Buffer::new(std::mem::take(out));
        let mut key_bytes = Vec::new();
        let table = &self.plan.table;
        let written =
            table.write_path(self.plan.index, &target.path, &mut buffer, |out| match target.key {
                Some(key) => {
                    let entry = table.write_entry(target.field, key, value)?;
                    out.slice(&entry.bytes);
                    key_bytes = entry.key;
                    Ok(())
                }
                None => table.write_text(target.field, value, out),
            });
        *out = buffer.into_bytes();
        let checked = match written {
            Err(expected) => error(Fault::Value, format!("expected {expected}")),
            Ok(()) => self.check_once(name, target.path, target.field.label, key_bytes),
        };
        if checked.is_err() {
            out.truncate(start);
        }
        checked
    }

    /// Refuses what was given before, in another parameter.
    fn check_once(
        &mut self,
        name: &str,
        path: Path,
        label: Label,
        key: Vec<u8>,
    ) -> Result<Given, ParameterError> {
        let error = |fault, message: String| Err(ParameterError::new(fault, name, message));
        if let Err((oneof, other)) = self.choose_members(&path, &path) {
            let message = format!("the oneof \"{oneof}\" has \"{other}\" already");
            return error(Fault::Oneof, message);
        }
        let first = match label {
            Label::Single => self.given.insert(path),
            Label::Map => self.entries.insert((path, key)),
            Label::List => true,
        };
        if !first {
            return error(Fault::Twice, "the parameter is given twice, and holds one value".into());
        }
        Ok(Given::Written)
    }

    /// Notes the members of oneofs that a path goes through; of a second one the oneof's name and
    /// the first member's.
    fn choose_members(&mut self, path: &[u32], whole: &[u32]) -> Result<(), (String, String)> {
        let table = &self.plan.table;
        let mut message = self.plan.message();
        for (depth, place) in path.iter().enumerate() {
            let field = &message.fields[*place as usize];
            if field.oneof != NONE {
                let mut oneof: Path = whole[..depth].into();
                oneof.push(field.oneof);
                let chosen = *self.members.entry(oneof).or_insert(*place);
                if chosen != *place {
                    let name = &message.oneofs[field.oneof as usize - message.fields.len()];
                    let other = &message.fields[chosen as usize].name;
                    return Err((name.to_string(), other.to_string()));
                }
            }
            if !field.kind.is_message() {
                break;
            }
            message = &table.messages[field.target as usize];
        }
        Ok(())
    }

    fn resolve<'n>(&self, name: &'n str) -> Result<Target<'n>, String>
    where
        'a: 'n,
    {
        count_steps(name.len());
        let (path, key) = match name.strip_suffix(']').and_then(|name| name.split_once('[')) {
            Some((path, key)) if !path.is_empty() => (path, Some(key)),
            _ => (name, None),
        };
        let plan: &'a Plan = self.plan;
        let mut message = plan.message();
        let mut places = Path::new();
        for segment in path.split('.') {
            if !places.is_empty() {
                message = plan.table.inner(message, &places).ok_or_else(|| {
                    format!("\"{segment}\" is no field of a scalar, a list or a map")
                })?;
            }
            let place = message.names.find(segment.as_bytes());
            places
                .push(place.ok_or_else(|| format!("{} has no field \"{segment}\"", message.name))?);
        }
        let Some(field) = places.last().map(|place| &message.fields[*place as usize]) else {
            return Err("the parameter has no name".to_owned());
        };
        match (field.label, key) {
            (Label::Map, Some(_)) => {}
            (Label::Map, None) => return Err("a map's entry is set by name[key]=value".to_owned()),
            (_, Some(_)) => return Err("the field is no map".to_owned()),
            (_, None) if !plan.table.has_text(field) => {
                return Err("the field is a message; its fields are set by their paths".to_owned());
            }
            _ => {}
        }
        Ok(Target { path: places, field, key })
    }
}

/// A map entry as wire bytes, and its key's part of them.
struct EntryBytes {
    bytes: Vec<u8>,
    key: Vec<u8>,
}

impl Table {
    fn write_entry(
        &self,
        field: &FieldPlan,
        key: &str,
        value: &str,
    ) -> Result<EntryBytes, super::text_value::Expected> {
        let entry = &self.messages[field.target as usize];
        let (Some(key_place), Some(value_place)) = (entry.numbers.find(1), entry.numbers.find(2))
        else {
            return Err("a map".into());
        };
        let value_field = &entry.fields[value_place as usize];
        if !self.has_text(value_field) {
            return Err("a map of scalars, since messages have no text".into());
        }
        let mut content = Buffer::default();
        self.write_text(&entry.fields[key_place as usize], key, &mut content)
            .map_err(|expected| format!("{expected} as the key"))?;
        let key = content.as_slice().to_vec();
        self.write_text(value_field, value, &mut content)?;
        let mut out = Buffer::default();
        out.fixed(&field.tag_bytes, field.tag_len.into());
        out.varint(content.len() as u64);
        out.slice(content.as_slice());
        Ok(EntryBytes { bytes: out.into_bytes(), key })
    }
}
