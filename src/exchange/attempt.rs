//! What an attempt of a call knows of those before it.
//!
//! Whoever makes several attempts of one call leaves an [`Attempt`] among the extensions of each
//! exchange. Whoever chooses a backend then notes there whom it called, and turns to another one
//! as long as there is one that was not tried.

use std::sync::{Arc, Mutex, PoisonError};

/// One of several attempts of a call.
#[derive(Clone, Debug)]
pub struct Attempt {
    number: u32,
    tried: Arc<Mutex<Vec<Arc<str>>>>,
}

impl Attempt {
    /// The first attempt of a call that may have more.
    pub fn first() -> Self {
        Self { number: 0, tried: Arc::default() }
    }

    /// The attempt after this one, which may still be under way.
    #[must_use]
    pub fn following(&self) -> Self {
        Self { number: self.number + 1, tried: self.tried.clone() }
    }

    /// How many attempts began before it.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Notes that the endpoint of this name was called.
    pub fn note(&self, endpoint: &Arc<str>) {
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        if !tried.contains(endpoint) {
            tried.push(endpoint.clone());
        }
    }

    /// Whether an attempt of the call went to the endpoint of this name.
    pub fn has_tried(&self, endpoint: &str) -> bool {
        let tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        tried.iter().any(|name| **name == *endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_of_a_call_share_what_was_tried() {
        let first = Attempt::first();
        let second = first.following();
        first.note(&"a:1".into());
        assert_eq!((first.number(), second.number()), (0, 1));
        assert!(second.has_tried("a:1"));
        assert!(!second.has_tried("b:1"));
    }
}
