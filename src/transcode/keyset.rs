//! The keys that a map has shown so far, so that none counts twice.
//!
//! Most maps are small: up to eight keys are compared one by one, and only then a table is built.
//! Its hash is seeded, since the keys come from outside.

use std::{hash::BuildHasher, sync::LazyLock};

use hashbrown::{HashTable, hash_table::Entry};

use super::steps::count_steps;

/// Keys by their place in a buffer that the caller holds, or by value.
#[derive(Default)]
pub(super) struct KeySet {
    keys: Vec<Seen>,
    table: HashTable<u32>,
}

#[derive(Clone, Copy)]
struct Seen {
    hash: u64,
    /// Of a text where it starts and how long it is; of a number its bits.
    start: u32,
    len: u32,
}

/// So many keys are compared one by one.
const FEW: usize = 8;

static SEED: LazyLock<foldhash::fast::RandomState> = LazyLock::new(Default::default);

impl KeySet {
    /// Adds the key `buffer[start..end]`: the place among all keys of an equal one, if there is.
    #[inline]
    pub(super) fn insert_text(&mut self, buffer: &[u8], start: usize, end: usize) -> Option<usize> {
        let text = buffer.get(start..end).unwrap_or_default();
        count_steps(text.len());
        let key = Seen { hash: SEED.hash_one(text), start: start as u32, len: text.len() as u32 };
        self.insert(key, |seen| {
            let start = seen.start as usize;
            count_steps(1);
            seen.hash == key.hash && buffer.get(start..start + seen.len as usize) == Some(text)
        })
    }

    /// Adds a key that is a number; texts and numbers never share a set.
    #[inline]
    pub(super) fn insert_number(&mut self, value: u64) -> Option<usize> {
        let (start, len) = (value as u32, (value >> 32) as u32);
        let key = Seen { hash: SEED.hash_one(value), start, len };
        self.insert(key, |seen| {
            count_steps(1);
            seen.start == start && seen.len == len
        })
    }

    #[inline(always)]
    fn insert(&mut self, key: Seen, same: impl Fn(&Seen) -> bool) -> Option<usize> {
        count_steps(1);
        let place = self.keys.len();
        if place < FEW {
            if let Some(place) = self.keys.iter().position(same) {
                return Some(place);
            }
        } else {
            if self.table.is_empty() {
                self.build_table();
            }
            let keys = &self.keys;
            let found = self.table.entry(
                key.hash,
                |&place| keys.get(place as usize).is_some_and(&same),
                |&place| {
                    count_steps(1);
                    keys.get(place as usize).map_or(0, |seen| seen.hash)
                },
            );
            match found {
                Entry::Occupied(entry) => return Some(*entry.get() as usize),
                Entry::Vacant(entry) => drop(entry.insert(place as u32)),
            }
        }
        self.keys.push(key);
        None
    }

    #[cold]
    fn build_table(&mut self) {
        let keys = &self.keys;
        for place in 0..keys.len() as u32 {
            let hash = |&place: &u32| {
                count_steps(1);
                keys[place as usize].hash
            };
            self.table.insert_unique(hash(&place), place, hash);
        }
    }

    /// How many keys there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Where the texts start, in the order in which they came.
    pub(super) fn starts(&self) -> impl Iterator<Item = usize> {
        self.keys.iter().map(|seen| seen.start as usize)
    }

    /// How many bytes are kept for later keys.
    pub(super) fn retained(&self) -> usize {
        self.keys.capacity() * size_of::<Seen>() + self.table.allocation_size()
    }

    /// Forgets all; a table much larger than its last use goes, since clearing costs its size.
    pub(super) fn clear(&mut self) {
        count_steps(1);
        if self.keys.len() > FEW {
            if self.table.capacity() > self.table.len() * 8 {
                self.table = HashTable::new();
            } else {
                self.clear_table();
            }
        } else if !self.table.is_empty() {
            self.clear_table();
        }
        self.keys.clear();
    }

    fn clear_table(&mut self) {
        count_steps(self.table.capacity());
        self.table.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_are_found_in_small_and_large_sets_and_after_clear() {
        let buffer: Vec<u8> = (0..20_000u32).flat_map(u32::to_be_bytes).collect();
        let mut set = KeySet::default();
        for count in [3, 8, 9, 20_000, 10, 2] {
            for n in 0..count {
                assert_eq!(set.insert_text(&buffer, n * 4, n * 4 + 4), None);
            }
            let copy: Vec<u8> = [&buffer[..], &buffer[4..8]].concat();
            assert_eq!(set.insert_text(&copy, buffer.len(), copy.len()), Some(1), "{count}");
            set.clear();
            for n in 0..count as u64 {
                assert_eq!(set.insert_number(n << 32), None);
            }
            assert_eq!(set.insert_number(0), Some(0));
            set.clear();
        }
    }
}
