//! Where the keys of a huge map lie in the output, to be compared when the map has ended.
//!
//! A set of keys takes more memory than small entries do themselves. Of a map with very many keys only
//! the way from one key to the next is kept, two bytes each, and they are compared at the end: in
//! parts, by the hash of the key, so that only a small table is there at a time.

use std::{hash::BuildHasher, sync::LazyLock};

use hashbrown::HashTable;

use super::steps::count_steps;

/// So many keys are compared as they come.
pub(super) const MANY: usize = 1 << 12;

/// So many steps stand in a chunk; chunks never move.
const CHUNK: usize = 1 << 15;

/// Says that the way is too long for one step, and stands in the three that follow.
const FAR: u16 = u16::MAX;

/// Keys are divided into parts of about so many, but into no more than [`PARTS`].
const PART: usize = 1 << 13;
const PARTS: usize = 16;

static SEED: LazyLock<foldhash::fast::RandomState> = LazyLock::new(Default::default);

/// The places of keys, each behind the one before.
#[derive(Default)]
pub(super) struct Trail {
    chunks: Vec<Vec<u16>>,
    /// The place of the last key.
    last: Option<usize>,
    count: usize,
}

impl Trail {
    /// Notes a key; one at the place of the last is written over it.
    pub(super) fn push(&mut self, at: usize) {
        if self.last.is_some_and(|last| at <= last) {
            return;
        }
        let step = at - self.last.unwrap_or(0);
        self.last = Some(at);
        self.count += 1;
        match u16::try_from(step) {
            Ok(step) if step != FAR => self.put(step),
            _ => {
                self.put(FAR);
                (0..3).for_each(|word| self.put((step >> (16 * word)) as u16));
            }
        }
    }

    fn put(&mut self, word: u16) {
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(word),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(word);
                self.chunks.push(chunk);
            }
        }
    }

    fn places(&self) -> impl Iterator<Item = usize> {
        let mut words = self.chunks.iter().flatten().copied();
        let mut at = 0;
        std::iter::from_fn(move || {
            at += match words.next()? {
                FAR => {
                    (0..3).map(|word| usize::from(words.next().unwrap_or(0)) << (16 * word)).sum()
                }
                step => usize::from(step),
            };
            Some(at)
        })
    }

    /// The place of a key before `end` that another equals, if there is one. `key_at` gives the bytes
    /// of the key at a place.
    pub(super) fn twice<'k>(
        &self,
        end: usize,
        key_at: impl Fn(usize) -> &'k [u8],
    ) -> Option<usize> {
        let hash = |at: usize| {
            count_steps(1);
            SEED.hash_one(key_at(at))
        };
        let parts = (self.count / PART).next_power_of_two().min(PARTS);
        let room = self.count / parts;
        let mut table = HashTable::<usize>::with_capacity(room + room / 8);
        for part in 0..parts as u64 {
            table.clear();
            for at in self.places().take_while(|at| *at < end) {
                let found = hash(at);
                // The table uses the other bits.
                if found >> 24 & (parts as u64 - 1) != part {
                    continue;
                }
                if table.find(found, |other| key_at(*other) == key_at(at)).is_some() {
                    return Some(at);
                }
                table.insert_unique(found, at, |other| hash(*other));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_keys_are_found_wherever_they_lie() {
        let mut buffer = vec![0; 400_000];
        let places: Vec<usize> = (0..1_000).map(|n| 7 + n * 13).chain([90_000, 390_000]).collect();
        for (at, n) in places.iter().zip(0_u32..) {
            buffer[*at..at + 4].copy_from_slice(&n.to_le_bytes());
        }
        let mut trail = Trail::default();
        for at in &places {
            trail.push(*at);
            trail.push(*at);
        }
        assert_eq!(trail.places().collect::<Vec<_>>(), places);
        assert_eq!(trail.twice(400_000, |at| &buffer[at..at + 4]), None);
        for (first, second) in [(0, 1_001), (3, 4), (1_000, 1_001)] {
            let mut buffer = buffer.clone();
            buffer.copy_within(places[first]..places[first] + 4, places[second]);
            let found = trail.twice(400_000, |at| &buffer[at..at + 4]);
            assert_eq!(found, Some(places[second]));
        }
    }
}
