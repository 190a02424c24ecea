//! All templates in one tree: a path walks down it segment by segment.
//!
//! ```text
//! /a/{x}       root ─a─ o ─*─ ●
//! /a/b:v                └─b─ o ─:v─ ●
//! /a/**                 └─**─ ●
//! ```
//!
//! Templates that differ only in the names of their variables end at the same node, which is how
//! conflicts are found. The literal edges of all nodes stand in one table, and so do the verb edges.
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

use std::{borrow::Cow, num::NonZeroU32};

use hashbrown::HashSet;
use smallvec::SmallVec;

use super::{
    edges::Edges,
    path, percent,
    template::{Segment, Template},
};

const ROOT: u32 = 0;

/// A node: which ways lead on, and what ends here. No way leads back to the root, so that zero
/// needs no room.
#[derive(Debug, Default)]
struct Node {
    any: Option<NonZeroU32>,
    rest: Option<NonZeroU32>,
    /// The shape that ends here, plus one.
    shape: Option<NonZeroU32>,
    /// Whether literal edges lead on from here; spares hashing where there are none.
    literals: bool,
    /// Whether verb edges do.
    verbs: bool,
}

impl Node {
    fn shape(&self) -> Option<u32> {
        self.shape.map(|shape| shape.get() - 1)
    }
}

/// The tree. A *shape* is a template without its variables' names; shapes count from 0.
#[derive(Debug)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    literals: Edges,
    verbs: Edges,
    /// All verbs there are, so that a colon in a value seldom costs a second walk.
    known_verbs: HashSet<Box<str>>,
    /// The length of the longest literal or verb, decoded.
    longest: usize,
    shapes: u32,
}

impl Trie {
    /// An empty tree, with room for this many shapes if they are like most: of two or three nodes
    /// that they share with no other.
    pub(super) fn for_shapes(count: usize) -> Self {
        let mut nodes = Vec::with_capacity(3 * count + 1);
        nodes.push(Node::default());
        Self {
            nodes,
            literals: Edges::with_room(2 * count),
            verbs: Edges::default(),
            known_verbs: HashSet::new(),
            longest: 0,
            shapes: 0,
        }
    }

    /// Lays a template in; gives its shape, which is new or was there before.
    pub(super) fn insert(&mut self, template: &Template) -> usize {
        let mut node = ROOT;
        for segment in template.segments() {
            node = match segment {
                Segment::Literal(text) => self.literal_made(node, text),
                Segment::Any => self.wildcard(node, |node| &mut node.any),
                Segment::Rest => self.wildcard(node, |node| &mut node.rest),
            };
        }
        if let Some(verb) = template.verb() {
            node = self.verb_made(node, verb);
        }
        let shapes = &mut self.shapes;
        let shape = self.nodes[node as usize].shape.get_or_insert_with(|| {
            *shapes += 1;
            NonZeroU32::MIN.saturating_add(*shapes - 1)
        });
        shape.get() as usize - 1
    }

    /// A node that nothing leads to yet.
    fn node(&mut self) -> NonZeroU32 {
        self.nodes.push(Node::default());
        NonZeroU32::new(self.nodes.len() as u32 - 1).expect("the root is there")
    }

    /// The node behind a wildcard, made if it isn't there.
    fn wildcard(&mut self, node: u32, edge: fn(&mut Node) -> &mut Option<NonZeroU32>) -> u32 {
        if let Some(to) = *edge(&mut self.nodes[node as usize]) {
            return to.get();
        }
        let new = self.node();
        *edge(&mut self.nodes[node as usize]) = Some(new);
        new.get()
    }

    /// The node behind a literal as a template writes it, made if it isn't there.
    fn literal_made(&mut self, from: u32, written: &str) -> u32 {
        let text = Template::compared(written);
        self.nodes[from as usize].literals = true;
        self.longest = self.longest.max(text.len());
        self.literals.find(from, &text).unwrap_or_else(|| {
            let to = self.node().get();
            self.literals.insert(from, &text, to);
            to
        })
    }

    /// The node behind a verb as a template writes it, made if it isn't there.
    fn verb_made(&mut self, from: u32, written: &str) -> u32 {
        let text = Template::compared(written);
        self.nodes[from as usize].verbs = true;
        self.longest = self.longest.max(text.len());
        self.known_verbs.insert((*text).into());
        self.verbs.find(from, &text).unwrap_or_else(|| {
            let to = self.node().get();
            self.verbs.insert(from, &text, to);
            to
        })
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
            && self.known_verbs.contains(&*verb)
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
                pending.push((rest_node.get(), None));
            }
            current = None;
            if let Some(rest) = rest {
                let (segment, rest) = path::split(rest);
                if let Some(any) = node.any
                    && !segment.is_empty()
                {
                    pending.push((any.get(), rest));
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
        self.literals.find(index, &self.comparable(segment)?)
    }

    /// The shape that ends here with this verb, or without one.
    fn ending(&self, index: u32, node: &Node, verb: Option<&str>) -> Option<u32> {
        let Some(verb) = verb else { return node.shape() };
        let end = if node.verbs { self.verbs.find(index, verb) } else { None };
        self.nodes[end? as usize].shape()
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
