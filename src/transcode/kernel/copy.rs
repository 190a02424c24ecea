//! Strings from input to output, looked through while they are copied.

use super::{BLOCK, Buffer, LONG, Run, STEP, WIDE, classify, count_steps};

impl Buffer {
    /// Appends `input[from..end]` up to the first byte that can't stand in a JSON string as it is:
    /// `"`, `\` or a control character below 0x20.
    #[inline(always)]
    pub(in crate::transcode) fn copy_plain(
        &mut self,
        input: &[u8],
        from: usize,
        end: usize,
    ) -> Run {
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
    pub(in crate::transcode) fn short_string(
        &mut self,
        input: &[u8],
        from: usize,
    ) -> Option<usize> {
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
    pub(in crate::transcode) fn short_quoted(
        &mut self,
        input: &[u8],
        from: usize,
        end: usize,
    ) -> bool {
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
