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
