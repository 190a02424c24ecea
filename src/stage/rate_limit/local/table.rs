//! Who has used how much of a limit: a table of bounded size that nobody can empty.
//!
//! ```text
//! digest ─► shard (4 bits, a lock each) ─► set (16 cells) ─► the caller's cell
//!                                             │ all are in use
//!                                             └────────► one of 64 cells that callers share
//! ```
//!
//! A table that forgets the oldest callers when it is full can be made to forget: whoever sends
//! calls under ten million names gets a fresh limit with each. Here a cell is only taken from a caller
//! that wouldn't notice: its bucket is full again, its window over, none of its calls in flight. While
//! there is no such cell among the sixteen that a caller may have, it shares a cell with others, with
//! the limit of one. So all callers beyond the table together have what 1024 of them would have, and
//! who gets a cell later brings along what was used of the shared one. Work is bounded too: a call looks
//! at sixteen cells, next to each other, and at one more.
//!
//! The table grows by doubling while it is of use; what is idle then is left out. It never shrinks,
//! and is dropped with the limit.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Sixteen workers rarely wait for each other.
const SHARDS: usize = 16;

/// Where a caller may be found, in a shard.
const WAYS: usize = 16;

/// Cells that callers share, in a shard.
const SHARED: usize = 64;

/// The least number of cells that a table can be bounded to.
pub(in crate::stage::rate_limit) const LEAST: u32 = (SHARDS * WAYS) as u32;

/// The cells of a limit.
pub(in crate::stage::rate_limit) struct Table {
    shards: Box<[Shard]>,
}

/// Cells with a lock, on cache lines of their own.
#[repr(align(128))]
struct Shard(Mutex<Cells>);

#[derive(Default)]
struct Cells {
    /// None, or a power of two.
    sets: Vec<Set>,
    /// None until they are needed.
    shared: Vec<u64>,
}

#[derive(Clone)]
struct Set {
    /// 0 is nobody.
    digests: [u64; WAYS],
    states: [u64; WAYS],
}

const EMPTY: Set = Set { digests: [0; WAYS], states: [0; WAYS] };

/// Where the cell of a caller was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::stage::rate_limit) enum Seat {
    /// It is the caller's own.
    Own,
    /// Others use it too.
    Shared,
}

/// What has to be known of states to find a cell for a caller that has none.
pub(super) struct Terms<F> {
    /// Whether a state may be forgotten.
    pub(super) is_idle: F,
    /// Whether a state that was shared may go along to a cell of the caller's own. Calls in flight
    /// can't: they are given back where they were counted.
    pub(super) moves: bool,
    /// The most cells that the table may have.
    pub(super) max_keys: u32,
}

impl Table {
    /// An empty table. It takes memory as callers come.
    pub(in crate::stage::rate_limit) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Shard(Mutex::default())).collect() }
    }

    /// Finds the state of a caller and changes it, alone.
    pub(super) fn change<T>(
        &self,
        digest: u64,
        terms: &Terms<impl Fn(u64) -> bool>,
        change: impl FnOnce(&mut u64) -> T,
    ) -> (T, Seat) {
        let mut cells = self.lock(digest);
        let (state, seat) = cells.find(digest, terms);
        (change(state), seat)
    }

    /// Changes a state that was found before, if it is still there.
    pub(super) fn change_again<T>(
        &self,
        digest: u64,
        seat: Seat,
        change: impl FnOnce(&mut u64) -> T,
    ) -> Option<T> {
        let mut cells = self.lock(digest);
        let state = match seat {
            Seat::Own => cells.own(digest),
            Seat::Shared => cells.shared.get_mut(shared(digest)),
        };
        state.map(change)
    }

    /// How many cells there are, shared ones left out.
    #[cfg(test)]
    pub(in crate::stage::rate_limit) fn len(&self) -> usize {
        let lock = |shard: &Shard| shard.0.lock().unwrap().sets.len() * WAYS;
        self.shards.iter().map(lock).sum()
    }

    fn lock(&self, digest: u64) -> MutexGuard<'_, Cells> {
        let shard = &self.shards[(digest >> 60) as usize % SHARDS];
        shard.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shared(digest: u64) -> usize {
    (digest >> 48) as usize % SHARED
}

impl Cells {
    fn set(&mut self, digest: u64) -> Option<&mut Set> {
        let mask = self.sets.len().wrapping_sub(1);
        self.sets.get_mut(digest as usize & mask)
    }

    fn own(&mut self, digest: u64) -> Option<&mut u64> {
        let set = self.set(digest)?;
        let place = set.place(digest)?;
        Some(&mut set.states[place])
    }

    fn find(&mut self, digest: u64, terms: &Terms<impl Fn(u64) -> bool>) -> (&mut u64, Seat) {
        // Looked up twice, for the borrow checker sees no way out of a loop with what it found.
        if let Some(place) = self.set(digest).and_then(|set| set.place(digest)) {
            let mask = self.sets.len() - 1;
            return (&mut self.sets[digest as usize & mask].states[place], Seat::Own);
        }
        self.seat(digest, terms)
    }

    /// Gives a caller a cell that has none.
    #[cold]
    fn seat(&mut self, digest: u64, terms: &Terms<impl Fn(u64) -> bool>) -> (&mut u64, Seat) {
        let most = (terms.max_keys as usize / SHARDS / WAYS).max(1);
        if self.sets.is_empty() {
            self.sets.push(EMPTY);
        }
        let mut used = self.shared.get(shared(digest)).copied().unwrap_or(0);
        if (terms.is_idle)(used) {
            used = 0;
        }
        let free = loop {
            let set = self.set(digest).and_then(|set| set.free(&terms.is_idle));
            if set.is_some() || self.sets.len() * 2 > most {
                break set;
            }
            self.grow(&terms.is_idle);
        };
        match free.filter(|_| used == 0 || terms.moves) {
            Some(place) => {
                let mask = self.sets.len() - 1;
                let set = &mut self.sets[digest as usize & mask];
                set.digests[place] = digest;
                set.states[place] = used;
                (&mut set.states[place], Seat::Own)
            }
            None => {
                self.shared.resize(SHARED, 0);
                (&mut self.shared[shared(digest)], Seat::Shared)
            }
        }
    }

    /// Twice as many sets. The callers of each go to two, so all of them have a cell there.
    fn grow(&mut self, is_idle: &impl Fn(u64) -> bool) {
        let before = std::mem::take(&mut self.sets);
        self.sets = vec![EMPTY; before.len() * 2];
        for set in &before {
            for (digest, state) in set.digests.iter().zip(set.states) {
                if *digest == 0 || is_idle(state) {
                    continue;
                }
                let Some(set) = self.set(*digest) else { continue };
                let Some(place) = set.place(0) else { continue };
                (set.digests[place], set.states[place]) = (*digest, state);
            }
        }
    }
}

impl Set {
    fn place(&self, digest: u64) -> Option<usize> {
        self.digests.iter().position(|other| *other == digest)
    }

    /// A cell that nobody has, or that is taken from somebody who won't notice.
    fn free(&self, is_idle: impl Fn(u64) -> bool) -> Option<usize> {
        self.place(0).or_else(|| self.states.iter().position(|state| is_idle(*state)))
    }
}
