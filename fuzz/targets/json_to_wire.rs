//! See `checks/json_to_wire.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::json_to_wire::check(input));
