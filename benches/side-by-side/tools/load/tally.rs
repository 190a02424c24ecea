//! What is counted while it is measured.

use std::{
    cell::{Cell, RefCell},
    time::Instant,
};

/// Calls and how long they took, of all connections.
pub(crate) struct Tally {
    length: usize,
    counts: Cell<bool>,
    latencies: RefCell<Vec<u32>>,
    calls: Cell<u64>,
}

impl Tally {
    /// With the length that every body has to have.
    pub(crate) fn new(length: usize) -> Self {
        let latencies = RefCell::new(Vec::with_capacity(1 << 20));
        Self { length, counts: Cell::new(false), latencies, calls: Cell::new(0) }
    }

    pub(crate) fn begin(&self) {
        self.counts.set(true);
    }

    /// The number of calls, and their times in microseconds, in order.
    pub(crate) fn end(&self) -> (u64, Vec<u32>) {
        self.counts.set(false);
        let mut latencies = self.latencies.take();
        latencies.sort_unstable();
        (self.calls.get(), latencies)
    }

    /// Counts a call that was due at a time and is answered now, with a body of this length.
    pub(crate) fn count(&self, due: Instant, length: usize) -> Result<(), String> {
        self.count_untimed(length)?;
        if self.counts.get() {
            let micros = due.elapsed().as_micros();
            self.latencies.borrow_mut().push(u32::try_from(micros).unwrap_or(u32::MAX));
        }
        Ok(())
    }

    /// The same where many are on their way at once.
    pub(crate) fn count_untimed(&self, length: usize) -> Result<(), String> {
        if length != self.length {
            return Err(format!("an answer of {length} bytes in place of {}", self.length));
        }
        if self.counts.get() {
            self.calls.set(self.calls.get() + 1);
        }
        Ok(())
    }
}

/// A quantile of what is in order; none of nothing.
pub(crate) fn quantile(ordered: &[u32], part: f64) -> Option<u32> {
    let at = (ordered.len() as f64 * part) as usize;
    ordered.get(at.min(ordered.len().checked_sub(1)?)).copied()
}
