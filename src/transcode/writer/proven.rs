//! What the second try knows from the first: all that ends before the place where that stopped is
//! as serialisers write it, and is written in one pass again.
//!
//! A message that repeats one field at its end costs little more than twice what it would, instead
//! of an index for each message inside it.

use super::{Span, Writer};
use crate::transcode::{error::Step, plan::*};

impl<'a> Writer<'a> {
    /// Writes, in the second try, a message that the first one came past; false if it's no such.
    pub(super) fn proven_message(&mut self, plan: &'a MessagePlan, span: Span) -> Step<bool> {
        if span.end > self.proven || plan.shape.is_special() {
            return Ok(false);
        }
        let (start, depth) = (self.out.len(), self.depth_left);
        let bits = self.scratch.bits.len();
        self.pos = span.start;
        self.indexed = false;
        let result = self.message(plan, span.end, 0);
        self.indexed = true;
        match result {
            Err(stop) if !stop.is_too_large() => {
                self.disprove(start, depth, bits);
                Ok(false)
            }
            result => result.map(|()| true),
        }
    }

    /// Writes the entries of a map that the first try came past: they stand together, and no key
    /// is there twice. False if it's no such map.
    pub(super) fn proven_map(
        &mut self,
        field: &'a FieldPlan,
        items: std::ops::Range<usize>,
    ) -> Step<bool> {
        let all = &self.scratch.index.items[items];
        let (Some(first), Some(last)) = (all.first(), all.last()) else { return Ok(false) };
        let (from, to) = (first.start as usize, last.end as usize);
        if to > self.proven {
            return Ok(false);
        }
        let (start, depth) = (self.out.len(), self.depth_left);
        let bits = self.scratch.bits.len();
        self.pos = from;
        self.indexed = false;
        let mut keys = self.scratch.sets.pop().unwrap_or_default();
        let result = self.entries(field, &mut keys, to);
        keys.clear();
        self.scratch.sets.push(keys);
        self.indexed = true;
        match result {
            Ok(()) if self.pos == to => Ok(true),
            Err(stop) if stop.is_too_large() => Err(stop),
            _ => {
                self.disprove(start, depth, bits);
                Ok(false)
            }
        }
    }

    /// Goes back to before something that the first try should have come past and did not: two
    /// pieces of a message are no whole one. If that happens, it costs one more pass.
    #[cold]
    fn disprove(&mut self, start: usize, depth: u32, bits: usize) {
        self.proven = 0;
        self.depth_left = depth;
        self.scratch.bits.truncate(bits);
        self.out.truncate(start);
    }
}
