//! See `checks/query.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::query::check(input));
