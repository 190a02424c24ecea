//! Output bytes: single bytes and words, slices, decimal digits, varints.

use super::count_steps;

/// Output bytes: a `Vec<u8>` with the writes that a transcoder makes.
#[derive(Default)]
pub(in crate::transcode) struct Buffer {
    pub(super) bytes: Vec<u8>,
}

impl Buffer {
    /// Appends to what `bytes` holds already.
    pub(in crate::transcode) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// The bytes back.
    pub(in crate::transcode) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    #[inline(always)]
    pub(in crate::transcode) fn len(&self) -> usize {
        self.bytes.len()
    }

    #[inline(always)]
    pub(in crate::transcode) fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// The vector, for kernels of other crates that append.
    #[inline(always)]
    pub(in crate::transcode) fn vec(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    #[inline(always)]
    pub(in crate::transcode) fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    /// Overwrites one byte; a position past the end is ignored.
    #[inline(always)]
    pub(in crate::transcode) fn patch(&mut self, at: usize, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(at) {
            *slot = byte;
        }
    }

    /// Makes room for so many bytes.
    #[inline(always)]
    pub(in crate::transcode) fn ensure(&mut self, more: usize) {
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

    pub(in crate::transcode) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Makes room for so many bytes and no more.
    pub(in crate::transcode) fn ensure_exactly(&mut self, more: usize) {
        if self.bytes.capacity() - self.bytes.len() < more {
            count_steps(self.bytes.len());
            self.bytes.reserve_exact(more);
        }
    }

    #[inline(always)]
    pub(in crate::transcode) fn push(&mut self, byte: u8) {
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
    pub(in crate::transcode) fn fixed<const N: usize>(&mut self, word: &[u8; N], len: usize) {
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
    pub(in crate::transcode) fn slice(&mut self, bytes: &[u8]) {
        count_steps(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends a slice that is mostly no longer than 32 bytes: without a call.
    #[inline(always)]
    pub(in crate::transcode) fn short(&mut self, bytes: &[u8]) {
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
    pub(in crate::transcode) fn decimal(&mut self, value: u64) {
        if value < 10 {
            self.push(b'0' + value as u8);
        } else {
            self.ensure(DIGITS);
            let at = self.bytes.len();
            // SAFETY: there is room for all digits, and the length covers those that are written.
            unsafe {
                let length = write_decimal(self.bytes.as_mut_ptr().add(at), value);
                self.bytes.set_len(at + length);
            }
            count_steps(1);
        }
    }

    /// Appends a number in decimal digits between quotes, with a minus if it's negative.
    #[inline(always)]
    pub(in crate::transcode) fn quoted_decimal(&mut self, negative: bool, magnitude: u64) {
        count_steps(1);
        self.ensure(DIGITS + 3);
        let at = self.bytes.len();
        // SAFETY: there is room for both quotes, the minus and all digits; a digit stands where the
        // minus would if there is none; and the length covers what is written.
        unsafe {
            let to = self.bytes.as_mut_ptr().add(at);
            to.write(b'"');
            to.add(1).write(b'-');
            let before = 1 + usize::from(negative);
            let length = write_decimal(to.add(before), magnitude);
            to.add(before + length).write(b'"');
            self.bytes.set_len(at + before + length + 1);
        }
    }

    /// Appends a base 128 varint.
    #[inline(always)]
    pub(in crate::transcode) fn varint(&mut self, value: u64) {
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

/// Room for the digits of any number, and for what is written behind them.
const DIGITS: usize = 24;

/// Writes a number in decimal digits; gives how many.
///
/// # Safety
/// The pointer is good for `DIGITS` bytes.
#[inline(always)]
unsafe fn write_decimal(to: *mut u8, value: u64) -> usize {
    if value >= 100_000_000 {
        // SAFETY: as the caller says.
        return unsafe { write_long_decimal(to, value) };
    }
    let digits = eight_digits(value);
    // Zero has a digit too.
    let zeros = ((digits | 1 << 56).trailing_zeros() / 8) as usize;
    let shown = ((digits | ZEROS) >> (8 * zeros)).to_le_bytes();
    // SAFETY: as the caller says.
    unsafe { to.cast::<[u8; 8]>().write_unaligned(shown) };
    8 - zeros
}

/// The same for numbers of nine digits and more.
///
/// # Safety
/// The pointer is good for `DIGITS` bytes.
#[inline]
unsafe fn write_long_decimal(to: *mut u8, value: u64) -> usize {
    const EIGHT: u64 = 100_000_000;
    let (upper, low) = (value / EIGHT, value % EIGHT);
    if upper < EIGHT {
        let digits = sixteen_digits(upper, low);
        let zeros = (digits.trailing_zeros() / 8) as usize;
        let shown = ((digits | WIDE_ZEROS) >> (8 * zeros)).to_le_bytes();
        // SAFETY: as the caller says.
        unsafe { to.cast::<[u8; 16]>().write_unaligned(shown) };
        return 16 - zeros;
    }
    // At most 20 digits: up to four, and sixteen.
    let (top, middle) = (upper / EIGHT, upper % EIGHT);
    let digits = four_digits(top as u32);
    let zeros = (digits.trailing_zeros() / 8) as usize;
    let shown = ((digits | ZEROS as u32) >> (8 * zeros)).to_le_bytes();
    let rest = (sixteen_digits(middle, low) | WIDE_ZEROS).to_le_bytes();
    // SAFETY: as the caller says; 4 and 16 bytes at most.
    unsafe {
        to.cast::<[u8; 4]>().write_unaligned(shown);
        to.add(4 - zeros).cast::<[u8; 16]>().write_unaligned(rest);
    }
    20 - zeros
}

/// `00000000`.
const ZEROS: u64 = 0x3030_3030_3030_3030;
const WIDE_ZEROS: u128 = (ZEROS as u128) << 64 | ZEROS as u128;

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

/// The same for a number below 10^4.
#[inline(always)]
fn four_digits(value: u32) -> u32 {
    let hundreds = (value * 10_486) >> 20;
    let pairs = hundreds | (value - hundreds * 100) << 16;
    let tens = ((pairs * 103) >> 10) & 0x000f_000f;
    tens | (pairs - tens * 10) << 8
}

/// The digits of two numbers below 10^8, side by side.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn sixteen_digits(high: u64, low: u64) -> u128 {
    use std::arch::x86_64::*;
    let fours = |value: u64| ((value / 10_000) | ((value % 10_000) << 32)) as i64;
    let mut digits = [0; 16];
    // SAFETY: SSE2 is part of x86-64, and the array is sixteen bytes.
    unsafe {
        let fours = _mm_set_epi64x(fours(low), fours(high));
        let hundreds = _mm_srli_epi16::<3>(_mm_mulhi_epu16(fours, _mm_set1_epi32(5_243)));
        let rest = _mm_sub_epi16(fours, _mm_mullo_epi16(hundreds, _mm_set1_epi32(100)));
        let pairs = _mm_or_si128(hundreds, _mm_slli_epi32::<16>(rest));
        let tens = _mm_mulhi_epu16(pairs, _mm_set1_epi16(6_554));
        let rest = _mm_sub_epi16(pairs, _mm_mullo_epi16(tens, _mm_set1_epi16(10)));
        let all = _mm_or_si128(tens, _mm_slli_epi16::<8>(rest));
        _mm_storeu_si128(digits.as_mut_ptr().cast(), all);
    }
    u128::from_le_bytes(digits)
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn sixteen_digits(high: u64, low: u64) -> u128 {
    u128::from(eight_digits(high)) | u128::from(eight_digits(low)) << 64
}
