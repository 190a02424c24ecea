//! The only module with `unsafe`: an output buffer that is written without a check a byte, and
//! the scan that copies plain string bytes while it looks for the one that isn't plain.
//!
//! Both are the inner loops of both directions. With slices and `extend_from_slice` instead,
//! small messages cost 10 to 25 % more and long strings 30 %. Every function here is safe to
//! call with any arguments: what it writes it has made room for, what it reads is in its slice.
#![allow(unsafe_code)]

use super::steps::count_steps;

/// Bytes that a run of [`Buffer::copy_plain`] looks at together.
const STEP: usize = 16;
/// From so many bytes on it pays to search first and copy then, with wider registers.
const LONG: usize = 128;
const BLOCK: usize = 8192;
/// What the wide registers take together.
const WIDE: usize = 64;

/// Output bytes: a `Vec<u8>` with the writes that a transcoder makes.
#[derive(Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
}

/// What [`Buffer::copy_plain`] did.
#[derive(Clone, Copy)]
pub(super) struct Run {
    /// Where in the input it stopped: at a byte that isn't plain, or at the end it was given.
    pub(super) stop: usize,
    /// Whether all copied bytes were below 0x80.
    pub(super) ascii: bool,
}

impl Buffer {
    /// Appends to what `bytes` holds already.
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// The bytes back.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    #[inline(always)]
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// The vector, for kernels of other crates that append.
    #[inline(always)]
    pub(super) fn vec(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    #[inline(always)]
    pub(super) fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    /// Overwrites one byte; a position past the end is ignored.
    #[inline(always)]
    pub(super) fn patch(&mut self, at: usize, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(at) {
            *slot = byte;
        }
    }

    /// Makes room for so many bytes.
    #[inline(always)]
    pub(super) fn ensure(&mut self, more: usize) {
        if self.bytes.capacity() - self.bytes.len() < more {
            self.grow(more);
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, more: usize) {
        count_steps(self.bytes.len());
        self.bytes.reserve(more);
    }

    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Makes room for so many bytes and no more.
    pub(super) fn ensure_exactly(&mut self, more: usize) {
        if self.bytes.capacity() - self.bytes.len() < more {
            count_steps(self.bytes.len());
            self.bytes.reserve_exact(more);
        }
    }

    #[inline(always)]
    pub(super) fn push(&mut self, byte: u8) {
        count_steps(1);
        self.ensure(1);
        let len = self.bytes.len();
        // SAFETY: there is room for one byte, which is written before the length says so.
        unsafe {
            self.bytes.as_mut_ptr().add(len).write(byte);
            self.bytes.set_len(len + 1);
        }
    }

    /// Appends the first `len` (at most `N`) of `N` bytes: one store of a fixed size.
    #[inline(always)]
    pub(super) fn fixed<const N: usize>(&mut self, word: &[u8; N], len: usize) {
        count_steps(1);
        self.ensure(N);
        let at = self.bytes.len();
        // SAFETY: there is room for N bytes, all N are written, and the length grows by at most N.
        unsafe {
            self.bytes.as_mut_ptr().add(at).cast::<[u8; N]>().write_unaligned(*word);
            self.bytes.set_len(at + len.min(N));
        }
    }

    /// Appends a slice.
    #[inline(always)]
    pub(super) fn slice(&mut self, bytes: &[u8]) {
        count_steps(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends a slice that is mostly no longer than 32 bytes: without a call.
    #[inline(always)]
    pub(super) fn short(&mut self, bytes: &[u8]) {
        let length = bytes.len();
        if length > 32 {
            return self.slice(bytes);
        }
        count_steps(length);
        self.ensure(32);
        let at = self.bytes.len();
        // SAFETY: there is room for 32 bytes, and each piece copied lies within the slice: its
        // first bytes and its last, which overlap.
        unsafe {
            let (from, to) = (bytes.as_ptr(), self.bytes.as_mut_ptr().add(at));
            if length >= 16 {
                copy::<16>(from, to);
                copy::<16>(from.add(length - 16), to.add(length - 16));
            } else if length >= 8 {
                copy::<8>(from, to);
                copy::<8>(from.add(length - 8), to.add(length - 8));
            } else if length >= 4 {
                copy::<4>(from, to);
                copy::<4>(from.add(length - 4), to.add(length - 4));
            } else {
                for index in 0..length {
                    to.add(index).write(from.add(index).read());
                }
            }
            self.bytes.set_len(at + length);
        }
    }

    /// Appends a number in decimal digits.
    #[inline(always)]
    pub(super) fn decimal(&mut self, value: u64) {
        if value < 10 {
            self.push(b'0' + value as u8);
        } else if value < 100_000_000 {
            let digits = eight_digits(value);
            let zeros = digits.trailing_zeros() / 8;
            self.fixed(&((digits | ZEROS) >> (8 * zeros)).to_le_bytes(), 8 - zeros as usize);
        } else {
            self.long_decimal(value);
        }
    }

    #[inline]
    fn long_decimal(&mut self, value: u64) {
        const EIGHT: u64 = 100_000_000;
        let (upper, low) = (value / EIGHT, value % EIGHT);
        let low = (eight_digits(low) | ZEROS).to_le_bytes();
        if upper < EIGHT {
            self.decimal(upper);
            return self.fixed(&low, 8);
        }
        // At most 20 digits: up to four, and twice eight that don't wait for each other.
        let (top, middle) = (upper / EIGHT, upper % EIGHT);
        let middle = (eight_digits(middle) | ZEROS).to_le_bytes();
        let digits = eight_digits(top);
        let zeros = digits.trailing_zeros() / 8;
        self.fixed(&((digits | ZEROS) >> (8 * zeros)).to_le_bytes(), 8 - zeros as usize);
        let mut both = [0; 16];
        both[..8].copy_from_slice(&middle);
        both[8..].copy_from_slice(&low);
        self.fixed(&both, 16);
    }

    /// Appends a base 128 varint.
    #[inline(always)]
    pub(super) fn varint(&mut self, value: u64) {
        if value < 0x80 {
            self.push(value as u8);
        } else {
            self.long_varint(value);
        }
    }

    #[inline]
    fn long_varint(&mut self, mut value: u64) {
        count_steps(1);
        self.ensure(10);
        let mut at = self.bytes.len();
        let base = self.bytes.as_mut_ptr();
        // SAFETY: a varint has at most ten bytes, and there is room for ten.
        unsafe {
            while value >= 0x80 {
                base.add(at).write(value as u8 | 0x80);
                value >>= 7;
                at += 1;
            }
            base.add(at).write(value as u8);
            self.bytes.set_len(at + 1);
        }
    }

    /// Appends `input[from..end]` up to the first byte that can't stand in a JSON string as it is:
    /// `"`, `\` or a control character below 0x20.
    #[inline(always)]
    pub(super) fn copy_plain(&mut self, input: &[u8], from: usize, end: usize) -> Run {
        let end = end.min(input.len());
        if from >= end {
            return Run { stop: from.min(end), ascii: true };
        }
        if end - from >= LONG {
            return self.copy_long(input, from, end);
        }
        self.ensure(end - from + STEP);
        let mut at = from;
        let mut out = self.bytes.len();
        let mut high = 0;
        while at < end {
            count_steps(STEP);
            let chunk: [u8; STEP] = if at + STEP <= input.len() {
                // SAFETY: the slice holds STEP bytes from here on.
                unsafe { input.as_ptr().add(at).cast::<[u8; STEP]>().read_unaligned() }
            } else {
                let mut tail = [0; STEP];
                tail[..input.len() - at].copy_from_slice(&input[at..]);
                tail
            };
            let (special, non_ascii) = classify(&chunk);
            // SAFETY: `out` has grown by as much as `at`, so there is room for the rest and STEP more.
            unsafe {
                self.bytes.as_mut_ptr().add(out).cast::<[u8; STEP]>().write_unaligned(chunk);
            }
            let left = (end - at).min(STEP);
            let stop = (special.trailing_zeros() as usize).min(left);
            high |= non_ascii & ((1u32 << stop) - 1);
            at += stop;
            out += stop;
            if stop < STEP {
                break;
            }
        }
        // SAFETY: all bytes up to `out` have been written.
        unsafe { self.bytes.set_len(out) };
        Run { stop: at, ascii: high == 0 }
    }

    /// The same for long texts, with wider registers where the processor has them.
    #[inline(never)]
    fn copy_long(&mut self, input: &[u8], from: usize, end: usize) -> Run {
        let mut run = Run { stop: from, ascii: true };
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // By blocks, so that no more room is made than there is text.
            while end - run.stop >= WIDE {
                let block = end.min(run.stop + BLOCK);
                self.ensure(BLOCK + WIDE);
                let start = self.bytes.len();
                // SAFETY: the processor has AVX2, and there is room for the block.
                let next = unsafe {
                    let to = self.bytes.as_mut_ptr().add(start);
                    copy_wide(&input[..block], run.stop, to)
                };
                let copied = next.stop - run.stop;
                count_steps(copied + WIDE);
                // SAFETY: so many bytes have been written.
                unsafe { self.bytes.set_len(start + copied) };
                run = Run { stop: next.stop, ascii: run.ascii && next.ascii };
                if copied == 0 || block - next.stop >= WIDE {
                    break;
                }
            }
        }
        let mut rest = Run { stop: run.stop, ascii: true };
        // What is left is short, or has a special byte near.
        while rest.stop < end {
            let part = end.min(rest.stop + LONG - 1);
            let next = self.copy_plain(input, rest.stop, part);
            rest = Run { stop: next.stop, ascii: rest.ascii && next.ascii };
            if next.stop < part {
                break;
            }
        }
        Run { stop: rest.stop, ascii: run.ascii && rest.ascii }
    }

    /// Appends the length, in one byte, and the text of a JSON string that is short, ASCII and
    /// without escapes; `from` is behind its opening quote. Gives the number of bytes, or nothing
    /// and appends nothing if the string is another kind or the input nearly ends.
    #[inline(always)]
    pub(super) fn short_string(&mut self, input: &[u8], from: usize) -> Option<usize> {
        const STEPS: usize = 7;
        self.ensure(1 + (STEPS + 1) * STEP);
        let start = self.bytes.len();
        for step in 0..STEPS {
            count_steps(STEP);
            let chunk: &[u8; STEP] = input.get(from + step * STEP..)?.first_chunk()?;
            let (special, non_ascii) = classify(chunk);
            // SAFETY: there is room for all steps and the byte of the length before them.
            unsafe {
                let to = self.bytes.as_mut_ptr().add(start + 1 + step * STEP);
                to.cast::<[u8; STEP]>().write_unaligned(*chunk);
            }
            // The lowest special byte is lower than the lowest that isn't ASCII, if all is well.
            let stop = special.trailing_zeros() as usize;
            if non_ascii & ((1 << stop) - 1) != 0 {
                return None;
            }
            if stop < STEP {
                if chunk[stop] != b'"' {
                    return None;
                }
                let length = step * STEP + stop;
                // SAFETY: the text is written, and the length is written here, before it.
                unsafe {
                    self.bytes.as_mut_ptr().add(start).write(length as u8);
                    self.bytes.set_len(start + 1 + length);
                }
                return Some(length);
            }
        }
        None
    }

    /// Appends `input[from..end]` between quotes if it is at most 32 bytes, ASCII and without
    /// need of escapes; otherwise appends nothing and gives false.
    #[inline(always)]
    pub(super) fn short_quoted(&mut self, input: &[u8], from: usize, end: usize) -> bool {
        count_steps(2 * STEP);
        let length = end - from;
        let Some(chunk) = input.get(from..).and_then(|rest| rest.first_chunk::<{ 2 * STEP }>())
        else {
            return false;
        };
        if length > 2 * STEP {
            return false;
        }
        let (low, high): (&[u8; STEP], &[u8; STEP]) =
            match (chunk.first_chunk(), chunk.last_chunk()) {
                (Some(low), Some(high)) => (low, high),
                _ => return false,
            };
        let (mut special, mut non_ascii) = classify(low);
        special &= 0xffff;
        if length > STEP {
            let (more, above) = classify(high);
            special |= more << STEP;
            non_ascii |= above << STEP;
        }
        let inside = ((1u64 << length) - 1) as u32;
        if (special | non_ascii) & inside != 0 {
            return false;
        }
        self.ensure(2 * STEP + 2);
        let start = self.bytes.len();
        // SAFETY: there is room for both quotes and 32 bytes between; the closing quote comes last
        // and the length covers what is written.
        unsafe {
            let to = self.bytes.as_mut_ptr().add(start);
            to.write(b'"');
            to.add(1).cast::<[u8; 2 * STEP]>().write_unaligned(*chunk);
            to.add(1 + length).write(b'"');
            self.bytes.set_len(start + 2 + length);
        }
        true
    }
}

/// Copies N bytes that need no alignment.
///
/// # Safety
/// Both pointers are good for N bytes.
#[inline(always)]
unsafe fn copy<const N: usize>(from: *const u8, to: *mut u8) {
    // SAFETY: as the caller says.
    unsafe { to.cast::<[u8; N]>().write_unaligned(from.cast::<[u8; N]>().read_unaligned()) }
}

/// `00000000`.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// The digits of a number below 10^8, a byte each, the first in the lowest byte: fours, then
/// pairs, then single digits, all lanes in one multiplication.
#[inline(always)]
fn eight_digits(value: u64) -> u64 {
    let fours = (value / 10_000) | ((value % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let pairs = hundreds | (fours - hundreds * 100) << 16;
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (pairs - tens * 10) << 8
}

/// Where in `input` from `at` on the first `"`, `\`, control character stands (its end, if
/// nowhere), and whether all before it is ASCII.
pub(super) fn find_special(input: &[u8], at: usize) -> Run {
    let run = find_special_anyhow(input, at);
    count_steps(run.stop.saturating_sub(at) + STEP);
    run
}

#[inline(always)]
fn find_special_anyhow(input: &[u8], at: usize) -> Run {
    #[cfg(target_arch = "x86_64")]
    if input.len() - at.min(input.len()) >= 64 && std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { find_special_avx2(input, at) };
    }
    find_special_by_steps(input, at)
}

fn find_special_by_steps(input: &[u8], mut at: usize) -> Run {
    let mut high = 0;
    while let Some(chunk) = input.get(at..at + STEP) {
        let mut bytes = [0; STEP];
        bytes.copy_from_slice(chunk);
        let (special, non_ascii) = classify(&bytes);
        let stop = special.trailing_zeros().min(STEP as u32);
        high |= non_ascii & ((1u32 << stop) - 1);
        at += stop as usize;
        if (stop as usize) < STEP {
            return Run { stop: at, ascii: high == 0 };
        }
    }
    while let Some(&byte) = input.get(at) {
        if byte == b'"' || byte == b'\\' || byte < 0x20 {
            break;
        }
        high |= u32::from(byte & 0x80);
        at += 1;
    }
    Run { stop: at, ascii: high == 0 }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn find_special_avx2(input: &[u8], mut at: usize) -> Run {
    use std::arch::x86_64::*;
    let quote = _mm256_set1_epi8(b'"' as i8);
    let backslash = _mm256_set1_epi8(b'\\' as i8);
    let control = _mm256_set1_epi8(0x1f);
    let mut high = _mm256_setzero_si256();
    let special = |chunk: __m256i| {
        let hit = _mm256_or_si256(
            _mm256_or_si256(_mm256_cmpeq_epi8(chunk, quote), _mm256_cmpeq_epi8(chunk, backslash)),
            _mm256_cmpeq_epi8(_mm256_min_epu8(chunk, control), chunk),
        );
        _mm256_movemask_epi8(hit) as u32
    };
    while at + 64 <= input.len() {
        // SAFETY: the slice holds 64 bytes from here on.
        let (low, up) = unsafe {
            let from = input.as_ptr().add(at);
            (_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(32).cast()))
        };
        if special(low) | special(up) != 0 {
            break;
        }
        high = _mm256_or_si256(high, _mm256_or_si256(low, up));
        at += 64;
    }
    let rest = find_special_by_steps(input, at);
    Run { stop: rest.stop, ascii: rest.ascii && _mm256_movemask_epi8(high) == 0 }
}

/// Copies 64 bytes at a time as long as all are plain; stops before those that aren't, and before
/// the last that are fewer.
///
/// # Safety
/// There must be room for `input.len() - at` bytes at `to`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn copy_wide(input: &[u8], at: usize, to: *mut u8) -> Run {
    use std::arch::x86_64::*;
    let quote = _mm256_set1_epi8(b'"' as i8);
    let backslash = _mm256_set1_epi8(b'\\' as i8);
    let control = _mm256_set1_epi8(0x1f);
    let mut high = _mm256_setzero_si256();
    let special = |chunk: __m256i| {
        let marks =
            _mm256_or_si256(_mm256_cmpeq_epi8(chunk, quote), _mm256_cmpeq_epi8(chunk, backslash));
        _mm256_or_si256(marks, _mm256_cmpeq_epi8(_mm256_min_epu8(chunk, control), chunk))
    };
    let mut done = 0;
    while at + done + WIDE <= input.len() {
        // SAFETY: the slice holds 64 bytes from here on, and there is room for as many.
        unsafe {
            let from = input.as_ptr().add(at + done);
            let (low, up) =
                (_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(32).cast()));
            if _mm256_movemask_epi8(_mm256_or_si256(special(low), special(up))) != 0 {
                break;
            }
            let to = to.add(done);
            _mm256_storeu_si256(to.cast(), low);
            _mm256_storeu_si256(to.add(32).cast(), up);
            high = _mm256_or_si256(high, _mm256_or_si256(low, up));
        }
        done += WIDE;
    }
    Run { stop: at + done, ascii: _mm256_movemask_epi8(high) == 0 }
}

/// A bit a byte: which aren't plain string bytes (bit 16 is always set), and which are 0x80 and above.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn classify(chunk: &[u8; STEP]) -> (u32, u32) {
    use std::arch::x86_64::*;
    // SAFETY: SSE2 is part of x86-64, and the array is sixteen bytes.
    unsafe {
        let chunk = _mm_loadu_si128(chunk.as_ptr().cast());
        let hit = _mm_or_si128(
            _mm_or_si128(
                _mm_cmpeq_epi8(chunk, _mm_set1_epi8(b'"' as i8)),
                _mm_cmpeq_epi8(chunk, _mm_set1_epi8(b'\\' as i8)),
            ),
            _mm_cmpeq_epi8(_mm_min_epu8(chunk, _mm_set1_epi8(0x1f)), chunk),
        );
        (_mm_movemask_epi8(hit) as u32 | 1 << STEP, _mm_movemask_epi8(chunk) as u32)
    }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn classify(chunk: &[u8; STEP]) -> (u32, u32) {
    let (mut special, mut high) = (1 << STEP, 0);
    for (index, &byte) in chunk.iter().enumerate() {
        special |= u32::from(byte == b'"' || byte == b'\\' || byte < 0x20) << index;
        high |= u32::from(byte >= 0x80) << index;
    }
    (special, high)
}

#[cfg(test)]
mod tests;
