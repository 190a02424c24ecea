//! Writes header blocks (RFC 7541 §6).
//!
//! The table is made to hold what repeats from call to call. Paths and the like go in at once;
//! other fields only when they come again soon, so that identifiers which differ from call to call
//! push nothing out.

use std::{collections::VecDeque, hash::BuildHasher};

use foldhash::fast::RandomState;

use super::{OVERHEAD, TABLE_SIZE, fixed, primitive};

/// Whether a field goes into the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Indexing {
    /// At once: it will come again.
    Always,
    /// When it comes again soon.
    Repeated,
    /// Not here nor at anybody who passes it on: it is a secret (§7.1.3).
    Never,
}

/// How many fields are remembered that came once.
const SEEN: usize = 64;

/// The encoder of a connection.
#[derive(Debug)]
pub(in super::super) struct Encoder {
    /// What the peer has in its table, the newest first.
    table: VecDeque<Entry>,
    size: usize,
    limit: usize,
    /// The least size since the last block and whether the peer is to be told (§4.2).
    resized: Option<usize>,
    /// Fields that came, by what is left of their hash.
    seen: [u64; SEEN],
    hasher: RandomState,
}

#[derive(Debug)]
struct Entry {
    hash: u64,
    /// Name and value, one behind the other.
    text: Box<[u8]>,
    name: usize,
}

impl Entry {
    fn is(&self, hash: u64, name: &[u8], value: &[u8]) -> bool {
        self.hash == hash
            && self.name == name.len()
            && self.text.strip_prefix(name).is_some_and(|rest| rest == value)
    }

    fn size(&self) -> usize {
        self.text.len() + OVERHEAD
    }
}

impl Encoder {
    pub(in super::super) fn new() -> Self {
        Self {
            table: VecDeque::new(),
            size: 0,
            limit: TABLE_SIZE,
            resized: None,
            seen: [0; SEEN],
            hasher: RandomState::default(),
        }
    }

    /// The peer has said how large a table it keeps at most; ours is no larger than the usual.
    pub(in super::super) fn set_limit(&mut self, limit: usize) {
        let limit = limit.min(TABLE_SIZE);
        if limit == self.limit {
            return;
        }
        self.limit = limit;
        self.resized = Some(self.resized.map_or(limit, |least| least.min(limit)));
        self.shrink(limit);
    }

    /// Begins a block.
    pub(in super::super) fn begin(&mut self, out: &mut Vec<u8>) {
        let Some(least) = self.resized.take() else { return };
        primitive::write_integer(out, 0x20, 5, least);
        if self.limit > least {
            primitive::write_integer(out, 0x20, 5, self.limit);
        }
    }

    /// Writes a field of the static table, by its index.
    pub(in super::super) fn fixed(&self, out: &mut Vec<u8>, index: u8) {
        out.push(0x80 | index);
    }

    /// Writes a field.
    pub(in super::super) fn field(
        &mut self,
        out: &mut Vec<u8>,
        name: &[u8],
        value: &[u8],
        indexing: Indexing,
    ) {
        if indexing == Indexing::Never {
            return literal(out, 0x10, 4, name, value);
        }
        let hash = self.hash(name, value);
        if let Some(place) = self.table.iter().position(|entry| entry.is(hash, name, value)) {
            return primitive::write_integer(out, 0x80, 7, fixed::COUNT + 1 + place);
        }
        let fits = name.len() + value.len() + OVERHEAD <= self.limit / 2;
        if fits && (indexing == Indexing::Always || self.is_repeated(hash)) {
            literal(out, 0x40, 6, name, value);
            self.add(hash, name, value);
        } else {
            literal(out, 0x00, 4, name, value);
        }
    }

    fn hash(&self, name: &[u8], value: &[u8]) -> u64 {
        self.hasher.hash_one((name, value))
    }

    /// Whether the field came before, not long ago.
    fn is_repeated(&mut self, hash: u64) -> bool {
        let seen = &mut self.seen[hash as usize % SEEN];
        std::mem::replace(seen, hash) == hash
    }

    fn add(&mut self, hash: u64, name: &[u8], value: &[u8]) {
        let entry = Entry { hash, text: [name, value].concat().into(), name: name.len() };
        self.shrink(self.limit - entry.size());
        self.size += entry.size();
        self.table.push_front(entry);
    }

    fn shrink(&mut self, size: usize) {
        while self.size > size
            && let Some(oldest) = self.table.pop_back()
        {
            self.size -= oldest.size();
        }
    }
}

/// A field that is written out, its name by index if the static table has it.
fn literal(out: &mut Vec<u8>, first: u8, prefix: u8, name: &[u8], value: &[u8]) {
    match fixed::index_of(name) {
        Some(index) => primitive::write_integer(out, first, prefix, index),
        None => {
            out.push(first);
            primitive::write_string(out, name);
        }
    }
    primitive::write_string(out, value);
}
