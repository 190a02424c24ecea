//! What outlives a snapshot: state that is kept by name while what it stands for stays the same.
//!
//! A runtime is immutable and swapped whole; counters, connections and breakers must not start anew
//! with it. So whoever builds a runtime asks here first: a name that the runtime in force uses gives
//! the same value again. What no runtime uses any more is dropped with the last one that did.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// Named values that live as long as anybody holds them.
#[derive(Default)]
pub struct Lasting {
    kept: Mutex<HashMap<(TypeId, String), Kept>>,
}

type Kept = Weak<dyn Any + Send + Sync>;

impl Lasting {
    /// Nothing kept yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of this name and type that somebody still holds, else what `make` gives. A name says
    /// all on which the value depends, so that what is configured anew begins anew.
    pub fn keep<T: Any + Send + Sync>(&self, name: &str, make: impl FnOnce() -> T) -> Arc<T> {
        let key = (TypeId::of::<T>(), name.to_owned());
        if let Some(kept) = self.find(&key) {
            return kept;
        }
        // Outside of the lock: what is made may itself keep something.
        let made = Arc::new(make());
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, value| value.strong_count() > 0);
        let erased: Arc<dyn Any + Send + Sync> = made.clone();
        kept.insert(key, Arc::downgrade(&erased));
        made
    }

    fn find<T: Any + Send + Sync>(&self, key: &(TypeId, String)) -> Option<Arc<T>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(key)?.upgrade()?.downcast().ok()
    }
}

impl fmt::Debug for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_set().entries(kept.keys().map(|(_, name)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_given_again_and_what_is_not_is_made_anew() {
        let lasting = Lasting::new();
        let first = lasting.keep("one", || String::from("a"));
        assert!(Arc::ptr_eq(&first, &lasting.keep("one", || String::from("b"))));
        drop(first);
        assert_eq!(*lasting.keep("one", || String::from("c")), "c");
    }

    #[test]
    fn names_and_types_are_kept_apart() {
        let lasting = Lasting::new();
        let (one, two) = (lasting.keep("a", || 1_u8), lasting.keep("b", || 2_u8));
        let other = lasting.keep("a", || 3_u16);
        assert_eq!((*one, *two, *other), (1, 2, 3));
    }
}
