//! What outlives a snapshot: state that is kept by name while what it stands for stays the same.
//!
//! A runtime is immutable and swapped whole; counters, connections and breakers must not start anew
//! with it. So whoever builds a runtime asks here first: a name that the runtime in force uses gives
//! the same value again. What no runtime uses any more is dropped with the last one that did.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

/// Named values that live as long as anybody holds them.
#[derive(Default)]
pub struct Lasting {
    shelf: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    kept: HashMap<(TypeId, String), Kept>,
    /// How many there were when what nobody holds was last thrown out.
    left: usize,
}

type Kept = Weak<dyn Any + Send + Sync>;

/// So many may stand there before it is worth a look.
const FEW: usize = 64;

impl Shelf {
    /// Throws out what nobody holds any more: each time that there are twice as many as were left
    /// the last time, so that a look costs as little as what was put there since.
    fn sweep(&mut self) {
        if self.kept.len() >= 2 * self.left.max(FEW) {
            self.kept.retain(|_, value| value.strong_count() > 0);
            self.left = self.kept.len();
        }
    }
}

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
        let mut shelf = self.lock();
        shelf.sweep();
        let erased: Arc<dyn Any + Send + Sync> = made.clone();
        shelf.kept.insert(key, Arc::downgrade(&erased));
        made
    }

    fn find<T: Any + Send + Sync>(&self, key: &(TypeId, String)) -> Option<Arc<T>> {
        self.lock().kept.get(key)?.upgrade()?.downcast().ok()
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shelf = self.lock();
        let held = shelf.kept.iter().filter(|(_, value)| value.strong_count() > 0);
        f.debug_set().entries(held.map(|((_, name), _)| name)).finish()
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
    fn what_nobody_holds_is_thrown_out_before_there_is_much_of_it() {
        let lasting = Lasting::new();
        let held = lasting.keep("held", || 0_u64);
        for at in 0..100_000_u64 {
            lasting.keep(&at.to_string(), || at);
        }
        assert!(lasting.lock().kept.len() <= 2 * FEW);
        assert!(Arc::ptr_eq(&held, &lasting.keep("held", || 1)));
        assert_eq!(format!("{lasting:?}"), "{\"held\"}");
    }

    #[test]
    fn names_and_types_are_kept_apart() {
        let lasting = Lasting::new();
        let (one, two) = (lasting.keep("a", || 1_u8), lasting.keep("b", || 2_u8));
        let other = lasting.keep("a", || 3_u16);
        assert_eq!((*one, *two, *other), (1, 2, 3));
    }
}
