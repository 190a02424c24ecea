//! What the access log wants to know and only those behind the door can tell.
//!
//! A call may be made more than once, after a failure or beside a slow attempt. The log tells of the
//! attempt that answered, or else of the last: what is noted later stands in the place of what was
//! noted before.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use super::Principal;
use crate::error::Code;

/// What is noted of a call on its way.
#[derive(Debug, Default)]
pub struct Journal {
    /// Who called, once that is verified.
    pub principal: OnceLock<Arc<Principal>>,
    /// The endpoint that was called, `127.0.0.1:50051` for example.
    pub endpoint: Latest<Arc<str>>,
    /// The status that the backend gave.
    pub upstream_status: Latest<Code>,
    /// From the call's start to the first byte of the answer.
    pub upstream_latency: Latest<Duration>,
}

impl Journal {
    /// The call is sent to this endpoint; what another one said before doesn't count any more.
    pub fn turn_to(&self, endpoint: &Arc<str>) {
        self.endpoint.set(endpoint.clone());
        self.upstream_status.clear();
        self.upstream_latency.clear();
    }
}

/// A value that may be noted again, of which the last counts.
#[derive(Debug)]
pub struct Latest<T>(Mutex<Option<T>>);

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> Latest<T> {
    /// What was noted last.
    pub fn get(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes it.
    pub fn set(&self, value: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    }

    /// Forgets it.
    pub fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_attempt_is_what_is_told_of() {
        let journal = Journal::default();
        journal.turn_to(&"a:1".into());
        journal.upstream_status.set(Code::Unavailable);
        journal.turn_to(&"b:1".into());
        assert_eq!(journal.endpoint.get().as_deref(), Some("b:1"));
        assert_eq!(journal.upstream_status.get(), None);
        journal.upstream_status.set(Code::Ok);
        assert_eq!(journal.upstream_status.get(), Some(Code::Ok));
    }
}
