//! A call stays in flight until its last message has gone out, or nobody wants it any more.

use smallvec::SmallVec;

use super::local::Permit;
use crate::exchange::{Companion, Messages};

/// The places that a call has.
pub(super) type Permits = SmallVec<[Permit; 1]>;

/// Keeps a call's places for as long as messages may come.
pub(super) fn hold(messages: Messages, permits: Permits) -> Messages {
    match permits.is_empty() {
        true => messages,
        false => messages.beside(Places { _held: permits }),
    }
}

/// Given back with the end, by being dropped.
struct Places {
    _held: Permits,
}

impl Companion for Places {}
