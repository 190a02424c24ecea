//! JSON to protobuf wire bytes and back, by compiled plan: pure, no I/O, no async.
//!
//! A schema's message types are compiled once into [`Plans`]: a table of fields by name and by
//! number with their tags and keys as bytes. Both directions are one pass over the input with the
//! plan at hand, without a tree between:
//!
//! ```text
//!     json_to_wire     {"title":"Dune","spot":{"depth":3}}  ->  0A 04 "Dune" 1A 02 08 03
//!     wire_to_json     0A 04 "Dune" 1A 02 08 03             ->  {"title":"Dune","spot":{"depth":3}}
//! ```
//!
//! What they accept and write is the ProtoJSON mapping
//! (<https://protobuf.dev/programming-guides/json/>), at the level of protobuf's conformance suite.

mod base64;
mod compile;
mod elements;
mod error;
pub mod field;
mod float;
mod gaps;
mod kernel;
mod keyset;
mod locate;
mod names;
mod number;
mod parameters;
mod plan;
mod reader;
mod settings;
mod slot;
mod status;
mod steps;
mod text_value;
mod time;
mod trail;
mod writer;

#[cfg(test)]
mod tests;

use std::cell::Cell;

pub use elements::{Elements, ElementsError, Framing};
pub use error::{JsonError, WireError};
pub use parameters::{Fault, Given, ParameterError, Parameters};

pub use plan::{Plan, Plans};
pub use settings::{DEFAULT_DEPTH, EmitDefaults, MAX_DEPTH, Settings, UnknownFields};
pub use slot::{Slot, SlotError};
pub use status::status_to_json;

use error::Step;
use reader::Reader;
use writer::Writer;

/// Appends the message that a JSON document stands for, as wire bytes.
///
/// `limit` bounds how many bytes are appended. On an error `out` is as it was.
///
/// # Errors
/// Says what is wrong with the document and where.
pub fn json_to_wire(
    plan: &Plan,
    settings: &Settings,
    limit: usize,
    json: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), JsonError> {
    read(plan, settings, limit, json, out, |reader| reader.whole_message(plan.index))
}

/// Appends one field of a message, whose value a JSON document is: an object, an array, a
/// string, a number, whatever the field's JSON is. `null` appends nothing.
///
/// `field` is from [`Plan::field`]. `limit` bounds how many bytes are appended. On an error `out`
/// is as it was.
///
/// # Errors
/// Says what is wrong with the document and where.
pub fn json_field_to_wire(
    plan: &Plan,
    field: u32,
    settings: &Settings,
    limit: usize,
    json: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), JsonError> {
    read(plan, settings, limit, json, out, |reader| reader.whole_field(plan.index, field))
}

/// Appends a message as JSON.
///
/// `limit` bounds how many bytes are appended. On an error `out` is as it was.
///
/// # Errors
/// Says what is wrong with the wire bytes, or what of the message JSON can't express.
pub fn wire_to_json(
    plan: &Plan,
    settings: &Settings,
    limit: usize,
    wire: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), WireError> {
    write(plan, settings, limit, wire, out, |writer| writer.whole_message(plan.index))
}

/// Appends one field of a message as JSON: its value alone, and if the message doesn't have it
/// its type's empty value: `[]`, `{}`, `""`, `0`, never `null`.
///
/// `field` is from [`Plan::field`]. `limit` bounds how many bytes are appended. On an error `out`
/// is as it was.
///
/// # Errors
/// Says what is wrong with the wire bytes, or what of the field JSON can't express.
pub fn wire_field_to_json(
    plan: &Plan,
    field: u32,
    settings: &Settings,
    limit: usize,
    wire: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), WireError> {
    write(plan, settings, limit, wire, out, |writer| writer.whole_field(plan.index, field))
}

/// Appends a message as a serialiser writes it: pieces merged, fields by number, lists packed as
/// declared, unknown fields kept and last.
///
/// `limit` bounds how many bytes are appended. On an error `out` is as it was.
///
/// # Errors
/// Says what is wrong with the wire bytes.
pub fn wire_to_wire(
    plan: &Plan,
    settings: &Settings,
    limit: usize,
    wire: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), WireError> {
    write(plan, settings, limit, wire, out, |writer| writer.whole_canonical(plan.index))
}

/// So many bytes of scratch memory a thread and direction are kept; what a huge document needed
/// is given back.
const RETAINED: usize = 256 << 10;

thread_local! {
    static READER: Cell<Option<Box<reader::Scratch>>> = const { Cell::new(None) };
    static WRITER: Cell<Option<Box<writer::Scratch>>> = const { Cell::new(None) };
}

fn read(
    plan: &Plan,
    settings: &Settings,
    limit: usize,
    json: &[u8],
    out: &mut Vec<u8>,
    pass: impl FnOnce(&mut Reader) -> Step<()>,
) -> Result<(), JsonError> {
    let start = out.len();
    let mut scratch = READER.take().unwrap_or_default();
    let bytes = std::mem::take(out);
    let mut reader = Reader::new(&plan.table, settings, limit, json, bytes, &mut scratch);
    let result = pass(&mut reader);
    *out = reader.into_output();
    if scratch.retained() <= RETAINED {
        READER.set(Some(scratch));
    }
    result.map_err(|stop| {
        out.truncate(start);
        JsonError::locate(json, stop.reason())
    })
}

fn write(
    plan: &Plan,
    settings: &Settings,
    limit: usize,
    wire: &[u8],
    out: &mut Vec<u8>,
    pass: impl FnOnce(&mut Writer) -> Step<()>,
) -> Result<(), WireError> {
    let start = out.len();
    let mut scratch = WRITER.take().unwrap_or_default();
    let bytes = std::mem::take(out);
    let mut writer = Writer::new(&plan.table, settings, limit, wire, bytes, &mut scratch);
    let result = pass(&mut writer);
    *out = writer.into_output();
    if scratch.retained() <= RETAINED {
        WRITER.set(Some(scratch));
    }
    result.map_err(|stop| {
        out.truncate(start);
        let reason = stop.reason();
        WireError { message: reason.message, offset: reason.offset, too_large: reason.too_large }
    })
}
