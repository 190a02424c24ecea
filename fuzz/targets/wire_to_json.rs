//! See `checks/wire_to_json.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::wire_to_json::check(input));
