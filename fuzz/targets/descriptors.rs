//! See `checks/descriptors.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::descriptors::check(input));
