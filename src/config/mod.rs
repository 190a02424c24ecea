//! Configuration: the file as written, resolved whole, and the ingredients of the runtime.
//!
//! ```text
//! transom.yaml ─ yaml ─► Value + lines ─ read ─► File ─┐
//! arguments ────────────────────────────────────► File ─┴─ prepare ─► Prepared
//!                                                          schema, policies, stages, doors
//! ```
//!
//! It goes in one direction and tells every problem in one go: what can't be read is reported,
//! left out, and the rest is read and checked all the same. Nothing invalid gets into a
//! [`Prepared`], so that serving never validates anything.

mod address;
mod compression;
mod document;
mod duration;
mod file;
mod inputs;
mod json_schema;
mod keys;
mod limits;
mod listen;
mod listeners;
mod merge;
mod mode;
mod operate;
mod places;
mod policy;
mod prepare;
mod proxies;
mod read;
mod reflections;
mod resolve;
mod runtime;
mod security;
mod selector;
mod shown;
mod size;
mod sources;
mod substitute;
#[cfg(test)]
mod tests;
mod wording;

pub use self::{
    address::Address,
    file::{File, Loaded, Source},
    inputs::{Glance, Inputs},
    json_schema::json_schema,
    limits::Limits,
    listen::Listen,
    mode::Mode,
    operate::{Admin, OnBreaking, Reload},
    places::Places,
    policy::{Policy, Written},
    prepare::{Failure, Prepared, prepare, prepare_again},
    proxies::{ProxyProtocol, TrustedProxy},
    reflections::Reflections,
    resolve::Resolved,
    runtime::Runtime,
    security::SecurityHeaders,
};
