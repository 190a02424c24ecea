//! See `checks/http2_frames.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::http2_frames::check(input));
