//! All templates in one tree: a path walks down it segment by segment.
//!
//! ```text
//! /a/{x}       root ─a─ o ─*─ ●
//! /a/b:v                └─b─ o ─:v─ ●
//! /a/**                 └─**─ ●
//! ```
//!
//! Templates that differ only in the names of their variables end at the same node, which is how
//! conflicts are found. Literal edges and verb edges of all nodes stand in one hash table, keyed by
//! node and text, so a step costs the same however many siblings there are.
//!
//! # The order of matches
//! A walk visits every node where the path ends, most specific first: with a verb before without
//! (`/a/b:v` before `/a/{x}` that would take `b:v`), then at the first segment that differs a
//! literal before `*` before `**`, the end before a `**` that takes nothing.
//!
//! # The bound
//! The tree has no cycles and a node at depth `d` is only ever compared with segment `d`, since `**`
//! is the last and takes the rest whole. So a walk visits a node at most twice (with the verb split
//! off, and without), and no path can make it visit more than twice the nodes there are, nor more
//! than `2^(d+1)` at depth `d`: for that a literal *and* a `*` must have been registered at each
//! turn. What a path repeats, or how long it is, adds nothing.

use std::{borrow::Cow, hash::BuildHasher};

use hashbrown::{DefaultHashBuilder, HashSet, HashTable};
use smallvec::SmallVec;

use super::{
    path, percent,
    template::{Segment, Template},
};

const ROOT: u32 = 0;

/// A node: which ways lead on, and what ends here.
#[derive(Debug, Default)]
struct Node {
    /// Whether the table holds literal edges from here; spares hashing where there are none.
    literals: bool,
    /// Whether the table holds verb edges from here.
    verbs: bool,
    any: Option<u32>,
    rest: Option<u32>,
    /// The shape that ends here.
    shape: Option<u32>,
}

/// What an edge in the table stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Label {
    Literal,
    Verb,
}

#[derive(Debug)]
struct Edge {
    from: u32,
    label: Label,
    text: Box<str>,
    to: u32,
}

/// The tree. A *shape* is a template without its variables' names; shapes count from 0.
#[derive(Debug)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    edges: HashTable<Edge>,
    hasher: DefaultHashBuilder,
    /// All verbs there are, so that a colon in a value seldom costs a second walk.
    verbs: HashSet<Box<str>>,
    /// The length of the longest text in the table, decoded.
    longest: usize,
    shapes: u32,
}

impl Trie {
    pub(super) fn new() -> Self {
        Self {
            nodes: vec![Node::default()],
            edges: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            verbs: HashSet::new(),
            longest: 0,
            shapes: 0,
        }
    }

    /// Lays a template in; gives its shape, which is new or was there before.
    pub(super) fn insert(&mut self, template: &Template) -> usize {
        let mut node = ROOT;
        for segment in template.segments() {
            node = match segment {
                Segment::Literal(text) => self.labelled(node, Label::Literal, text),
                Segment::Any => self.wildcard(node, |node| &mut node.any),
                Segment::Rest => self.wildcard(node, |node| &mut node.rest),
            };
        }
        if let Some(verb) = template.verb() {
            self.verbs.insert(Template::compared(verb).into());
            node = self.labelled(node, Label::Verb, verb);
        }
        let shapes = &mut self.shapes;
        let shape = *self.nodes[node as usize].shape.get_or_insert_with(|| {
            *shapes += 1;
            *shapes - 1
        });
        shape as usize
    }

    /// The node behind a wildcard, made if it isn't there.
    fn wildcard(&mut self, node: u32, edge: fn(&mut Node) -> &mut Option<u32>) -> u32 {
        let new = self.nodes.len() as u32;
        let to = *edge(&mut self.nodes[node as usize]).get_or_insert(new);
        if to == new {
            self.nodes.push(Node::default());
        }
        to
    }

    /// The node behind a literal or verb as a template writes it, made if it isn't there.
    fn labelled(&mut self, from: u32, label: Label, written: &str) -> u32 {
        let text = Template::compared(written);
        if let Some(to) = self.edge(from, label, &text) {
            return to;
        }
        let to = self.nodes.len() as u32;
        self.nodes.push(Node::default());
        let node = &mut self.nodes[from as usize];
        match label {
            Label::Literal => node.literals = true,
            Label::Verb => node.verbs = true,
        }
        self.longest = self.longest.max(text.len());
        let hash = self.hasher.hash_one((from, label, &*text));
        let edge = Edge { from, label, text: text.into(), to };
        let hasher = &self.hasher;
        self.edges.insert_unique(hash, edge, |edge| {
            hasher.hash_one((edge.from, edge.label, &*edge.text))
        });
        to
    }

    /// Gives back what was only there to grow.
    pub(super) fn shrink(&mut self) {
        self.nodes.shrink_to_fit();
        let hasher = &self.hasher;
        self.edges.shrink_to_fit(|edge| hasher.hash_one((edge.from, edge.label, &*edge.text)));
    }

    fn edge(&self, from: u32, label: Label, text: &str) -> Option<u32> {
        let hash = self.hasher.hash_one((from, label, text));
        let same = |edge: &Edge| edge.from == from && edge.label == label && *edge.text == *text;
        self.edges.find(hash, same).map(|edge| edge.to)
    }

    /// Visits all shapes that match the path, the most specific first, until a visit gives
    /// something. A visit also gets the path that the shape's segments matched: without the verb.
    pub(super) fn walk<'p, T>(
        &self,
        path: &'p str,
        mut visit: impl FnMut(usize, &'p str) -> Option<T>,
    ) -> Option<T> {
        if !path.starts_with('/') {
            return None;
        }
        if let Some((path, verb)) = path::split_verb(path)
            && let Some(verb) = self.comparable(verb)
            && self.verbs.contains(&*verb)
        {
            let found = self.walk_segments(path, Some(&verb), &mut visit);
            if found.is_some() {
                return found;
            }
        }
        self.walk_segments(path, None, &mut visit)
    }

    fn walk_segments<'p, T>(
        &self,
        path: &'p str,
        verb: Option<&str>,
        visit: &mut impl FnMut(usize, &'p str) -> Option<T>,
    ) -> Option<T> {
        // Turns not taken yet, the most specific on top: no recursion, so depth costs no stack.
        let mut pending = SmallVec::<[(u32, Option<&'p str>); 16]>::new();
        let mut current = Some((ROOT, path::segments(path)));
        while let Some((index, rest)) = current.or_else(|| pending.pop()) {
            count_step();
            let node = &self.nodes[index as usize];
            if let Some(rest_node) = node.rest {
                pending.push((rest_node, None));
            }
            current = None;
            if let Some(rest) = rest {
                let (segment, rest) = path::split(rest);
                if let Some(any) = node.any
                    && !segment.is_empty()
                {
                    pending.push((any, rest));
                }
                current = self.literal(index, node, segment).map(|to| (to, rest));
            } else if let Some(shape) = self.ending(index, node, verb) {
                let found = visit(shape as usize, path);
                if found.is_some() {
                    return found;
                }
            }
        }
        None
    }

    /// The node behind a path's segment, if it is one of the literals here.
    fn literal(&self, index: u32, node: &Node, segment: &str) -> Option<u32> {
        if !node.literals || segment.is_empty() {
            return None;
        }
        self.edge(index, Label::Literal, &self.comparable(segment)?)
    }

    /// The shape that ends here with this verb, or without one.
    fn ending(&self, index: u32, node: &Node, verb: Option<&str>) -> Option<u32> {
        let Some(verb) = verb else { return node.shape };
        let end = if node.verbs { self.edge(index, Label::Verb, verb) } else { None };
        self.nodes[end? as usize].shape
    }

    /// A part of the path in the form in which literals compare; none if no literal can equal it.
    fn comparable<'p>(&self, part: &'p str) -> Option<Cow<'p, str>> {
        // An escape is three bytes for one: what is longer can't be equal, and isn't worth decoding.
        if part.len() > self.longest.saturating_mul(3) {
            return None;
        }
        percent::decode(part, percent::Mode::Whole).ok()
    }
}

/// Counts a visited node, for the tests that hold the bound.
#[cfg(test)]
fn count_step() {
    STEPS.set(STEPS.get() + 1);
}

#[cfg(not(test))]
#[inline(always)]
fn count_step() {}

#[cfg(test)]
thread_local! {
    /// How many nodes this thread's walks have visited.
    pub(super) static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}
