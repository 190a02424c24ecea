//! Counts the steps that a test's input costs, so that a bound on the cost needs no clock.
//!
//! What is counted is what can grow with the input: bytes scanned, copied, moved or checked, keys
//! hashed and compared, fields looked up and gathered. Outside of tests nothing of it is there.

/// Notes that so many bytes, keys or fields are worked on.
#[cfg(test)]
pub(super) fn count_steps(count: usize) {
    STEPS.set(STEPS.get() + count);
}

#[cfg(not(test))]
#[inline(always)]
pub(super) fn count_steps(_: usize) {}

/// How many steps this thread takes for what `run` does.
#[cfg(test)]
pub(super) fn steps_of(run: impl FnOnce()) -> usize {
    let before = STEPS.get();
    run();
    STEPS.get() - before
}

#[cfg(test)]
thread_local! {
    static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}
