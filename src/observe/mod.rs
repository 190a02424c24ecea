//! What operators see: the program's own log, and the access log.
//!
//! Both go through `tracing` and come apart by target: [`access::TARGET`] is a line of JSON a
//! request on standard output, for machines; everything else is text on standard error, for
//! people (coloured where that is a terminal), or JSON too if asked for.

pub mod access;
pub mod request_id;

mod record;
mod subscriber;
mod witness;

pub use record::Record;
pub use subscriber::{InitError, LogFormat, Settings, init, subscriber};
pub use witness::Witness;
