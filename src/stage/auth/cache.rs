//! What has been verified already, by the bytes of the credential: bounded, and never trusted past
//! its end.
//!
//! A look costs one hash of the credential and one comparison with the whole of it, so a collision
//! of hashes can't lend anybody another one's name. There are two generations: what is put in goes
//! to the young one, and when that is full it becomes the old one, whose place was taken by nobody
//! who hasn't been verified. What is used moves along; nothing keeps a list of what was used when.

use std::{
    hash::BuildHasher,
    mem,
    sync::{Mutex, PoisonError},
};

use foldhash::quality::RandomState;
use hashbrown::HashTable;

/// How many parts there are, each with a lock of its own.
const SHARDS: usize = 16;

/// What an entry takes besides its key and what its maker says, in bytes.
const OVERHEAD: usize = 200;

/// Verified credentials and what was found out of them.
pub(super) struct Cache<V> {
    shards: Box<[Mutex<Generations<V>>]>,
    hasher: RandomState,
    /// The most that a generation of a shard may take, in bytes.
    budget: usize,
}

struct Generations<V> {
    young: HashTable<Entry<V>>,
    old: HashTable<Entry<V>>,
    /// What the young ones take, in bytes.
    taken: usize,
}

struct Entry<V> {
    key: Box<[u8]>,
    weight: usize,
    value: V,
}

impl<V: Clone> Cache<V> {
    /// A cache that takes about so many bytes at most.
    pub(super) fn new(bytes: usize) -> Self {
        let empty = || Generations { young: HashTable::new(), old: HashTable::new(), taken: 0 };
        Self {
            shards: (0..SHARDS).map(|_| Mutex::new(empty())).collect(),
            hasher: RandomState::default(),
            budget: bytes / (2 * SHARDS),
        }
    }

    /// What is known of a credential. What is no longer `good` is forgotten.
    pub(super) fn find(&self, key: &[u8], good: impl Fn(&V) -> bool) -> Option<V> {
        let hash = self.hasher.hash_one(key);
        let mut shard = self.shard(hash);
        if let Ok(entry) = shard.young.find_entry(hash, |entry| *entry.key == *key) {
            if good(&entry.get().value) {
                return Some(entry.get().value.clone());
            }
            let (entry, _) = entry.remove();
            shard.taken -= entry.weight;
            return None;
        }
        let (entry, _) = shard.old.find_entry(hash, |entry| *entry.key == *key).ok()?.remove();
        if !good(&entry.value) {
            return None;
        }
        let value = entry.value.clone();
        self.put(&mut shard, hash, entry);
        Some(value)
    }

    /// Keeps what was found out of a credential; `weight` is what the value takes, in bytes.
    pub(super) fn keep(&self, key: &[u8], value: V, weight: usize) {
        let hash = self.hasher.hash_one(key);
        let weight = weight + key.len() + OVERHEAD;
        if weight > self.budget {
            return;
        }
        let mut shard = self.shard(hash);
        self.put(&mut shard, hash, Entry { key: key.into(), weight, value });
    }

    fn put(&self, shard: &mut Generations<V>, hash: u64, entry: Entry<V>) {
        if shard.taken + entry.weight > self.budget {
            shard.old = mem::take(&mut shard.young);
            shard.taken = 0;
        }
        shard.taken += entry.weight;
        let rehash = |entry: &Entry<V>| self.hasher.hash_one(&*entry.key);
        match shard.young.entry(hash, |other| other.key == entry.key, rehash) {
            hashbrown::hash_table::Entry::Occupied(mut there) => {
                shard.taken -= there.get().weight;
                *there.get_mut() = entry;
            }
            hashbrown::hash_table::Entry::Vacant(room) => drop(room.insert(entry)),
        }
    }

    fn shard(&self, hash: u64) -> std::sync::MutexGuard<'_, Generations<V>> {
        // The table takes the hash's lowest and highest bits.
        let place = (hash >> 32) as usize % SHARDS;
        self.shards[place].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_by_its_whole_key_while_it_is_good() {
        let cache = Cache::new(1 << 20);
        cache.keep(b"one", 1, 0);
        assert_eq!(cache.find(b"one", |_| true), Some(1));
        assert_eq!(cache.find(b"on", |_| true), None);
        cache.keep(b"one", 2, 0);
        assert_eq!(cache.find(b"one", |_| true), Some(2));
        assert_eq!(cache.find(b"one", |_| false), None);
        assert_eq!(cache.find(b"one", |_| true), None, "what was bad once is forgotten");
    }

    #[test]
    fn many_keys_take_no_more_than_they_may() {
        const BYTES: usize = 1 << 20;
        let cache = Cache::new(BYTES);
        for number in 0..200_000_u32 {
            cache.keep(&number.to_be_bytes(), number, 0);
            // In use all the time, so it stays.
            if number.is_multiple_of(16) {
                cache.find(&0_u32.to_be_bytes(), |_| true);
            }
        }
        let taken: usize = cache
            .shards
            .iter()
            .map(|shard| shard.lock().unwrap())
            .map(|shard| (shard.young.len() + shard.old.len()) * (OVERHEAD + 4))
            .sum();
        assert!(taken <= BYTES, "{taken}");
        assert_eq!(cache.find(&0_u32.to_be_bytes(), |_| true), Some(0));
        assert_eq!(cache.find(&199_999_u32.to_be_bytes(), |_| true), Some(199_999));
        assert_eq!(cache.find(&1_u32.to_be_bytes(), |_| true), None);
    }

    #[test]
    fn what_is_larger_than_the_cache_is_not_kept() {
        let cache = Cache::new(1 << 12);
        cache.keep(b"large", 1, 1 << 12);
        assert_eq!(cache.find(b"large", |_| true), None);
    }
}
