//! Where a string has its first byte that isn't plain.

use super::{Run, STEP, count_steps};

/// Where in `input` from `at` on the first `"`, `\`, control character stands (its end, if
/// nowhere), and whether all before it is ASCII.
pub(in crate::transcode) fn find_special(input: &[u8], at: usize) -> Run {
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

/// A bit a byte: which aren't plain string bytes (bit 16 is always set), and which are 0x80 and above.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn classify(chunk: &[u8; STEP]) -> (u32, u32) {
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
pub(super) fn classify(chunk: &[u8; STEP]) -> (u32, u32) {
    let (mut special, mut high) = (1 << STEP, 0);
    for (index, &byte) in chunk.iter().enumerate() {
        special |= u32::from(byte == b'"' || byte == b'\\' || byte < 0x20) << index;
        high |= u32::from(byte >= 0x80) << index;
    }
    (special, high)
}
