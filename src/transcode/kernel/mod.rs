//! The only rooms with `unsafe`: an output buffer that is written without a check a byte, and
//! the scan that copies plain string bytes while it looks for the one that isn't plain.
//!
//! Both are the inner loops of both directions. With slices and `extend_from_slice` instead,
//! small messages cost 10 to 25 % more and long strings 30 %. Every function here is safe to
//! call with any arguments: what it writes it has made room for, what it reads is in its slice.
#![allow(unsafe_code)]

mod buffer;
mod copy;
mod scan;

#[cfg(test)]
mod tests;

pub(super) use buffer::Buffer;
pub(super) use scan::find_special;

use super::steps::count_steps;
use scan::classify;

/// Bytes that a run of [`Buffer::copy_plain`] looks at together.
const STEP: usize = 16;
/// From so many bytes on it pays to search first and copy then, with wider registers.
const LONG: usize = 128;
const BLOCK: usize = 8192;
/// What the wide registers take together.
const WIDE: usize = 64;

/// What [`Buffer::copy_plain`] did.
#[derive(Clone, Copy)]
pub(super) struct Run {
    /// Where in the input it stopped: at a byte that isn't plain, or at the end it was given.
    pub(super) stop: usize,
    /// Whether all copied bytes were below 0x80.
    pub(super) ascii: bool,
}
