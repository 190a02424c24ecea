//! The keys of one map or Struct: none may stand there twice.
//!
//! Up to a number they are compared as they come; beyond it when the map has ended, which takes less
//! memory ([`Trail`]). Only the error is dearer then: the keys are read again to say where it is.

use std::mem;

use super::{KeySet, Reader};
use crate::transcode::{
    error::{Step, Stop},
    plan::{FieldPlan, Kind},
    trail::{MANY, Trail},
};

/// What is known of the keys so far.
pub(super) struct Keys<'a> {
    /// What they are; texts in a Struct.
    plan: Option<&'a FieldPlan>,
    pub(super) set: KeySet,
    trail: Option<Trail>,
    /// Where the first key stands in the document.
    begin: usize,
}

impl<'a> Reader<'a> {
    /// Begins a map whose first key comes next.
    pub(super) fn begin_keys(&mut self, plan: Option<&'a FieldPlan>) -> Keys<'a> {
        let set = self.scratch.sets.pop().unwrap_or_default();
        Keys { plan, set, trail: None, begin: self.pos }
    }

    /// Whether the map had the key already that was written from `start` on.
    #[inline]
    pub(super) fn had_key(&mut self, keys: &mut Keys<'a>, start: usize) -> bool {
        if keys.set.len() < MANY && keys.trail.is_none() {
            return keys.set.insert_text(self.out.as_slice(), start, self.out.len()).is_some();
        }
        let trail = keys.trail.get_or_insert_with(|| {
            let mut trail = Trail::default();
            mem::take(&mut keys.set).starts().for_each(|start| trail.push(start));
            trail
        });
        trail.push(start);
        false
    }

    /// Ends a map, whose entries went as `result` says.
    pub(super) fn end_keys(&mut self, mut keys: Keys<'a>, result: Step<()>) -> Step<()> {
        keys.set.clear();
        self.scratch.sets.push(keys.set);
        result?;
        let Some(trail) = keys.trail else { return Ok(()) };
        let kind = keys.plan.map_or(Kind::String, |plan| plan.kind);
        let out = self.out.as_slice();
        let Some(at) = trail.twice(out.len(), |at| key_at(out, at, kind)) else { return Ok(()) };
        let key = key_at(out, at, kind).to_vec();
        let at = self.second(keys.begin, keys.plan, &key)?;
        Err(Stop::at(at, "the map has this key twice"))
    }

    /// Where the map whose keys begin at `begin` has a key for the second time.
    #[cold]
    fn second(&mut self, begin: usize, plan: Option<&'a FieldPlan>, key: &[u8]) -> Step<usize> {
        self.pos = begin;
        let mut seen = false;
        loop {
            self.token();
            let (at, start) = (self.pos, self.out.len());
            match plan.filter(|plan| plan.kind != Kind::String) {
                Some(plan) => drop(self.value(plan)?),
                None => drop(self.string()?),
            }
            if self.out.as_slice().get(start..) == Some(key) {
                if seen {
                    return Ok(at);
                }
                seen = true;
            }
            self.out.truncate(start);
            self.expect(b':', "':' after a map key")?;
            self.skip()?;
            if self.token() != b',' {
                return Ok(at);
            }
            self.pos += 1;
        }
    }
}

/// The bytes of a key as it was written at a place: on the wire each says itself where it ends.
fn key_at(out: &[u8], at: usize, kind: Kind) -> &[u8] {
    let rest = out.get(at..).unwrap_or_default();
    let length = match kind.wire() {
        1 => 8,
        5 => 4,
        wire => {
            let mut behind = rest;
            let value = prost::encoding::decode_varint(&mut behind).unwrap_or(0);
            let length = rest.len() - behind.len();
            if wire == 2 { length + value as usize } else { length }
        }
    };
    rest.get(..length).unwrap_or(rest)
}
