//! See `checks/elements.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::elements::check(input));
