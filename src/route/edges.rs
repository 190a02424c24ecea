//! The labelled edges of the tree: from a node by a text to another.
//!
//! A schema may have tens of thousands, so they are kept small: all texts in one string, and a hash
//! table of places instead of entries. A step costs the same however many siblings there are.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Edges of one kind.
#[derive(Debug, Default)]
pub(super) struct Edges {
    edges: Vec<Edge>,
    /// Places in `edges`.
    table: HashTable<u32>,
    texts: String,
    hasher: DefaultHashBuilder,
}

#[derive(Debug)]
struct Edge {
    from: u32,
    to: u32,
    /// Where its text stands.
    start: u32,
    length: u32,
}

impl Edges {
    /// Without edges, with room for this many and their texts.
    pub(super) fn with_room(count: usize) -> Self {
        let texts = String::with_capacity(count * 12);
        Self { edges: Vec::with_capacity(count), texts, ..Self::default() }
    }

    /// The node behind an edge.
    pub(super) fn find(&self, from: u32, text: &str) -> Option<u32> {
        let same = |place: &u32| {
            let edge = &self.edges[*place as usize];
            edge.from == from && text_of(&self.texts, edge) == text
        };
        let place = self.table.find(self.hasher.hash_one((from, text)), same)?;
        Some(self.edges[*place as usize].to)
    }

    /// Adds an edge that isn't there.
    pub(super) fn insert(&mut self, from: u32, text: &str, to: u32) {
        let Self { edges, table, texts, hasher } = self;
        let place = edges.len() as u32;
        edges.push(Edge { from, to, start: texts.len() as u32, length: text.len() as u32 });
        texts.push_str(text);
        table.insert_unique(hasher.hash_one((from, text)), place, |place| {
            let edge = &edges[*place as usize];
            hasher.hash_one((edge.from, text_of(texts, edge)))
        });
    }
}

fn text_of<'t>(texts: &'t str, edge: &Edge) -> &'t str {
    &texts[edge.start as usize..][..edge.length as usize]
}
